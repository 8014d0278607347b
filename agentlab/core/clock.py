"""Logical time: who could have known what when."""

from __future__ import annotations


class LamportClock:
    """A Lamport clock: a counter that orders a cause before its effect, without any common clock.

    After L. Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System" (1978). Used by one thread.
    """

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 0
        """The time of the latest event in this process."""

    def tick(self) -> int:
        """An event happens here: its time."""
        self.now += 1
        return self.now

    def merge(self, seen: int) -> int:
        """A message arrives that was sent at `seen`: the time of its arrival, later than both."""
        now = self.now if self.now > seen else seen  # half the time of max(); it is done for every message
        self.now = now + 1
        return self.now
