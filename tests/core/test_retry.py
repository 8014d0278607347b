"""When a message is sent again, and when not."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from until import until

from agentlab import (
    AgentId,
    AgentProxy,
    CancellationToken,
    ClosureAgent,
    ClosureContext,
    DeadlineExceededError,
    HostLostError,
    MessageContext,
    RemoteHandlerError,
    Retry,
    SingleThreadedAgentRuntime,
    WorkerLostError,
)
from agentlab.core.retry import with_retry

from .cast import Text

AT_ONCE = Retry(attempts=3, backoff_s=0)


class Asked:
    """Answers each attempt as it was told to, and keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.attempts: list[int] = []
        self.left: list[float | None] = []
        self.cancelled: list[int] = []
        self.both = asyncio.Event()
        """Set when the second attempt runs."""

    async def __call__(self, attempt: int, left_s: float | None) -> Any:
        self.attempts.append(attempt)
        self.left.append(left_s)
        if attempt == 2:
            self.both.set()
        answer = self.answers[attempt - 1]
        if isinstance(answer, asyncio.Event):
            try:
                await answer.wait()
            except asyncio.CancelledError:
                self.cancelled.append(attempt)
                raise
            return f"late reply to attempt {attempt}"
        if isinstance(answer, BaseException):
            raise answer
        return answer


async def test_a_message_whose_worker_was_lost_is_sent_again() -> None:
    asked = Asked(WorkerLostError("1"), HostLostError("2"), "reply")
    assert await with_retry(AT_ONCE, asked, deadline_s=60) == "reply"
    assert asked.attempts == [1, 2, 3]
    assert all(left is not None and 0 < left <= 60 for left in asked.left)


async def test_after_the_last_attempt_its_error_is_raised_and_says_how_often_it_was_tried() -> None:
    asked = Asked(*(WorkerLostError(f"{n}") for n in (1, 2, 3)))
    with pytest.raises(WorkerLostError, match="3") as raised:
        await with_retry(AT_ONCE, asked, deadline_s=None)
    assert raised.value.__notes__[0].startswith("It was tried 3 times")
    assert asked.left == [None, None, None]


@pytest.mark.parametrize("error", [RemoteHandlerError("no"), DeadlineExceededError("late"), ValueError("no message")])
async def test_an_error_that_does_not_pass_is_raised_at_once(error: Exception) -> None:
    asked = Asked(error)
    with pytest.raises(type(error)):
        await with_retry(AT_ONCE, asked, deadline_s=60)
    assert asked.attempts == [1]


async def test_which_errors_pass_is_the_senders_choice() -> None:
    asked = Asked(RemoteHandlerError("flaky"), "reply")
    assert await with_retry(Retry(backoff_s=0, on=(RemoteHandlerError,)), asked, deadline_s=60) == "reply"
    with pytest.raises(WorkerLostError):
        await with_retry(Retry(backoff_s=0, on=(RemoteHandlerError,)), Asked(WorkerLostError("x")), deadline_s=60)


async def test_no_attempt_begins_when_its_pause_would_end_after_the_deadline() -> None:
    asked = Asked(WorkerLostError("soon"))
    with pytest.raises(WorkerLostError, match="soon"):
        await with_retry(Retry(backoff_s=600, longest_backoff_s=600), asked, deadline_s=60)
    assert asked.attempts == [1]


async def test_nothing_is_tried_again_by_a_sender_that_stopped() -> None:
    asked = Asked(HostLostError("the worker stopped"))
    with pytest.raises(HostLostError):
        await with_retry(AT_ONCE, asked, deadline_s=60, goes_on=lambda: False)
    assert asked.attempts == [1]


async def test_a_message_that_is_lost_in_silence_is_sent_again_beside_the_first() -> None:
    never = asyncio.Event()
    asked = Asked(never, never, "reply")
    assert await with_retry(Retry(attempts=3, attempt_s=0.01), asked, deadline_s=60) == "reply"
    assert asked.attempts == [1, 2, 3]
    assert sorted(asked.cancelled) == [1, 2]


async def test_the_late_reply_of_an_earlier_attempt_counts() -> None:
    slow, never = asyncio.Event(), asyncio.Event()
    asked = Asked(slow, never)
    calling = asyncio.ensure_future(with_retry(Retry(attempts=2, attempt_s=0.01), asked, deadline_s=60))
    async with asyncio.timeout(20):
        await asked.both.wait()
        slow.set()
        assert await calling == "late reply to attempt 1"
    assert asked.cancelled == [2]


async def test_attempts_that_fail_in_the_moment_when_another_succeeds_leave_no_complaint() -> None:
    go, complaints = asyncio.Event(), list[Any]()
    running: list[int] = []

    async def ask(attempt: int, left_s: float | None) -> int:
        running.append(attempt)
        await go.wait()
        if attempt == 4:
            return attempt
        raise WorkerLostError("1")

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, complaint: complaints.append(complaint))
    try:
        calling = asyncio.ensure_future(with_retry(Retry(attempts=8, attempt_s=0.001), ask, deadline_s=60))
        await until(lambda: len(running) == 8)
        go.set()
        assert await asyncio.wait_for(calling, 20) == 4
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert complaints == []


async def test_cancelling_its_token_ends_a_call_that_pauses() -> None:
    token = CancellationToken()
    asked = Asked(WorkerLostError("1"))
    retry = Retry(backoff_s=1000, longest_backoff_s=1000)
    calling = asyncio.ensure_future(with_retry(retry, asked, deadline_s=None, token=token))
    async with asyncio.timeout(20):
        await asyncio.wait({calling}, timeout=0.01)
        assert asked.attempts == [1]
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling


async def test_who_cancels_the_call_cancels_every_attempt_of_it() -> None:
    never = asyncio.Event()
    asked = Asked(never, never)
    calling = asyncio.ensure_future(with_retry(Retry(attempts=2, attempt_s=0.01), asked, deadline_s=60))
    async with asyncio.timeout(20):
        await asked.both.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
    assert sorted(asked.cancelled) == [1, 2]


@given(st.integers(1, 60), st.floats(0, 1), st.floats(0, 1), st.floats(0, 10), st.floats(0, 100))
def test_pauses_double_up_to_the_longest_and_jitter_only_shortens_them(
    attempt: int, chance: float, jitter: float, backoff_s: float, longest_s: float
) -> None:
    retry = Retry(attempts=5, backoff_s=backoff_s, jitter=jitter, longest_backoff_s=longest_s)
    full = Retry(attempts=5, backoff_s=backoff_s, jitter=0, longest_backoff_s=longest_s)
    longest = full.pause_s(attempt, chance)
    assert longest == min(longest_s, backoff_s * 2 ** (attempt - 1))
    assert (1 - jitter) * longest - 1e-9 <= retry.pause_s(attempt, chance) <= longest


def test_the_last_attempt_has_all_the_time_that_is_left() -> None:
    retry = Retry(attempts=3)
    assert [retry.patience_s(n, 60) for n in (1, 2, 3)] == [20, 30, None]
    assert retry.patience_s(1, None) is None
    assert Retry(attempts=2, attempt_s=7).patience_s(1, 60) == 7


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0}, {"backoff_s": -1}, {"jitter": 1.5}, {"attempt_s": 0}, {"longest_backoff_s": -1},
        {"on": WorkerLostError}, {"on": (3,)},
    ],
)  # fmt: skip
def test_an_impossible_policy_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="retry"):
        Retry(**options)


async def test_in_one_process_a_handler_that_failed_runs_again_under_the_same_message_id(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    seen: list[str] = []

    async def flaky(_: ClosureContext, message: Text, ctx: MessageContext) -> Text:
        seen.append(ctx.message_id)
        if len(seen) < 3:
            raise ConnectionError("not yet")
        return message

    await ClosureAgent.register_closure(runtime, "flaky", flaky)
    proxy = AgentProxy(AgentId("flaky", "k"), runtime)
    again = Retry(backoff_s=0, on=(ConnectionError,))
    assert await proxy.send_message(Text("hi"), sender=AgentId("me", "k"), retry=again) == Text("hi")
    assert len(seen) == 3
    assert len(set(seen)) == 1
    seen.clear()
    with pytest.raises(ConnectionError, match="not yet"):
        await runtime.send_message(Text("hi"), AgentId("flaky", "k"), retry=Retry(backoff_s=0))
    assert len(seen) == 1
