"""Answers to the exercises of notebook 02."""

# %% 02.1 wrong: a second type
await lab.register("worker-1", "observer-2", Observer)

# %% 02.1 wrong: it is taken
await lab.register("worker-1", "observer", Observer)

# %% 02.1 solution
await lab.unregister("worker-3", "observer")
await lab.register("worker-1", "observer", Observer)

# %% 02.1 wrong: given up, and nowhere
await lab.unregister("worker-1", "observer")
