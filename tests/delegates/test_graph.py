"""LangGraph graphs inside agents: real ones, compiled by LangGraph."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

from agentlab import AgentId, CancellationToken, DeadlineExceededError, SingleThreadedAgentRuntime
from agentlab.delegates import Answer, Ask, Assistant, DelegateError, Graph

HERE, THERE = AgentId("it", "here"), AgentId("it", "there")


def one_node(node: Callable[[Any], Any], schema: Any = MessagesState) -> StateGraph:
    graph = StateGraph(schema)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph


def counting() -> StateGraph:
    """Answers with how many messages it knows of, and the last."""
    return one_node(lambda state: {"messages": [("ai", f"{len(state['messages'])}: {state['messages'][-1].text}")]})


@dataclass
class Own:
    number: int


class WithOwn(MessagesState):
    own: Own


class Said(TypedDict):
    text: str
    all: Annotated[list[str], add]


def listing() -> StateGraph:
    """A state of its own: all that was said."""
    return one_node(lambda state: {"all": [state["text"]]}, Said)


async def register(runtime: Any, *args: Any, **options: Any) -> None:
    inside = Graph(*args, **options)
    await Assistant.register(runtime, "it", lambda: Assistant(inside))


async def ask(runtime: Any, text: str, agent: AgentId = HERE) -> str:
    answer = await runtime.send_message(Ask(text), agent)
    assert isinstance(answer, Answer)
    return answer.text


@pytest.mark.parametrize("build", [counting, lambda: counting().compile()], ids=["builder", "compiled"])
async def test_a_thread_is_kept_for_each_key(runtime: SingleThreadedAgentRuntime, build: Callable[[], Any]) -> None:
    await register(runtime, build)
    assert [await ask(runtime, "a"), await ask(runtime, "b")] == ["1: a", "3: b"]
    assert await ask(runtime, "c", THERE) == "1: c"


async def test_a_graph_with_a_state_of_its_own_says_what_goes_in_and_out(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, listing, to_input=lambda text: {"text": text}, to_text=lambda state: " ".join(state["all"]))
    assert [await ask(runtime, "a"), await ask(runtime, "b")] == ["a", "a b"]


@pytest.mark.parametrize("build", [counting, listing])
async def test_a_saved_thread_goes_on_elsewhere(runtime: SingleThreadedAgentRuntime, build: Callable[[], Any]) -> None:
    own = {"to_input": lambda text: {"text": text}, "to_text": lambda state: "".join(state["all"])}
    await register(runtime, build, **(own if build is listing else {}))
    assert await runtime.agent_save_state(HERE) == {}
    await ask(runtime, "a")
    await ask(runtime, "b")
    state = json.loads(json.dumps(await runtime.agent_save_state(HERE)))
    await ask(runtime, "forgotten", THERE)
    await runtime.agent_load_state(THERE, state)
    assert await ask(runtime, "c", THERE) == ("5: c" if build is counting else "abc")
    assert await ask(runtime, "d") == ("5: d" if build is counting else "abd")


async def test_the_past_of_a_thread_takes_no_memory(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, listing, to_input=lambda text: {"text": text}, to_text=lambda state: state["all"][-1])
    sizes = []
    for text in "abcdefgh":
        await ask(runtime, text)
        sizes.append(len(str(await runtime.agent_save_state(HERE))))
    assert sizes[-1] - sizes[0] < 100  # seven letters in a list


async def test_a_run_that_fails_has_not_happened(runtime: SingleThreadedAgentRuntime) -> None:
    def node(state: Any) -> Any:
        if state["messages"][-1].text == "bad":
            raise LookupError("nothing about it")
        return {"messages": [("ai", str(len(state["messages"])))]}

    await register(runtime, lambda: one_node(node))
    assert await ask(runtime, "good") == "1"
    with pytest.raises(LookupError, match="nothing about it"):
        await runtime.send_message(Ask("bad"), HERE)
    assert await ask(runtime, "good") == "3"


async def test_a_graph_stops_when_nobody_waits(runtime: SingleThreadedAgentRuntime) -> None:
    ended: list[str] = []

    async def node(state: Any) -> Any:
        try:
            await asyncio.sleep(60 if state["messages"][-1].text == "slow" else 0)
        finally:
            ended.append(state["messages"][-1].text)
        return {"messages": [("ai", str(len(state["messages"])))]}

    await register(runtime, lambda: one_node(node))
    with pytest.raises(DeadlineExceededError):
        await runtime.send_message(Ask("slow"), HERE, deadline_s=0.3)
    token = CancellationToken()
    asking = asyncio.ensure_future(runtime.send_message(Ask("slow"), HERE, cancellation_token=token))
    await asyncio.sleep(0.02)
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await ask(runtime, "quick") == "1"
    assert ended[-1] == "quick"


async def test_a_checkpointer_of_the_graphs_own_is_used(runtime: SingleThreadedAgentRuntime) -> None:
    saver = InMemorySaver()
    await register(runtime, lambda: counting().compile(checkpointer=saver))
    await ask(runtime, "a")
    assert [await ask(runtime, "b"), await ask(runtime, "c", THERE)] == ["3: b", "1: c"]
    assert set(saver.storage) == {"here", "there"}
    assert (await runtime.agent_save_state(HERE))["said"] == {}


async def test_who_loads_a_state_does_not_choose_what_is_called(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, lambda: one_node(lambda state: {"own": Own(1), "messages": [("ai", "done")]}, WithOwn))
    await ask(runtime, "a")
    state = await runtime.agent_save_state(HERE)
    with pytest.raises(ValueError, match=r"The saved state holds a .*test_graph\.Own"):
        await runtime.agent_load_state(THERE, state)


@pytest.mark.parametrize("wrong", [counting(), counting().compile(), "counting"], ids=["builder", "compiled", "text"])
def test_a_graph_is_given_what_builds_it(wrong: Any) -> None:
    with pytest.raises(TypeError, match="A Graph is given a function that builds the graph, not a"):
        Graph(wrong)


@pytest.mark.parametrize(
    ("build", "problem"),
    [
        (lambda: None, "is a NoneType, and a StateGraph was expected"),
        (listing, r"The graph's state has no messages \(only text, all\)"),
        (lambda: one_node(lambda state: interrupt("may I?")), "stopped to ask somebody"),
    ],
    ids=["no graph", "no messages", "interrupt"],
)
async def test_a_graph_that_cannot_answer_says_why(
    runtime: SingleThreadedAgentRuntime, build: Callable[[], Any], problem: str
) -> None:
    to_input = (lambda text: {"text": text}) if build is listing else None
    await register(runtime, build, **({"to_input": to_input} if to_input else {}))
    with pytest.raises(DelegateError, match=problem):
        await runtime.send_message(Ask("hi"), HERE)
