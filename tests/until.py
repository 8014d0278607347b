"""Waiting for a condition, with a time limit: what tests do in place of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

LIMIT_S = 60.0
"""Longer than anything in these tests takes on a busy machine; a test that waits so long has failed."""


async def until(condition: Callable[[], Any | Awaitable[Any]], limit_s: float = LIMIT_S) -> Any:
    """Wait until `condition()` holds, and return what it returned. Fails the test after `limit_s` seconds."""
    end_s = time.monotonic() + limit_s
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > end_s:
            source = inspect.getsource(condition).strip() if inspect.isfunction(condition) else repr(condition)
            raise AssertionError(f"Not within {limit_s:g} s: {source}")
        await asyncio.sleep(0.01)
