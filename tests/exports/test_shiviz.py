"""Vector clocks, and the log that ShiViz reads: checked as ShiViz checks it when it opens a log."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from views import journals

from agentlab.core import journal as j
from agentlab.core.journal import JournalEvent
from agentlab.exports import Stamped, to_shiviz, vector_clocks

from .journals import JOURNALS, STORIES


@dataclass(frozen=True)
class Read:
    """One event as ShiViz reads it."""

    event: str
    host: str
    clock: dict[str, int]


def read_log(log: str) -> list[Read]:
    """Read a log by its own first line, and check what ShiViz checks: each host's clock counts its events from 1 on, a
    clock names only events that there are, and what is known of an event is known of all before it."""
    parser, delimiter, text = log.split("\n", 2)
    assert delimiter == ""
    found = re.finditer(re.sub(r"\(\?<(\w+)>", r"(?P<\1>", parser), text.strip())
    read = [Read(one["event"], one["host"], json.loads(one["clock"])) for one in found]
    assert 2 * len(read) == len(text.splitlines())
    by_host: dict[str, list[Read]] = {}
    for one in read:
        by_host.setdefault(one.host, []).append(one)
    for host, events in by_host.items():
        events.sort(key=lambda one: one.clock[host])
        assert [one.clock[host] for one in events] == list(range(1, len(events) + 1))
    for one in read:
        for host, number in one.clock.items():
            known = by_host[host][number - 1]
            assert all(count <= one.clock.get(other, 0) for other, count in known.clock.items())
    return read


@pytest.mark.parametrize("story", [name for name, events in STORIES.items() if events])
def test_shiviz_reads_a_story_without_losing_an_event(story: str) -> None:
    assert len(read_log(to_shiviz(STORIES[story]))) == len(STORIES[story])


@given(JOURNALS)
def test_shiviz_reads_any_journal_even_one_that_contradicts_itself(events: list[JournalEvent]) -> None:
    log = to_shiviz(events)
    assert len(read_log(log)) == len(events)


def test_the_log_of_nothing_is_a_parser_alone() -> None:
    assert to_shiviz([]) == "(?<event>.*)\\n(?<host>\\S*) (?<clock>{.*})\n\n"


def test_names_with_blanks_stay_different() -> None:
    story = journals.Story()
    story.join("my worker", "my_worker", "my\tworker")
    assert {read.host for read in read_log(to_shiviz(story.events))} == {"my_worker", "my_worker_2", "my_worker_3"}


def test_an_errors_text_takes_one_line() -> None:
    story = journals.Story({"a/1": "w"})
    story.call("", "a/1", "Ask", error='ValueError: no\n\nw {"w": 1}\u2028and more')
    read = read_log(to_shiviz(story.events))
    assert any(one.event.endswith('ValueError: no w {"w": 1} and more') for one in read)


def stamp(stamped: Sequence[Stamped], what: str, **fields: str) -> Stamped:
    found = [
        one
        for one in stamped
        if one.event.what == what and all(getattr(one.event, name) == value for name, value in fields.items())
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("story", STORIES)
def test_every_step_of_a_message_is_before_the_next(story: str) -> None:
    order = [j.SENT, j.ARRIVED, j.LEFT, j.RECEIVED, j.STARTED, j.HANDLED]
    copies: dict[tuple[str, ...], list[Stamped]] = {}
    for one in vector_clocks(STORIES[story]):
        if one.event.what in order and one.event.kind == j.REQUEST:
            copies.setdefault(one.event.copy, []).append(one)
    for steps in copies.values():
        steps.sort(key=lambda one: order.index(one.event.what))
        for first, second in pairwise(steps):
            assert first.is_before(second)
            assert not second.is_before(first)


def test_handlers_that_know_nothing_of_each_other_are_concurrent() -> None:
    stamped = vector_clocks(journals.fan_out())
    one = stamp(stamped, j.HANDLED, recipient="reader/a", type="News")
    other = stamp(stamped, j.HANDLED, recipient="reader/b", type="News")
    assert not one.is_before(other)
    assert not other.is_before(one)
    sent = stamp(stamped, j.SENT, type="News")
    assert sent.is_before(one)
    assert sent.is_before(other)


def test_agents_are_the_lanes_of_the_standalone_runtime() -> None:
    assert {one.lane for one in vector_clocks(journals.standalone())} == {"editor/e", "writer/w", "critic/c", "outside"}


def test_the_order_of_events_follows_the_causes_when_the_clocks_of_machines_disagree() -> None:
    """A worker whose clock is a second behind: by time alone, it would receive before anyone sends."""
    early = [
        replace(event, time_ns=event.time_ns - 10**9) if event.process == "pro" and event.kind != j.PROCESS else event
        for event in journals.debate()
    ]
    stamped = vector_clocks(early)
    places = {id(one.event): place for place, one in enumerate(stamped)}
    question = [e for e in early if e.recipient == "pro/p" and e.kind == j.REQUEST]
    assert [e.what for e in sorted(question, key=lambda e: places[id(e)])] == [
        *(j.SENT, j.ARRIVED, j.LEFT, j.RECEIVED, j.STARTED, j.HANDLED)
    ]


def test_what_befalls_a_process_stands_where_its_time_puts_it() -> None:
    """The host noted it with its own Lamport time, which is far ahead of the worker's."""
    lane = [one.event for one in vector_clocks(journals.killed_worker()) if one.lane == "fragile"]
    assert [event.what for event in lane if event.kind == j.PROCESS] == [j.JOINED, j.KILLED, j.GONE]
    assert lane[0].what == j.JOINED
    assert lane[-1].what == j.GONE
