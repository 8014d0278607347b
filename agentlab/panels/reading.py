"""What the panels read of a lab: its processes as they really are, and how many messages pass.

The only module of the panels that looks behind the lab's public methods. No widgets here.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil

from ..core.journal import ARRIVED, HOST, PROCESS, RECEIVED, SENT, JournalEvent
from ..lab.addresses import NOTEBOOK
from ..lab.process import ChildProcess
from ..wire.watching import Snapshot

if TYPE_CHECKING:
    from ..lab.lab import Lab

RATE_WINDOW_S: Final = 2.0
"""Messages per second are the mean of so many seconds: less flickers, more lags behind."""
MOST_EVENTS: Final = 20_000
"""So many new journal events are looked at in one go; of more, only the newest are counted."""

STOPPED: Final = "The lab is stopped. Start another: lab = await Lab.start(workers=3)"


@dataclass(frozen=True)
class ProcessFacts:
    """What there is to know about one process at one moment."""

    name: str
    state: str
    """``running``, ``paused``, ``killed``, ``stopped``, ``starting`` or ``exited N``."""
    pid: int
    uptime_s: float
    memory: int | None = None
    """Bytes of resident memory; None when the process is not there."""
    agents: tuple[str, ...] = ()
    """The agent types that it advertises, as the host knows it."""
    per_s: float = 0.0
    """Messages a second, sent or received."""


@dataclass(frozen=True)
class LabFacts:
    """What there is to know about a lab at one moment."""

    state: str
    processes: tuple[ProcessFacts, ...] = ()
    snapshot: Snapshot | None = None
    """What the host knows; None when it did not answer."""
    last_seq: int = 0
    """The number of the newest journal event."""

    @property
    def running(self) -> bool:
        """Whether anything can be asked of the lab."""
        return self.state == "running"

    @property
    def host(self) -> ProcessFacts | None:
        """The host's own row."""
        return next((process for process in self.processes if process.name == HOST), None)

    @property
    def problem(self) -> str:
        """Why the host's knowledge is missing; empty when it is there."""
        if not self.running:
            return STOPPED if self.state in {"stopped", "stopping"} else f"The lab is {self.state}."
        if self.snapshot is None:
            state = self.host.state if self.host else "not there"
            return "The host has not answered yet." if state == "running" else f"The host is {state}."
        return ""


class Rates:
    """Rates: messages per second of each process, over the last moments."""

    def __init__(self, window_s: float = RATE_WINDOW_S) -> None:
        self._window_s = window_s
        self._seen: deque[tuple[float, Counter[str]]] = deque()
        self._began_s: float | None = None

    def add(self, events: Iterable[JournalEvent], now_s: float) -> None:
        """Count what was sent or received at a worker, and what arrived at the host."""
        self._began_s = now_s if self._began_s is None else self._began_s
        counted = Counter(
            event.process
            for event in events
            if event.kind != PROCESS and (event.what == ARRIVED if event.process == HOST else event.what in _TOUCHED)
        )
        self._seen.append((now_s, counted))
        while self._seen[0][0] < now_s - self._window_s:
            self._seen.popleft()

    def per_s(self) -> dict[str, float]:
        """Messages per second, by process."""
        seen = tuple(self._seen)  # in one go: the lab's loop may be adding to it
        total: Counter[str] = sum((counted for _, counted in seen), Counter())
        return {name: count / self._window_s for name, count in total.items()}


_TOUCHED: Final = frozenset({SENT, RECEIVED})


def event_loop(lab: Lab) -> asyncio.AbstractEventLoop | None:
    """The event loop on which the lab works; None when it does not run."""
    thread = lab._loop
    return thread._loop if thread is not None and lab.state == "running" and thread.alive else None


async def ask_host(lab: Lab, timeout_s: float) -> Snapshot:
    """What the host knows. Awaited on the lab's own loop. Raises TimeoutError, grpc.RpcError."""
    assert lab._notebook is not None
    async with asyncio.timeout(timeout_s):
        return await lab._notebook.snapshot()


def new_events(lab: Lab, after: int) -> tuple[int, list[JournalEvent]]:
    """The number of the newest event, and the newest of those after number `after`. Called on the lab's own loop."""
    if lab._watcher is None:
        return 0, []
    journal = lab._watcher.journal
    last = journal.last_seq
    return last, journal.after(max(after, last - MOST_EVENTS)) if last > after else []


def read_processes(lab: Lab, snapshot: Snapshot | None, per_s: dict[str, float]) -> tuple[ProcessFacts, ...]:
    """The notebook's own lane, the host and the workers."""
    agents = {} if snapshot is None else {worker.name: tuple(sorted(worker.types)) for worker in snapshot.workers}
    here = psutil.Process()
    rows = [
        ProcessFacts(
            NOTEBOOK,
            "running" if lab.state == "running" else lab.state,
            os.getpid(),
            time.time() - here.create_time(),
            here.memory_info().rss,
            agents.get(NOTEBOOK, ()),
            per_s.get(NOTEBOOK, 0.0),
        )
    ]
    for process in list(lab._crew.processes.values()):
        state, memory = _look_at(process)
        rows.append(
            ProcessFacts(
                process.name,
                state,
                process.pid,
                process.uptime_s,
                memory,
                agents.get(process.name, ()),
                per_s.get(process.name, 0.0),
            )
        )
    return tuple(rows)


def _look_at(process: ChildProcess) -> tuple[str, int | None]:
    """State and memory, as the system has it: a process may be stopped or die without anybody asking the lab to."""
    if not process.alive or not process.pid:
        return process.state, None
    try:
        seen = psutil.Process(process.pid)
        status, memory = seen.status(), seen.memory_info().rss
    except psutil.Error:
        return process.state, None
    if status == psutil.STATUS_STOPPED and process.state == "running":
        return "paused", memory
    return process.state, memory
