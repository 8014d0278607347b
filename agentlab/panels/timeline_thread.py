"""The one thread in which live timelines draw: a cell that blocks does not stop the picture.

matplotlib is not made for several threads, so all timelines of a kernel share one. It is there while any of them has
something to do, and ends by itself. Read next: `agentlab.panels.timeline_feed`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

logger = logging.getLogger("agentlab.panels")

Job: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
NAME: Final = "agentlab-timelines"


class DrawingThread:
    """A drawing thread runs jobs side by side on an event loop of its own, for as long as there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news: asyncio.Event | None = None

    def run(self, job: Job) -> None:
        """Run a job there; returns at once."""
        with self._lock:
            self._waiting.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name=NAME, daemon=True)
                self._thread.start()
            elif self._loop is not None and self._news is not None:
                self._loop.call_soon_threadsafe(self._news.set)

    def call(self, function: Callable[[], object]) -> None:
        """Call a function there, if the thread is there."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(function)

    async def _main(self) -> None:
        news = asyncio.Event()
        with self._lock:
            self._loop, self._news = asyncio.get_running_loop(), news
        jobs: set[asyncio.Task[None]] = set()
        while True:
            with self._lock:
                news.clear()
                jobs |= {asyncio.create_task(self._waiting.popleft()()) for _ in range(len(self._waiting))}
                if not jobs:
                    self._thread = self._loop = self._news = None
                    return
            more = asyncio.create_task(news.wait())
            done, _ = await asyncio.wait({*jobs, more}, return_when=asyncio.FIRST_COMPLETED)
            more.cancel()
            for job in done & jobs:
                jobs.discard(job)
                if not job.cancelled() and (error := job.exception()):
                    logger.error("A live timeline ended: %r", error, exc_info=error)


DRAWING: Final = DrawingThread()
"""The thread of this process."""
