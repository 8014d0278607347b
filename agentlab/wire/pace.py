"""How fast a link's writer may go on while its reader is busy. Read next: `agentlab.wire.frames`."""

from __future__ import annotations

import asyncio
from typing import Final

UNANSWERED: Final = 2
"""Frames that may be written with none coming back: then what reads them is taken to be behind."""

PAUSE_S: Final = 0.0015
"""How long a writer whose reader is behind lets messages gather for one frame. Measured with half as many calls a
second as are possible: with 1 ms the slowest of a hundred took 10 times as long as most, with 1.5 and 2 ms 2 to 5
times; with 2 ms an eighth fewer calls were possible, with 1.5 ms a sixteenth."""


class Pace:
    """A pace: how far a stream's writer is ahead of its reader, told from the frames that come back.

    A small frame costs its reader nearly as much as a large one. A writer that sends each message on at once, to a
    reader that cannot keep up, fills the network's buffers with small frames, and then all wait for all of them.
    A conversation in turns is never delayed: each frame of it is answered before the next is written.
    """

    def __init__(self) -> None:
        self._unanswered = 0

    def heard(self) -> None:
        """A frame was read from the other side."""
        if self._unanswered:
            self._unanswered -= 1

    def may_go(self) -> bool:
        """Whether the next frame may be put together now; if so, it counts as written."""
        if self._unanswered < UNANSWERED:
            self._unanswered += 1
            return True
        return False

    async def turn(self) -> None:
        """Wait until the next frame should be put together."""
        if not self.may_go():
            await asyncio.sleep(PAUSE_S)
