"""Trying again: a direct message that was lost on the way is sent once more, as the same message.

Read next: `agentlab.core.exceptions`; how a receiver handles such a message once is in `agentlab.worker.remembering`.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from .cancellation import CancellationToken
from .exceptions import AgentNotFoundError, HostLostError, QueueFullError, WorkerLostError

T = TypeVar("T")

PASSING: Final = (WorkerLostError, HostLostError, QueueFullError, AgentNotFoundError)
"""The errors that may pass by themselves: a worker or host that was lost is restarted, a queue empties, and an agent
type is not advertised for a moment while its worker restarts. (A misspelled type fails only after all attempts.) Not
among them: RemoteHandlerError and PayloadTooLargeError, because the same message would fail again,
and DeadlineExceededError, because then no time is left; see `Retry.attempt_s` for a message that is lost in silence."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A retry policy: how often, when, and after which errors a direct message is sent again.

    All attempts carry one message id, and the call's deadline covers them all. The receiver's worker remembers what
    it handled, so that an attempt whose reply alone was lost is answered without handling the message again. That
    memory is bounded, and ends with the worker: a receiver that died may have handled the message before, and its
    successor will handle it again (at least once); so will the worker that an agent has moved to. What must not happen
    twice has to be safe to do twice.
    """

    attempts: int = 5
    """How many at most, with the first."""
    backoff_s: float = 0.2
    """Seconds before the second attempt; before each further one, twice as long (exponential backoff)."""
    jitter: float = 0.5
    """By up to which share each pause is shortened, by chance: many who failed together do not come back together."""
    on: tuple[type[BaseException], ...] = PASSING
    """The errors after which it is sent again. With RemoteHandlerError in it, a handler that failed runs again."""
    longest_backoff_s: float = 5.0
    """Seconds that a pause never exceeds."""
    attempt_s: float | None = None
    """Seconds to wait for an attempt's reply before the next is sent beside it, for a message that was lost without
    anyone's noticing; its late reply still counts. None: the time left, divided by the attempts left."""

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"A retry needs at least one attempt, not {self.attempts}.")
        if self.backoff_s < 0 or self.longest_backoff_s < 0:
            raise ValueError("A retry's pauses are seconds, and not negative.")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"A retry's jitter is a share between 0 and 1, not {self.jitter}.")
        if self.attempt_s is not None and self.attempt_s <= 0:
            raise ValueError(f"A retry's attempt_s is a positive number of seconds, not {self.attempt_s}.")
        if not isinstance(self.on, tuple) or not all(isinstance(e, type) and issubclass(e, Exception) for e in self.on):
            raise ValueError("A retry's `on` is a tuple of exception classes: on=(WorkerLostError, HostLostError).")

    def pause_s(self, attempt: int, chance: float) -> float:
        """Seconds to wait after attempt number `attempt` failed; `chance` is a random number between 0 and 1."""
        return min(self.backoff_s * 2.0 ** (attempt - 1), self.longest_backoff_s) * (1 - self.jitter * chance)

    def patience_s(self, attempt: int, left_s: float | None) -> float | None:
        """Seconds to wait for attempt number `attempt` alone, with `left_s` until the deadline. None: to the end."""
        if attempt == self.attempts:
            return None
        if self.attempt_s is not None:
            return None if math.isinf(self.attempt_s) else self.attempt_s
        return None if left_s is None else left_s / (self.attempts - attempt + 1)


async def with_retry(
    retry: Retry,
    ask: Callable[[int, float | None], Awaitable[T]],
    *,
    deadline_s: float | None,
    token: CancellationToken | None = None,
    goes_on: Callable[[], bool] = lambda: True,
) -> T:
    """Call ``ask(attempt, seconds left)`` until one attempt succeeds, and return what it returned.

    Raises the last attempt's error, the first that is not among `Retry.on`, or asyncio.CancelledError when the token
    is cancelled. No attempt is left running. `goes_on` says whether it makes sense to try again.
    """
    began_s = time.monotonic()
    running: set[asyncio.Future[T]] = set()
    attempt = 0
    try:
        while True:
            attempt += 1
            left_s = _left_s(began_s, deadline_s)
            running.add(asyncio.ensure_future(ask(attempt, left_s)))
            result, error = await _first(running, retry.patience_s(attempt, left_s), retry.on)
            if result is not None:
                return result.result()
            if error is None:
                continue  # it takes long: the next is sent beside it
            pause_s = retry.pause_s(attempt, random.random())
            left_s = _left_s(began_s, deadline_s)
            if attempt >= retry.attempts or not goes_on() or (left_s is not None and pause_s >= left_s):
                if attempt > 1:
                    error.add_note(f"It was tried {attempt} times in {time.monotonic() - began_s:.1f} s.")
                raise error
            pausing = asyncio.ensure_future(asyncio.sleep(pause_s))
            if token is not None:
                token.link_future(pausing)
            try:
                await pausing
            finally:
                pausing.cancel()
    finally:
        for attempt_running in running:
            attempt_running.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _left_s(began_s: float, deadline_s: float | None) -> float | None:
    return None if deadline_s is None else max(0.0, began_s + deadline_s - time.monotonic())


async def _first(
    running: set[asyncio.Future[T]], patience_s: float | None, passing: tuple[type[BaseException], ...]
) -> tuple[asyncio.Future[T] | None, BaseException | None]:
    """Wait for the first attempt that succeeds; it is returned. Else, when all have failed with errors that pass, the
    last error; when the patience ends first, neither. Raises any other error."""
    until_s = None if patience_s is None else time.monotonic() + patience_s
    error: BaseException | None = None
    while running:
        rest_s = None if until_s is None else max(0.0, until_s - time.monotonic())
        done, _ = await asyncio.wait(running, timeout=rest_s, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return None, None
        running -= done
        # Each is asked what it ended with: else it complains that nobody did.
        ends = [(attempt, asyncio.CancelledError() if attempt.cancelled() else attempt.exception()) for attempt in done]
        for attempt, failure in ends:
            if failure is None:
                return attempt, None
        for _, failure in ends:
            if failure is not None and not isinstance(failure, passing):
                raise failure
            error = failure
    return None, error
