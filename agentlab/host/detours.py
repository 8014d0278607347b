"""Detours: messages that wait at the host, because a rule of the fault lab delays, slows or reorders them.

Pure: no gRPC, no asyncio; time is passed in. On one way the order is kept, unless a rule says otherwise: what comes
later waits behind what is delayed. Read next: `agentlab.host.faultlab`.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from .connection import Connection, Copy
from .faults import Decision

Pair = tuple[str, str, str]
"""What order is kept among: the sending process, the sending agent (or no text), and the receiving one."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A message that waits."""

    copy: Copy
    target: Connection
    send: Callable[[], None]
    """Puts it on its way."""
    size: int
    subject: Any = None
    """What `Detours.find` finds it by."""
    pair: Pair = ("", "", "")
    behind: int = 0
    """It waits until so many later ones have passed."""
    held: bool = False
    """Whether later ones should pass it."""
    in_line: bool = False
    """Whether later ones wait behind it."""
    gone: bool = False
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    """What follows it closely: the word that nobody waits for it any more."""


@dataclass(slots=True)
class _Line:
    """The messages of one pair that wait."""

    in_line: int = 0
    last_due_s: float = 0.0
    because_of: str = ""
    """The rule that the last one of those in line waits because of."""
    held: list[Waiting] = field(default_factory=list)


class Detours:
    """Detours: what waits, in the order in which it goes on."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Waiting]] = []
        self._lines: dict[Pair, _Line] = {}
        self._numbers = count(1)
        self._messages: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._subjects: dict[int, Waiting] = {}
        """By `id`: what waits keeps its subject alive."""
        self._live = 0

    def __len__(self) -> int:
        return self._live

    def has_room(self, target: Connection) -> bool:
        """Whether one more message may wait for a worker."""
        limits, name = target.limits, target.client_id
        return self._messages[name] < limits.queue_messages and self._bytes[name] < limits.queue_bytes

    def blocked(self, pair: Pair) -> str:
        """Because of which rule the next message of this pair waits behind others; empty when none is in its way."""
        line = self._lines.get(pair)
        return line.because_of if line is not None and line.in_line else ""

    def send(self, waiting: Waiting, pair: Pair, decision: Decision, now_s: float) -> None:
        """Send a message on: now, or when its time has come, and never before those that it must stay behind."""
        waiting.pair = pair
        line = self._lines.get(pair)
        due_s = decision.due_s
        if decision.keeps_order and line is not None and line.in_line:
            due_s = max(due_s, line.last_due_s)
        if due_s <= now_s and not decision.behind:
            waiting.send()
            self._passed(pair)
            return
        if line is None and (decision.behind or decision.keeps_order):
            line = self._lines[pair] = _Line()
        self._live += 1
        if waiting.subject is not None:
            self._subjects[id(waiting.subject)] = waiting
        self._messages[waiting.target.client_id] += 1
        self._bytes[waiting.target.client_id] += waiting.size
        if line is not None and decision.behind:
            waiting.behind, waiting.held = decision.behind, True
            line.held.append(waiting)
        elif line is not None and decision.keeps_order:
            waiting.in_line = True
            line.in_line += 1
            line.last_due_s = due_s
            line.because_of = decision.notes[-1][1].rpartition(": ")[0] if decision.notes else line.because_of
        heapq.heappush(self._heap, (due_s, next(self._numbers), waiting))

    def release(self, now_s: float) -> None:
        """Send on all whose time has come."""
        while self._heap and (self._heap[0][0] <= now_s or self._heap[0][2].gone):
            waiting = heapq.heappop(self._heap)[2]
            if not waiting.gone:
                self._go(waiting)

    def release_all(self) -> None:
        """Send on all at once, in the order of their times: nothing holds them back any more."""
        self.release(float("inf"))

    def hurry(self, target: Connection) -> None:
        """Send on at once all that waits for a worker, in the order of their times."""
        for _, _, waiting in sorted(self._heap):
            if waiting.target is target and not waiting.gone:
                self._go(waiting)

    def next_due_s(self) -> float | None:
        """When the next one goes on, in seconds on the host's clock; None when none waits."""
        while self._heap and self._heap[0][2].gone:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def find(self, subject: Any) -> Waiting | None:
        """A message that waits, by its subject."""
        return self._subjects.get(id(subject))

    def take(self, target: Connection | None = None) -> list[Waiting]:
        """Take away all that waits for a worker, or for anybody."""
        taken = [one for _, _, one in sorted(self._heap) if not one.gone and target in (None, one.target)]
        for waiting in taken:
            self._forget(waiting)
        return taken

    def _go(self, waiting: Waiting) -> None:
        self._forget(waiting)
        waiting.send()
        for follow in waiting.afterwards:
            follow()
        if not waiting.held:
            self._passed(waiting.pair)

    def _passed(self, pair: Pair) -> None:
        """A message of this pair went on: those that waited for that come closer."""
        line = self._lines.get(pair)
        if line is None:
            return
        for waiting in line.held[:]:
            waiting.behind -= 1
            if not waiting.behind:
                self._go(waiting)

    def _forget(self, waiting: Waiting) -> None:
        waiting.gone = True
        self._live -= 1
        self._subjects.pop(id(waiting.subject), None)
        name = waiting.target.client_id
        self._messages[name] -= 1
        self._bytes[name] -= waiting.size
        if not self._messages[name]:
            del self._messages[name], self._bytes[name]
        line = self._lines.get(waiting.pair)
        if line is None:
            return  # it may be overtaken: no other had to do with it
        if waiting.in_line:
            line.in_line -= 1
        elif waiting.held:
            line.held.remove(waiting)
        if not line.in_line and not line.held:
            del self._lines[waiting.pair]
