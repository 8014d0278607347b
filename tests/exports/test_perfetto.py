"""Traces: checked against the format's description, and loaded into Perfetto's own trace processor."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from views import journals

from agentlab.core import journal as j
from agentlab.core.journal import JournalEvent
from agentlab.core.run import Run
from agentlab.exports import message_copies, to_perfetto

from .journals import JOURNALS, STORIES
from .readers import asked_of_perfetto

_PLACE = {"pid": {"type": "integer", "minimum": 1}, "tid": {"type": "integer", "minimum": 0}}
_TIME = {"type": "number", "minimum": 0}


def _event(phase: str, required: str = "", **properties: Any) -> dict[str, Any]:
    """The schema of an event of one phase."""
    common = {"name": {"type": "string"}, "cat": {"type": "string"}, "ts": _TIME, **_PLACE, "args": {"type": "object"}}
    return {
        "properties": {"ph": {"const": phase}, **common, **properties},
        "required": ["ph", "name", "pid", "tid", "ts", *required.split()],
        "additionalProperties": False,
    }


SCHEMA = {
    "type": "object",
    "required": ["traceEvents"],
    "properties": {
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "otherData": {"type": "object", "additionalProperties": {"type": "string"}},
        "traceEvents": {
            "type": "array",
            "items": {
                "type": "object",
                "oneOf": [
                    _event("X", "dur cat", dur={"type": "number", "exclusiveMinimum": 0}),
                    _event("s", "id cat", id={"type": "integer"}),
                    _event("t", "id cat", id={"type": "integer"}),
                    _event("f", "id cat bp", id={"type": "integer"}, bp={"const": "e"}),
                    _event("i", "s cat", s={"enum": ["g", "p", "t"]}),
                    {
                        **_event("M", "args"),
                        "oneOf": [
                            {
                                "properties": {
                                    "name": {"enum": [f"{thing}_{of}"]},
                                    "args": {"properties": {key: {"type": kind}}, "required": [key]},
                                }
                            }
                            for thing in ("process", "thread")
                            for of, key, kind in (("name", "name", "string"), ("sort_index", "sort_index", "integer"))
                        ],
                    },
                ],
            },
        },
    },
}
"""The part of the Trace Event Format that we write, after Chromium's document of that name."""


def check_trace(trace: Any) -> None:
    """Check what the schema says, and what it cannot say: slices of a thread do not overlap, and arrows go forward in
    time from slice to slice."""
    trace = json.loads(json.dumps(trace))
    jsonschema.validate(trace, SCHEMA)
    slices: dict[tuple[int, int], list[tuple[float, float]]] = {}
    flows: dict[int, list[dict[str, Any]]] = {}
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            slices.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
        elif event["ph"] in "stf":
            flows.setdefault(event["id"], []).append(event)
    for times in slices.values():
        assert all(end <= start + 1e-6 for (_, end), (start, _) in pairwise(sorted(times)))
    for points in flows.values():
        assert [point["ph"] for point in points] == ["s", *"t" * (len(points) - 2), "f"]
        for point in points:
            on = slices[point["pid"], point["tid"]]
            assert any(start <= point["ts"] <= end for start, end in on)


@pytest.mark.parametrize("story", STORIES)
def test_a_storys_trace_is_of_the_trace_event_format(story: str) -> None:
    check_trace(to_perfetto(STORIES[story]))


@given(JOURNALS)
def test_any_journals_trace_is_of_the_trace_event_format(events: list[JournalEvent]) -> None:
    check_trace(to_perfetto(events))


@pytest.mark.parametrize("story", ["nested calls", "killed worker", "standalone", "many"])
def test_perfetto_reads_every_slice_and_every_arrow(story: str) -> None:
    trace = to_perfetto(STORIES[story])
    phases = Counter(event["ph"] for event in trace["traceEvents"])
    slices, arrows, complaints = asked_of_perfetto(
        trace,
        "select count(*) as n from slice where dur > 0",
        "select count(*) as n from flow",
        "select name, value from stats where value > 0 and severity != 'info'",
    )
    assert complaints == []
    assert slices == [{"n": phases["X"]}]
    assert arrows == [{"n": phases["s"] + phases["t"]}]  # an arrow for each stretch of a message's way


def test_perfetto_shows_processes_as_processes_and_agents_as_threads() -> None:
    threads, marks = asked_of_perfetto(
        to_perfetto(journals.killed_worker()),
        "select distinct process.name as process, thread.name as thread from slice "
        "join thread_track on slice.track_id = thread_track.id join thread using (utid) join process using (upid)",
        "select slice.name as name, process.name as process from slice join process_track "
        "on slice.track_id = process_track.id join process using (upid) where slice.dur = 0",
    )
    places = {(row["process"], row["thread"]) for row in threads}
    assert {("notebook", "messages"), ("host", "messages"), ("fragile", "counter/1"), ("steady", "logger/1")} <= places
    assert {"name": "killed", "process": "fragile"} in marks
    assert {"name": "lost Count", "process": "host"} in marks


def test_an_arrow_goes_from_the_handler_that_sent_a_message_to_the_one_that_got_it() -> None:
    (arrows,) = asked_of_perfetto(
        to_perfetto(journals.debate()),
        "select a.name as source, b.name as target from flow "
        "join slice a on flow.slice_out = a.id join slice b on flow.slice_in = b.id where a.category = 'handler'",
    )
    sent = {(row["source"], row["target"]) for row in arrows}
    assert ("Motion", "Question") in sent  # by way of the host, whose slices have the messages' names
    assert ("Question", "Reply") in sent


def test_a_handler_slice_is_as_long_as_the_handler_ran() -> None:
    story = journals.Story({"worker/1": "w"})
    story.call("", "worker/1", "Work", 7 * journals.MS, error="ValueError: no")
    (handler,) = [e for e in to_perfetto(story.events)["traceEvents"] if e.get("cat") == "handler"]
    assert handler["dur"] == pytest.approx(7000)
    assert handler["args"]["outcome"] == "failed"
    assert handler["args"]["detail"] == "ValueError: no"


def test_handlers_of_one_agent_that_overlap_get_threads_of_their_own() -> None:
    story = journals.Story({"worker/1": "w"})
    start = story.now
    for number in range(3):
        story.call("", "worker/1", "Work", 50 * journals.MS, at=start + number * journals.MS)
    trace = to_perfetto(story.events)
    names = [e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"]
    assert {"worker/1", "worker/1 (2)", "worker/1 (3)"} <= set(names)
    check_trace(trace)


def test_every_message_that_got_somewhere_has_an_arrow() -> None:
    copies = message_copies(journals.many(60))
    flows = {e["id"] for e in to_perfetto(journals.many(60))["traceEvents"] if e["ph"] == "s"}
    assert len(flows) == len(copies)


def test_lanes_stand_in_the_order_of_the_run() -> None:
    run = Run(journals.fan_out(), lanes=("notebook", "cy", "bob", "ada"))
    names = [e["args"]["name"] for e in to_perfetto(run)["traceEvents"] if e["name"] == "process_name"]
    assert names == ["notebook", "cy", "host", "bob", "ada"]


def test_times_count_from_the_first_event() -> None:
    trace = to_perfetto(journals.debate())
    times = [e["ts"] for e in trace["traceEvents"] if e["ph"] != "M"]
    assert min(times) == 0
    assert max(times) < 1e6
    assert j.JOINED in {e["name"] for e in trace["traceEvents"]}
