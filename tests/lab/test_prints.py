"""Whose line is whose in a worker's log."""

from __future__ import annotations

import io

from agentlab import AgentId
from agentlab.core.contexts import AgentInstantiationContext, MessageHandlerContext
from agentlab.lab.prints import AgentPrints, agent_of, printed_by, unmarked

ANNA, BOB = AgentId("player", "anna"), AgentId("judge", "bob")


def written() -> str:
    stream = io.StringIO()
    out = AgentPrints(stream)
    print("nobody", file=out)
    with MessageHandlerContext.populate_context(ANNA):
        print("one\ntwo", file=out)
        print("begun ", end="", file=out)
    with MessageHandlerContext.populate_context(BOB):
        print("by anna", file=out)
        print("bob's", file=out)
    with AgentInstantiationContext.populate_context((None, ANNA)):  # type: ignore[arg-type]
        print("is made", file=out)
    return stream.getvalue()


def test_a_line_is_whose_it_was_begun_by() -> None:
    lines = written().splitlines()
    assert list(map(agent_of, lines)) == ["", "player/anna", "player/anna", "player/anna", "judge/bob", "player/anna"]
    assert [unmarked(line) for line in printed_by("player", lines)] == ["one", "two", "begun by anna", "is made"]
    assert [unmarked(line) for line in printed_by("judge/bob", lines)] == ["bob's"]
    assert printed_by("play", lines) == []


def test_bytes_go_to_the_log_as_they_are() -> None:
    log = io.BytesIO()
    out = AgentPrints(stream := io.TextIOWrapper(log))
    out.buffer.write(b"not text\xff")
    stream.flush()
    assert log.getvalue() == b"not text\xff"


def test_without_the_marks_the_log_is_what_was_printed() -> None:
    assert unmarked(written()) == "nobody\none\ntwo\nbegun by anna\nbob's\nis made\n"
