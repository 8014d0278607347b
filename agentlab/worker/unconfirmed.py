"""Which published messages may still be lost: written to the stream, and not known to have arrived.

Nobody answers a published message, so that its sender does not notice when it is lost with its stream. Here the last
few are kept until the host has answered something that was written after them. When the stream is lost, and there is
another, the host is told of those that never arrived, and its journal has them. They are not sent again: a published
message arrives at most once.

Read next: `agentlab.worker.outbox`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from ..wire.lost import lost_message
from ..wire.parcels import ClockSample, LostMessage
from ..wire.rows import Row

CONFIRM_S: Final = 1.0
"""How long after a published message was written the host is asked for an answer: a clock sample, which every host
answers."""

MOST: Final = 1_000
"""With more messages than this not confirmed, the host is asked at once: their payloads stay in memory meanwhile."""

UNKNOWN: Final = "the host ended while this was on its way, and nobody can say whether it arrived"


class Unconfirmed:
    """Unconfirmed messages: what was published on the stream, and has not been heard to have arrived.

    `ask` is called when the host should be asked for an answer.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._written = 0
        """How many pieces of frames were written to this stream: the host counts the same when it takes them."""
        self._kept: deque[tuple[int, Row | LostMessage]] = deque()
        """Each with its place among the pieces."""
        self._asked: deque[tuple[int, int]] = deque()
        """What was asked and not answered: the sample's time, and how many pieces were written before."""
        self._confirmed = 0
        self._in_doubt: list[tuple[int, Row | LostMessage]] = []
        """What was kept when the stream was lost."""
        self._why = ""
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, place: int, piece: Row | LostMessage) -> None:
        """The frame that is written next has this piece at this place."""
        self._kept.append((self._written + place, piece))

    def wrote(self, pieces: int) -> None:
        """A frame of so many pieces is written."""
        self._written += pieces
        if len(self._kept) > MOST and not self._asked:
            self._ask()
        elif self._kept and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CONFIRM_S, self._ask_now)

    def _ask_now(self) -> None:
        self._timer = None
        if self._kept:
            self._ask()

    def asked(self, sample: ClockSample) -> None:
        """The host is asked for an answer, in the frame that is written next."""
        self._asked.append((sample.worker_sent_ns, self._written))

    def answered(self, sample: ClockSample) -> None:
        """The host answered: what was written before it was asked has arrived.

        It is kept for one more answer. A host that is killed takes with it what it had in its journal and nobody had
        read, and that is told of too.
        """
        confirmed = 0
        while self._asked and self._asked[0][0] <= sample.worker_sent_ns:
            confirmed = self._asked.popleft()[1]
        if not confirmed:
            return
        while self._kept and self._kept[0][0] < self._confirmed:
            self._kept.popleft()
        self._confirmed = confirmed
        self.wrote(0)

    def lose(self, why: str) -> None:
        """The stream was lost."""
        self._in_doubt.extend(self._kept)
        self._why = why
        self._kept.clear()
        self._asked.clear()
        self._written = self._confirmed = 0
        self._no_timer()

    def settle(self, taken: int | None) -> list[LostMessage]:
        """There is another stream, and the host took so many pieces from the last one: what never arrived. With None it
        does not know: it is not the host that it was."""
        never = f"it was written to a connection that was lost ({self._why}), and never arrived at the host"
        in_doubt, self._in_doubt = self._in_doubt, []
        return [
            piece if isinstance(piece, LostMessage) else lost_message(piece, UNKNOWN if taken is None else never)
            for place, piece in in_doubt
            if taken is None or place >= taken
        ]

    def clear(self) -> None:
        """Forget everything."""
        self.lose("")
        self._in_doubt.clear()

    def _no_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
