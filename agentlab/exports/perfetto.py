"""The run as a trace for Perfetto (https://ui.perfetto.dev) and ``chrome://tracing``.

The format is the Trace Event Format of Chromium's documentation: a JSON object with a list of events. A process of the
run is a process of the trace, an agent is a thread of it, a handler is a slice, and a message is a flow: an arrow
from slice to slice. Read next: `agentlab.exports.clocks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.journal import (
    ARRIVED,
    DELAYED,
    DUPLICATED,
    ENDINGS,
    HANDLED,
    LEFT,
    PROCESS,
    RECEIVED,
    REQUEST,
    RESPONSE,
    SENT,
    STARTED,
    JournalEvent,
)
from ..core.run import Run
from .copies import MessageCopy, message_copies, process_names

MESSAGES: Final = "messages"
"""The thread of a process on which its messages stand that no handler sent or waits for."""
SHORTEST_NS: Final = 1_000
"""How long a moment is drawn: an arrow needs a slice to start from, and a slice needs a length to be seen."""


@dataclass
class _Slice:
    """A slice is a stretch of time on a thread. No two slices of a thread overlap: that is the format's rule, so
    `slot` is the number of the thread among those of its track."""

    process: str
    track: str
    name: str
    category: str
    start: int
    end: int
    args: dict[str, Any]
    slot: int = 0

    def around(self, time_ns: int) -> int:
        """The moment of this slice that is next to a time."""
        return max(self.start, min(time_ns, self.end - 1))


@dataclass
class _Trace:
    """The trace as it is put together: slices and the arrows between them."""

    origin: int
    end: int
    slices: list[_Slice] = field(default_factory=list)
    flows: list[tuple[MessageCopy, list[tuple[_Slice, int]]]] = field(default_factory=list)
    handlers: dict[tuple[str, str, str], list[_Slice]] = field(default_factory=dict)
    """The handler slices of a message in a process and an agent."""
    causes: dict[str, list[str]] = field(default_factory=dict)
    """Of each request: which messages were being handled when it was sent."""
    moments: dict[int, _Slice] = field(default_factory=dict)
    """The slices of what is common to several copies, by the number of the event."""

    def slice(self, process: str, track: str, name: str, category: str, start: int, end: int, args: Any) -> _Slice:
        made = _Slice(process, track, name, category, start, max(end, start + SHORTEST_NS), args)
        self.slices.append(made)
        return made

    def handler_at(self, message_id: str, process: str, agent: str, time_ns: int) -> _Slice | None:
        """The slice of the handler that ran for a message at a time."""
        found = self.handlers.get((message_id, process, agent), ())
        return next((slice for slice in found if slice.start <= time_ns <= slice.end), None)


def to_perfetto(source: Iterable[JournalEvent]) -> dict[str, Any]:
    """The trace of a run, a journal or any events, as plain data for `json.dump`.

    Times are microseconds since the first event. What runs backwards in time, because clocks disagree, is moved to
    the earliest time that is possible.
    """
    events = list(source)
    processes = {
        name: number for number, name in enumerate(process_names(source if isinstance(source, Run) else events), 1)
    }
    times = [event.time_ns for event in events]
    trace = _Trace(min(times, default=0), max(times, default=0))
    copies = message_copies(events)
    for copy in copies:
        _add_handler(trace, copy)
        if copy.kind == REQUEST:
            trace.causes.setdefault(copy.message_id, []).append(copy.cause)
    for copy in copies:
        _add_way(trace, copy)
    threads = _threads(trace.slices, processes)
    written = [*_names(processes, threads)]
    written += [_written_slice(slice, trace, processes, threads) for slice in trace.slices]
    for number, (copy, points) in enumerate(trace.flows, 1):
        written += _written_flow(number, copy, points, trace, processes, threads)
    written += [_instant(event, trace, processes) for event in events if event.process in processes and _is_mark(event)]
    return {
        "traceEvents": written,
        "displayTimeUnit": "ms",
        "otherData": {"source": "agentlab", "first event, ns since the epoch": str(trace.origin)},
    }


def _add_handler(trace: _Trace, copy: MessageCopy) -> None:
    started = copy.steps.get(STARTED)
    if started is None:
        return
    end = copy.handled_until.time_ns if copy.handled_until else trace.end
    args = _args(copy) | {"outcome": copy.handled_until.what if copy.handled_until else "running"}
    agent = copy.recipient or MESSAGES
    slice = trace.slice(started.process, agent, copy.type, "handler", started.time_ns, end, args)
    trace.handlers.setdefault((copy.message_id, started.process, copy.recipient), []).append(slice)


def _args(copy: MessageCopy) -> dict[str, Any]:
    values = {
        "kind": copy.kind,
        "from": copy.sender,
        "to": copy.recipient,
        "topic": copy.topic,
        "bytes": copy.size,
        "outcome": copy.outcome,
        "detail": copy.detail,
        "traceback": copy.ending.trace if copy.ending else "",
        "payload": copy.payload,
        "message_id": copy.message_id,
        "cause": copy.cause,
    }
    return {name: value for name, value in values.items() if value != ""}


def _add_way(trace: _Trace, copy: MessageCopy) -> None:
    """The slices that a message touches, and the arrow through them."""
    points: list[tuple[_Slice, int]] = []
    steps = copy.steps
    now = 0
    if SENT in steps:
        now = steps[SENT].time_ns
        points.append((_sending(trace, copy, steps[SENT]), now))
    if ARRIVED in steps or LEFT in steps:
        here = steps[ARRIVED] if ARRIVED in steps else steps[LEFT]
        start = max(now, here.time_ns)
        end = steps[LEFT].time_ns if LEFT in steps else start
        points.append((trace.slice(here.process, MESSAGES, copy.type, "host", start, end, _args(copy)), start))
        now = max(start, end)
    if RECEIVED in steps or STARTED in steps:
        here = steps[RECEIVED] if RECEIVED in steps else steps[STARTED]
        now = max(now, here.time_ns)
        points.append((_receipt(trace, copy, here, now), now))
    if len(points) > 1:
        trace.flows.append((copy, points))


def _sending(trace: _Trace, copy: MessageCopy, sent: JournalEvent) -> _Slice:
    """Where a message begins: in the handler that sent it, else at a moment of its own."""
    ran = trace.handler_at(copy.cause, sent.process, copy.sender, sent.time_ns)
    if copy.kind == RESPONSE and ran is None:  # it is sent when its handler has just ended
        ran = next(iter(trace.handlers.get((copy.message_id, sent.process, copy.sender), ())), None)
    if ran is None and sent.seq not in trace.moments:
        name = f"send {copy.type}"
        trace.moments[sent.seq] = trace.slice(sent.process, MESSAGES, name, "send", sent.time_ns, 0, _args(copy))
    return ran or trace.moments[sent.seq]


def _receipt(trace: _Trace, copy: MessageCopy, here: JournalEvent, now: int) -> _Slice:
    """Where a message ends: at its handler, in the handler that waits for the reply, or at a moment of its own."""
    if STARTED in copy.steps:
        started = copy.steps[STARTED]
        ran = trace.handler_at(copy.message_id, started.process, copy.recipient, started.time_ns)
    else:
        causes = trace.causes.get(copy.message_id, ())
        waiting = (trace.handler_at(cause, here.process, copy.recipient, now) for cause in causes)
        ran = next((slice for slice in waiting if slice), None)
    return ran or trace.slice(here.process, MESSAGES, f"receive {copy.type}", "receive", now, 0, _args(copy))


_Threads = dict[tuple[str, str, int], int]


def _threads(slices: list[_Slice], processes: Mapping[str, int]) -> _Threads:
    """Give every slice a slot of its track in which nothing else is drawn then, and number the slots as threads."""
    free_from: dict[tuple[str, str], list[int]] = {(name, MESSAGES): [0] for name in processes}
    for slice in sorted(slices, key=lambda slice: (slice.start, slice.end)):
        ends = free_from.setdefault((slice.process, slice.track), [])
        slice.slot = next((n for n, end in enumerate(ends) if end <= slice.start), len(ends))
        ends[slice.slot : slice.slot + 1] = [slice.end]
    tracks = sorted(free_from, key=lambda key: (processes[key[0]], key[1] != MESSAGES, key[1]))
    slots = [(process, track, slot) for process, track in tracks for slot in range(len(free_from[process, track]))]
    return {slot: number for number, slot in enumerate(slots, len(processes) + 1)}


def _names(processes: Mapping[str, int], threads: _Threads) -> Iterable[dict[str, Any]]:
    for name, pid in processes.items():
        yield {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "ts": 0, "args": {"name": name}}
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, "ts": 0, "args": {"sort_index": pid}}
    for (process, track, slot), tid in threads.items():
        name = track if slot == 0 else f"{track} ({slot + 1})"
        place = {"pid": processes[process], "tid": tid, "ts": 0}
        yield {"ph": "M", "name": "thread_name", **place, "args": {"name": name}}
        yield {"ph": "M", "name": "thread_sort_index", **place, "args": {"sort_index": tid}}


def _us(ns: int) -> float:
    return ns / 1_000


def _written_slice(slice: _Slice, trace: _Trace, processes: Mapping[str, int], threads: _Threads) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": slice.name,
        "cat": slice.category,
        "pid": processes[slice.process],
        "tid": threads[slice.process, slice.track, slice.slot],
        "ts": _us(slice.start - trace.origin),
        "dur": _us(slice.end - slice.start),
        "args": slice.args,
    }


def _written_flow(
    number: int,
    copy: MessageCopy,
    points: list[tuple[_Slice, int]],
    trace: _Trace,
    processes: Mapping[str, int],
    threads: _Threads,
) -> Iterable[dict[str, Any]]:
    phases = ["s", *"t" * (len(points) - 2), "f"]
    for phase, (slice, time_ns) in zip(phases, points, strict=True):
        written: dict[str, Any] = {
            "ph": phase,
            "id": number,
            "name": copy.type,
            "cat": "error" if copy.is_error else copy.kind,
            "pid": processes[slice.process],
            "tid": threads[slice.process, slice.track, slice.slot],
            "ts": _us(slice.around(time_ns) - trace.origin),
        }
        yield written | {"bp": "e"} if phase == "f" else written  # "e": it ends at the slice that is there then


def _is_mark(event: JournalEvent) -> bool:
    return event.kind == PROCESS or event.what in (DUPLICATED, DELAYED) or event.what in ENDINGS - {HANDLED}


def _instant(event: JournalEvent, trace: _Trace, processes: Mapping[str, int]) -> dict[str, Any]:
    """What happened to a process, or to a message other than being handled, is a mark on the process."""
    args = {"to": event.recipient, "detail": event.detail, "message_id": event.message_id}
    return {
        "ph": "i",
        "s": "p",
        "name": " ".join(filter(None, (event.what, event.type.rpartition(".")[2]))),
        "cat": "process" if event.kind == PROCESS else "message",
        "pid": processes[event.process],
        "tid": 0,
        "ts": _us(event.time_ns - trace.origin),
        "args": {name: value for name, value in args.items() if value},
    }
