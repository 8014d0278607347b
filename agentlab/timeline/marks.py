"""How much the marks of processes are to be seen: what happens in every run is not what a reader looks for.

Read next: `agentlab.timeline.placing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from agentlab.core.journal import (
    FAULT,
    GONE,
    HEALED,
    JOINED,
    KILLED,
    LEAVING,
    MOVED,
    PARTED,
    PAUSED,
    PROCESS,
    RESUMED,
    STAYING,
    JournalEvent,
)

from .shapes import Weight

MARKED: Final = frozenset({JOINED, GONE, KILLED, PAUSED, RESUMED, LEAVING, MOVED, STAYING, PARTED, HEALED, FAULT})
"""What happens to a process and gets a mark. The rest (advertised, refused…) is for the dashboard's lists."""
SAID_GOODBYE: Final = "stopped"
"""The detail of a *gone* of a worker that was stopped."""
HOST_STOPPED: Final = "the host stopped"
"""The detail of a *gone* when the host was stopped: at the end of a lab, or for a restart."""


def mark_weights(events: Sequence[JournalEvent]) -> dict[int, Weight]:
    """The weights of the marks of processes, by their places in `events`.

    Quiet are processes that join before the first message, workers that said goodbye, the end of the host after the
    last message, and the rules of the fault lab, whose effects have marks of their own. The end of the connection
    of a worker that was killed is covered by its *killed*. A worker that joins later, or is gone for another reason,
    is to be seen.
    """
    times = [event.time_ns for event in events if event.kind != PROCESS]
    first, last = min(times, default=None), max(times, default=None)
    weights: dict[int, Weight] = {}
    for marks in _by_process(events):
        for n, (number, event) in enumerate(marks):
            beside = {other.what for _, other in (*marks[max(0, n - 1) : n], *marks[n + 1 : n + 2])}
            at_end = last is None or event.time_ns >= last
            weights[number] = "full"
            if event.what == JOINED and n == 0 and (first is None or event.time_ns <= first):
                weights[number] = "quiet"
            elif event.what == GONE and KILLED in beside:
                weights[number] = "covered"
            elif event.what == FAULT or (
                event.what == GONE and (event.detail == SAID_GOODBYE or (event.detail == HOST_STOPPED and at_end))
            ):
                weights[number] = "quiet"
    return weights


def moved_agent(event: JournalEvent) -> str:
    """The agent that a *moved* is about; its detail is ``agent → worker``."""
    return event.detail.partition(" → ")[0]


def _by_process(events: Sequence[JournalEvent]) -> Iterable[list[tuple[int, JournalEvent]]]:
    processes: dict[str, list[tuple[int, JournalEvent]]] = {}
    for number, event in enumerate(events):
        if event.kind == PROCESS and event.what in MARKED:
            processes.setdefault(event.process, []).append((number, event))
    for marks in processes.values():
        marks.sort(key=lambda mark: mark[1].time_ns)
    return processes.values()
