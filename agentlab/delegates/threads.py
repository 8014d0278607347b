"""Work that blocks, in a thread of its own, so that the worker's event loop goes on meanwhile.

A worker whose loop stands still answers no sign-of-life request, and is taken for lost. The threads are daemons: what
is stuck in one does not keep its process from ending, as the threads of `asyncio.to_thread` would.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any, Final, TypeVar

T = TypeVar("T")

_END: Final = object()


async def in_thread(work: Callable[[], T], lock: threading.Lock | None = None) -> T:
    """Run `work` in a thread, holding `lock` there; return what it returns, raise what it raises.

    Who is cancelled stops waiting at once; a thread cannot be stopped, so `work` runs on, unless it still waited for
    the lock. What it returns is then thrown away.
    """
    async with contextlib.aclosing(stream_in_thread(lambda: [work()], lock)) as results:
        return await anext(results)


async def stream_in_thread(chunks: Callable[[], Iterable[T]], lock: threading.Lock | None = None) -> AsyncGenerator[T]:
    """Iterate in a thread over what `chunks` returns, holding `lock` there; yield each item as it comes.

    Whoever stops iterating (or is cancelled) also stops the thread, after the item that it is making; the iterator is
    closed there.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Any] = asyncio.Queue()
    stop = threading.Event()
    problem: list[BaseException] = []

    def put(item: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def iterate() -> None:
        with lock or contextlib.nullcontext():
            if stop.is_set():
                return
            iterator = iter(chunks())
            try:
                for item in iterator:
                    if stop.is_set():
                        return
                    put(item)
            finally:
                if close := getattr(iterator, "close", None):
                    close()

    def run() -> None:
        try:
            iterate()
        except Exception as error:
            problem.append(error)
        except BaseException as error:  # a SystemExit ends its thread, and would end the loop that raised it again
            problem.append(RuntimeError(f"It ended its thread by {type(error).__name__}: {error}"))
        put(_END)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="agentlab-delegate", daemon=True).start()
    try:
        while (item := await queue.get()) is not _END:
            yield item
    finally:
        stop.set()
    if problem:
        raise problem[0]
