"""The debate with whatever inside its players, in one process and on workers."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from until import until

from agentlab import (
    AgentId,
    ClosureAgent,
    ClosureContext,
    HostService,
    MessageContext,
    SingleThreadedAgentRuntime,
    try_get_known_serializers_for_type,
)
from agentlab.core import journal as j
from agentlab.delegates import Graph, LanguageModel
from agentlab.gallery.debate import Argument, Judge, Motion, Player, RuleBook, Turn, Verdict, in_words, weigh

JUDGE = AgentId("judge", "x")
RULES = Verdict("A framework?", "for", {"for": 7, "against": 5})
"""How it ends by the rules."""


def by_rules(turn: Turn) -> Argument:
    return RuleBook("against").argue(turn)


async def in_short(turn: Turn) -> str:
    return f"Because of reason {turn.number}, and you know it."


def graph() -> Any:
    builder = StateGraph(dict)
    builder.add_node("argue", lambda state: {"said": f"Therefore. {state['heard'][:20]}"})
    builder.add_edge(START, "argue")
    builder.add_edge("argue", END)
    return builder


async def hold(runtime: Any, for_it: Any = None, against: Any = None, rounds: int = 2) -> Verdict:
    await Player.register(runtime, "player-a", lambda: Player("for", for_it))
    await Player.register(runtime, "player-b", lambda: Player("against", against))
    await Judge.register(runtime, "judge", Judge)
    verdict = await runtime.send_message(Motion("A framework?", rounds), JUDGE)
    assert isinstance(verdict, Verdict)
    return verdict


async def test_by_default_both_argue_by_rules(runtime: SingleThreadedAgentRuntime) -> None:
    assert await hold(runtime) == RULES


async def test_the_rules_say_the_same_through_a_language_models_interface(
    runtime: SingleThreadedAgentRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    def arguments() -> list[str]:
        return capsys.readouterr().out.splitlines()[:4]  # after them the players hear the verdict

    await hold(runtime)
    first = arguments()
    other = SingleThreadedAgentRuntime()
    other.start()
    await hold(other, LanguageModel("debate-rules"), LanguageModel("debate-rules"))
    await other.stop()
    assert arguments() == first


@pytest.mark.parametrize(
    "inside",
    [
        RuleBook("for"),
        by_rules,
        in_short,
        LanguageModel("debate-rules"),
        LanguageModel("repeats"),
        Graph(graph, to_input=lambda text: {"heard": text}, to_text=lambda state: state["said"]),
    ],
    ids=["object", "function", "async function", "model", "blocking model", "graph"],
)
async def test_anything_can_be_inside_one_player(runtime: SingleThreadedAgentRuntime, inside: Any) -> None:
    verdict = await hold(runtime, inside)
    assert sum(verdict.score.values()) >= 4
    assert verdict.score["against"] >= 2


async def test_a_player_that_answers_with_anything_else_is_told_so(runtime: SingleThreadedAgentRuntime) -> None:
    with pytest.raises(TypeError, match="answered with 3"):
        await hold(runtime, lambda turn: 3)


async def test_a_player_need_not_be_a_player(cast: Any, host: HostService) -> None:
    left, right, middle, notebook = [await cast.worker(host, name) for name in ("left", "right", "middle", "notebook")]
    notebook.add_message_serializer(try_get_known_serializers_for_type(Verdict))

    async def short(closure: ClosureContext, message: Turn, ctx: MessageContext) -> Argument:
        return Argument("against", f"No. And {message.heard[:0]}number {message.number} is no better.", 9)

    await Player.register(left, "player-a", lambda: Player("for"))
    await ClosureAgent.register_closure(right, "player-b", short)
    await Judge.register(middle, "judge", Judge)
    verdict = await notebook.send_message(Motion("A framework?"), JUDGE)
    assert verdict == Verdict("A framework?", "against", {"for": 7, "against": 10})  # 9 is not more than 5
    await until(lambda: [e for e in host.journal if e.what == j.HANDLED and e.type == "Verdict" and e.kind == j.EVENT])


async def test_a_player_that_is_moved_does_not_repeat_itself(runtime: SingleThreadedAgentRuntime) -> None:
    await hold(runtime, rounds=1)
    state = await runtime.agent_save_state(AgentId("player-a", "x"))
    await runtime.agent_load_state(AgentId("player-a", "y"), state)
    again = await runtime.send_message(Turn("A framework?", 2, "own code"), AgentId("player-a", "y"))
    assert again.text.startswith("Own code for delivery")
    last = await runtime.send_message(Turn("A framework?", 3, "sockets"), AgentId("player-a", "y"))
    assert last.text.startswith("We learn it once")


@pytest.mark.parametrize(
    ("argument", "heard", "points"),
    [
        (Argument("for", "Any.", 3), "", 3),
        (Argument("for", "Any.", 1000), "", 5),
        (Argument("for", "Any.", -4), "", 1),
        (Argument("for", "Any."), "", 1),
        (Argument("for", "It is good for us all, because it is."), "", 3),
        (Argument("for", "Sockets are hard, so we need help with them."), "What about sockets?", 5),
        (Argument("for", "word " * 100), "", 1),
    ],
)
def test_an_argument_is_weighed_by_what_it_says_of_itself_or_by_a_rule(
    argument: Argument, heard: str, points: int
) -> None:
    assert weigh(argument, heard) == points


async def test_equal_scores_have_no_winner(runtime: SingleThreadedAgentRuntime) -> None:
    verdict = await hold(runtime, lambda turn: Argument("for", "Yes.", 2), lambda turn: Argument("against", "No.", 2))
    assert verdict == Verdict("A framework?", "nobody", {"for": 4, "against": 4})


def test_a_turn_in_words_says_the_side_the_question_and_what_was_heard() -> None:
    words = in_words("against", Turn("Why?", 2, "Because."))
    assert "You argue against it" in words
    assert "Why?" in words
    assert "The other side said: Because." in words
    assert "said" not in in_words("for", Turn("Why?", 1))
