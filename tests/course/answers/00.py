"""Answers to the exercises of notebook 00."""

# %% 00.1 wrong: a loop of three debates
for _ in range(3):
    verdict = await lab.send_message(Motion("Is three times better than once?", rounds=1), "judge")
verdict

# %% 00.1 wrong: two rounds
verdict = await lab.send_message(Motion("Is three times better than once?", rounds=2), "judge")
verdict

# %% 00.1 solution
verdict = await lab.send_message(Motion("Is three times better than once?", rounds=3), "judge")
verdict

# %% 00.2 wrong: another worker
await lab.kill("worker-2")
await lab.restart("worker-2")

# %% 00.2 wrong: down, and not up
await lab.kill("worker-1")

# %% 00.2 solution
await lab.kill("worker-1")
await lab.restart("worker-1")

# %% 00.3 wrong: to one player alone
my_question = "Who washes the dishes?"
await lab.send_message(Verdict(my_question, "against", {"for": 0, "against": 1}), "player-a")

# %% 00.3 wrong: to a topic that nobody subscribes to
my_question = "Who washes the dishes?"
await lab.publish_message(Verdict(my_question, "against", {"for": 0, "against": 1}), "verdicts")

# %% 00.3 solution
my_question = "Who washes the dishes?"
await lab.publish_message(Verdict(my_question, "against", {"for": 0, "against": 1}), "verdict")
