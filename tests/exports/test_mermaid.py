"""Mermaid diagrams: read by Mermaid itself, and by a grammar of the lines that we write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from views import journals

from agentlab.core.journal import JournalEvent
from agentlab.exports import message_copies, to_mermaid
from agentlab.exports.mermaid import LONGEST_TEXT, escaped

from .journals import JOURNALS, NASTY, STORIES
from .readers import parsed_by_mermaid

_TEXT = r"(?:[^\W_]|[ _./:()?!'*→…-]|#\d+;)+"
_GRAMMAR = re.compile(
    rf"    (?:participant p\d+ as {_TEXT}|box transparent {_TEXT}|end|p\d+(?:->>|-->>|-\)|-x)p\d+: {_TEXT}"
    rf"|Note over p\d+(?:,p\d+)?: {_TEXT})"
)


def unescaped(text: str) -> str:
    """What a browser shows for Mermaid's entity codes, as Mermaid keeps them and as we write them."""
    return unescape(re.sub(r"(?:ﬂ°°|#)(\d+)(?:¶ß|;)", r"&#\1;", text))


def check_lines(diagram: str) -> None:
    first, *lines = diagram.splitlines()
    assert first == "sequenceDiagram"
    assert [line for line in lines if not _GRAMMAR.fullmatch(line)] == []
    named = re.findall(r"participant (p\d+) ", diagram)
    assert len(named) == len(set(named))
    arrows = re.findall(r"(p\d+)(?:->>|-->>|-\)|-x)(p\d+):", diagram)
    assert {end for arrow in arrows for end in arrow} <= set(named)
    assert lines.count("    end") == sum(line.startswith("    box ") for line in lines)


@pytest.mark.parametrize("story", STORIES)
def test_a_story_is_written_in_lines_that_mermaid_knows(story: str) -> None:
    check_lines(to_mermaid(STORIES[story]))


@given(JOURNALS)
def test_any_journal_is_written_in_lines_that_mermaid_knows(events: list[JournalEvent]) -> None:
    check_lines(to_mermaid(events))


def test_mermaid_reads_every_story_as_we_meant_it(mermaid: Path) -> None:
    for events, read in zip(STORIES.values(), read_all(mermaid, list(STORIES.values())), strict=True):
        assert "error" not in read, read
        arrows = [message for message in read["messages"] if "from" in message and message["type"] != 2]
        labels = [unescaped(message["text"]).partition(" (")[0] for message in arrows]
        assert labels == [copy.type for copy in message_copies(events)[:100]]


def test_mermaid_reads_whatever_an_agent_or_an_error_is_called(mermaid: Path) -> None:
    words = ("end", "loop x", "as", "-->>", "p0", "%%{init}%%", "a;b", "#quot;", "\u2028", "box red", "")
    texts = [*sample(NASTY, 150), *words]
    told = []
    for text in texts:
        story = journals.Story({f"{text}/1": text or "unnamed"})
        story.call("", f"{text}/1", text, error=text)
        told.append(story.events)
    for text, read in zip(texts, read_all(mermaid, told), strict=True):
        assert "error" not in read, (text, read)
        assert printable(f"{text}/1") in {unescaped(actor["text"]) for actor in read["actors"]}


def test_mermaid_reads_any_journal(mermaid: Path) -> None:
    failed = [read["error"] for read in read_all(mermaid, sample(JOURNALS, 60)) if "error" in read]
    assert failed == []


def test_mermaid_refuses_what_is_not_a_diagram(mermaid: Path) -> None:
    """Else the tests above would say nothing."""
    broken = ["sequenceDiagram\n    p0->>p1 no colon\n", "sequenceDiagram\n    participant p0 as a;b\n    box\n"]
    assert all("error" in read for read in parsed_by_mermaid(mermaid, broken))


def test_a_process_named_like_a_colour_is_a_name(mermaid: Path) -> None:
    story = journals.Story({"painter/1": "red"})
    story.call("", "painter/1", "Paint")
    (read,) = read_all(mermaid, [story.events])
    assert [(box["name"], box["fill"]) for box in read["boxes"]] == [("red", "transparent")]


def read_all(mermaid: Path, told: Sequence[Sequence[JournalEvent]]) -> list[dict[str, Any]]:
    return parsed_by_mermaid(mermaid, [to_mermaid(events) for events in told])


def sample(strategy: st.SearchStrategy[Any], number: int) -> list[Any]:
    """Some examples: of a property whose check costs too much to be run for each alone."""
    found: list[Any] = []

    @settings(max_examples=number, phases=[Phase.generate], database=None)
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found


def test_agents_are_boxed_by_their_process() -> None:
    lines = to_mermaid(journals.fan_out()).splitlines()
    at = lines.index("    box transparent ada")
    assert lines[at + 1].endswith(" as reader/a")
    assert lines[at + 2] == "    end"


def test_what_did_not_arrive_ends_in_a_cross_and_says_why() -> None:
    diagram = to_mermaid(journals.killed_worker())
    assert re.search(r"p\d+-xp\d+: Count\n    Note over p\d+: lost: worker fragile was lost\n", diagram)
    assert "dropped: queue full" in diagram


def test_a_long_run_is_cut_and_says_how_much_is_left_out() -> None:
    events = journals.many(200)
    diagram = to_mermaid(events, limit=10)
    assert len(re.findall(r"(?:->>|-\)|-x)p", diagram)) == 10
    assert diagram.endswith(f": {len(message_copies(events)) - 10} more messages left out\n")


def test_a_diagram_is_never_longer_than_mermaid_takes() -> None:
    story = journals.Story({})
    for number in range(400):
        agent = f"{'ß%' * 30}{number}/1"
        story.homes[agent] = f"worker-{number}"
        story.call("", agent, "%" * 60, error="&" * 200)
    diagram = to_mermaid(story.events, limit=1000)
    assert len(diagram) <= LONGEST_TEXT
    assert "more messages left out" in diagram
    check_lines(diagram)


def test_a_diagram_has_room_for_one_message_at_least() -> None:
    with pytest.raises(ValueError, match="at least one message, not 0"):
        to_mermaid([], limit=0)


def test_a_notebook_shows_the_diagram_as_markdown() -> None:
    shown = to_mermaid(journals.debate())._repr_markdown_()
    assert shown.startswith("```mermaid\nsequenceDiagram\n")
    assert shown.endswith("\n```\n")


@given(NASTY)
def test_an_escaped_text_is_one_line_and_means_the_same(text: str) -> None:
    line = escaped(text)
    assert re.fullmatch(_TEXT, line)
    assert unescaped(line).strip() == printable(text)


def printable(text: str) -> str:
    """A text in one line, with a sign for every character that cannot be shown."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(text.split()))
