"""Delegates whose insides were written in cells, in worker processes; and the debate's one switch."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import pytest
from lab.cells import Notebook
from until import until

from agentlab import AgentId, DeadlineExceededError, Lab, RemoteHandlerError
from agentlab.core import journal as j
from agentlab.delegates import Answer, Ask, Assistant, Graph, LanguageModel
from agentlab.gallery.debate import Motion, Turn, seat

CELL = """
    import os
    import time
    from typing import Annotated, TypedDict
    from operator import add

    import llm
    from langgraph.graph import END, START, StateGraph

    class Heard(TypedDict):
        text: str
        all: Annotated[list[str], add]

    def build():
        graph = StateGraph(Heard)
        graph.add_node("keep", lambda state: {"all": [state["text"]]})
        graph.add_edge(START, "keep")
        graph.add_edge("keep", END)
        return graph

    class Backwards(llm.Model):
        model_id = "backwards"

        def execute(self, prompt, stream, response, conversation):
            yield prompt.prompt[::-1]

    class Counts:
        def __init__(self):
            self.calls = 0

        def __call__(self, text):
            self.calls += 1
            return f"{text} {self.calls} in {os.getpid()}"

    def hang(text):
        time.sleep(600)

    def fail(text):
        raise LookupError(f"no idea about {text}")
"""


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    lab = await Lab.start(workers=3)
    yield lab
    await lab.stop()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A notebook with the cell above."""
    notebook = Notebook()
    monkeypatch.setitem(sys.modules, "__main__", notebook.main)
    notebook.run(CELL)
    return notebook


async def say(lab: Lab, text: str, key: str = "x") -> str:
    answer = await lab.send_message(Ask(text), AgentId("it", key))
    assert isinstance(answer, Answer)
    return answer.text


async def test_what_was_written_in_a_cell_is_inside_agents_of_other_processes(lab: Lab, notebook: Notebook) -> None:
    pid = lab["worker-1"].pid
    await lab.register("worker-1", "it", Assistant, notebook.Counts)
    assert [await say(lab, "a"), await say(lab, "b"), await say(lab, "c", "y")] == [
        f"a 1 in {pid}",
        f"b 2 in {pid}",
        f"c 1 in {pid}",
    ]
    graph = Graph(notebook.build, lambda text: {"text": text}, lambda state: "".join(state["all"]))
    await lab.register("worker-1", "it", Assistant, graph)
    assert [await say(lab, "a"), await say(lab, "b"), await say(lab, "c", "y")] == ["a", "ab", "c"]
    await lab.register("worker-1", "it", Assistant, graph)
    assert await say(lab, "c") == "abc"  # the running agent was replaced, and its state carried over
    await lab.register("worker-1", "it", Assistant, LanguageModel(notebook.Backwards))
    assert await say(lab, "stressed") == "desserts"
    await lab.register("worker-1", "it", Assistant, notebook.fail)
    with pytest.raises(RemoteHandlerError, match="LookupError: no idea about it") as caught:
        await say(lab, "it")
    assert 'raise LookupError(f"no idea about {text}")' in str(caught.value)


async def test_a_function_that_never_returns_does_not_keep_its_worker_from_ending(lab: Lab, notebook: Notebook) -> None:
    await lab.register("worker-1", "it", Assistant, notebook.hang)
    with pytest.raises(DeadlineExceededError):
        await lab.send_message(Ask("hello?"), AgentId("it", "x"), deadline_s=0.2)
    process = lab["worker-1"]
    await lab.stop()
    assert process.state == "stopped"  # in order: it had not to be killed


async def test_one_switch_seats_the_debate_apart_or_together(lab: Lab) -> None:
    def processes_of_last_debate(first: int) -> set[str]:
        return {event.process for event in lab.journal if event.what == j.STARTED and event.seq > first}

    apart = await seat(lab, debaters={"player-b": LanguageModel("debate-rules")})
    assert apart == {"judge": "worker-1", "player-a": "worker-2", "player-b": "worker-3"}
    verdict = await lab.send_message(Motion("A framework?"), "judge", deadline_s=50)
    assert verdict.score["for"] == 7
    await until(lambda: processes_of_last_debate(0) >= {"worker-1", "worker-2", "worker-3"})
    await lab.when_idle()
    first = lab.journal.events[-1].seq
    assert set((await seat(lab, apart=False)).values()) == {"worker-1"}
    assert await lab.send_message(Motion("A framework?"), "judge")
    await lab.when_idle()
    await until(lambda: processes_of_last_debate(first))
    assert processes_of_last_debate(first) == {"worker-1"}
    await lab.unregister("worker-1", "player-b")
    assert "player-b" not in await seat(lab, apart=False, foreign=["player-b"])
    assert (await lab.send_message(Turn("Why?", 1), "player-a")).side == "for"
