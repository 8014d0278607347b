"""A child lives as long as its stdin."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Any


def say(**ready: Any) -> None:
    """Print one JSON line."""
    print(json.dumps(ready), flush=True)


async def end_of_stdin() -> None:
    """Return when stdin ends. A daemon thread reads, so that a process that must end does not wait for it."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def read() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, daemon=True).start()
    await ended.wait()
