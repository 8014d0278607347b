"""The host's time, as a worker knows it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from ..wire.parcels import ClockSample


class HostClock:
    """A host clock: this process's clock, plus the estimated offset to the host's.

    Each sample is one exchange with the host, as in NTP (RFC 5905, section 8): of the last eight, the one with the
    shortest round trip is believed, because the least can have gone wrong in it. Processes on one machine share a
    clock, and need no samples.
    """

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._own_ns = now_ns
        self._samples: deque[tuple[int, int]] = deque(maxlen=8)
        self.offset_ns = 0
        """What to add to this process's clock to get the host's."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, on the host's clock."""
        return self._own_ns() + self.offset_ns

    def ask(self) -> ClockSample:
        """A sample to send to the host."""
        return ClockSample(self._own_ns())

    def learn(self, sample: ClockSample) -> None:
        """The host answered a sample."""
        received_ns = self._own_ns()
        sent_ns, host_received_ns, host_sent_ns = sample
        round_trip_ns = (received_ns - sent_ns) - (host_sent_ns - host_received_ns)
        offset_ns = ((host_received_ns - sent_ns) + (host_sent_ns - received_ns)) // 2
        self._samples.append((round_trip_ns, offset_ns))
        self.offset_ns = min(self._samples)[1]
