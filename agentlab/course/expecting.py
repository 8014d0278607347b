"""What a check is written with: expect something, call a student's function, wait until something can be seen.

Each of them raises `Wrong` where the answer falls short, and the check ends there.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ..core.exceptions import UndeliverableException

PERIOD_S: Final = 0.05
"""How often a condition is looked at: as often as the host tells of new events."""


class Wrong(Exception):
    """An answer is wrong: what was expected, what was seen, and perhaps what to do about it."""

    def __init__(self, expected: str, seen: object, advice: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.seen = seen
        self.advice = advice


def expect(condition: object, expected: str, seen: object, advice: str = "") -> None:
    """Raise `Wrong` unless `condition` holds. `expected` completes the sentence "I expected …"; `seen` is shown by
    its repr, or as it is when it is text."""
    if not condition:
        raise Wrong(expected, seen, advice)


async def attempt(answer: Any, *arguments: Any, expected: str = "that it ends without an exception") -> Any:
    """Call a student's function, sync or async, and return what it returns. Raises `Wrong` for what it raises."""
    if not callable(answer):
        raise Wrong("a function", answer)
    try:
        if inspect.iscoroutinefunction(answer):
            return await answer(*arguments)
        returned = await _in_a_thread(answer, *arguments)
        return await returned if inspect.isawaitable(returned) else returned
    except (Wrong, NotImplementedError):
        raise
    except Exception as error:
        raise Wrong(expected, error) from error


async def rejected(sending: Awaitable[Any], kind: type[Exception], expected: str) -> Exception:
    """Wait for something that should raise an error of this kind, and return the error. Raises `Wrong` otherwise."""
    try:
        reply = await sending
    except kind as error:
        return error
    except UndeliverableException as error:
        raise Wrong(expected, error) from error
    raise Wrong(expected, reply)


async def eventually(look: Callable[[], Any], limit_s: float = 5.0) -> Any:
    """Call `look` until it returns something true, and return that; after `limit_s` seconds, what it returned last.

    `look` may be async. For what arrives when it arrives: published messages, journal events, what agents print.
    """
    end_s = time.monotonic() + limit_s
    while True:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if found or time.monotonic() > end_s:
            return found
        await asyncio.sleep(PERIOD_S)


async def _in_a_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that may never return. Its thread ends with the process, not the other way round."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(outcome: Callable[[Any], None], value: Any) -> None:
        if not done.done():
            outcome(value)

    def run() -> None:
        try:
            outcome, value = done.set_result, function(*arguments)
        except StopIteration as error:  # no future takes one
            outcome, value = done.set_exception, RuntimeError(f"StopIteration: {error}")
        except Exception as error:
            outcome, value = done.set_exception, error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, outcome, value)

    threading.Thread(target=run, name="agentlab-exercise", daemon=True).start()
    return await done
