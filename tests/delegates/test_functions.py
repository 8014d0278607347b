"""Functions inside agents: plain, async, blocking, failing, forgotten."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from until import until

from agentlab import (
    AgentId,
    CancellationToken,
    DeadlineExceededError,
    RemoteHandlerError,
    SingleThreadedAgentRuntime,
    WorkerRuntime,
)
from agentlab.core.contexts import MessageHandlerContext
from agentlab.delegates import Answer, Ask, Assistant, Delegate, Function

Pair = tuple[WorkerRuntime, WorkerRuntime]
HERE = AgentId("it", "here")


async def register(runtime: Any, inside: Any, **options: Any) -> None:
    await Assistant.register(runtime, "it", lambda: Assistant(inside, **options))


def shout(text: str) -> str:
    return text.upper()


async def whisper(text: str) -> str:
    await asyncio.sleep(0)
    return text.lower()


class Shouter:
    def __call__(self, text: str) -> str:
        return text.upper()


class AsyncShouter:
    async def __call__(self, text: str) -> str:
        return text.upper()


@pytest.mark.parametrize(
    ("inside", "answer"),
    [
        (shout, "HI THERE"),
        (whisper, "hi there"),
        (Shouter, "HI THERE"),
        (Shouter(), "HI THERE"),
        (AsyncShouter(), "HI THERE"),
        (functools.partial(str.replace, "Hi x", "Hi"), "Hi There x"),
        (lambda text: whisper(text), "hi there"),
        (Function(shout), "HI THERE"),
    ],
    ids=["plain", "async", "class", "object", "async object", "partial", "returns an awaitable", "Function"],
)
async def test_whatever_can_be_called_answers(
    runtime: SingleThreadedAgentRuntime, inside: Callable[[str], Any], answer: str
) -> None:
    await register(runtime, inside)
    assert await runtime.send_message(Ask("Hi There"), HERE) == Answer(answer)


async def test_an_answer_that_is_no_text_is_refused(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, len)
    with pytest.raises(TypeError, match=r"the function len answered with 2 \(int\), and text was expected"):
        await runtime.send_message(Ask("hi"), HERE)


def test_what_cannot_be_inside_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="A int cannot be inside a delegate. It should be a function of one argument"):
        Assistant(3)


async def test_a_delegate_says_what_it_stands_for(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, shout)
    assert (await runtime.agent_metadata(HERE)).description == "a delegate for the function shout"


async def test_a_worker_goes_on_while_a_function_blocks(pair: Pair) -> None:
    notebook, worker = pair
    inside, go_on = threading.Event(), threading.Event()

    def block(text: str) -> str:
        inside.set()
        assert go_on.wait(30)
        return "at last"

    await Assistant.register(worker, "slow", lambda: Assistant(block))
    await Assistant.register(worker, "quick", lambda: Assistant(shout))
    slow = asyncio.ensure_future(notebook.send_message(Ask("take your time"), AgentId("slow", "x")))
    await until(inside.is_set)
    assert await notebook.send_message(Ask("quick"), AgentId("quick", "x")) == Answer("QUICK")
    assert not slow.done()
    go_on.set()
    assert await slow == Answer("at last")


async def test_a_blocked_function_does_not_hold_its_sender_and_meets_no_other_call(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    entered: list[str] = []
    go_on = threading.Event()

    def block(text: str) -> str:
        entered.append(text)
        if text == "first":
            assert go_on.wait(30)
        return text

    await register(runtime, block)
    token = CancellationToken()
    first = asyncio.ensure_future(runtime.send_message(Ask("first"), HERE, cancellation_token=token))
    await until(lambda: entered)
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(DeadlineExceededError):
        await runtime.send_message(Ask("given up"), HERE, deadline_s=0.05)
    third = asyncio.ensure_future(runtime.send_message(Ask("third"), HERE))
    await asyncio.sleep(0.02)
    assert entered == ["first"]
    go_on.set()
    assert await third == Answer("third")
    assert entered == ["first", "third"]  # what nobody waits for any more is not begun


async def test_agents_with_different_keys_work_at_the_same_time(runtime: SingleThreadedAgentRuntime) -> None:
    both = threading.Barrier(2, timeout=30)
    await register(runtime, lambda text: f"{text} {both.wait() >= 0}")
    answers = await asyncio.gather(*(runtime.send_message(Ask(key), AgentId("it", key)) for key in "ab"))
    assert answers == [Answer("a True"), Answer("b True")]


async def test_a_function_in_a_thread_sees_the_context_of_its_message(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, lambda text: str(MessageHandlerContext.agent_id()))
    assert await runtime.send_message(Ask("who?"), HERE) == Answer("it/here")
    assert contextvars.copy_context()  # and the test's own is untouched
    assert MessageHandlerContext.current() is None


async def test_a_class_gives_each_agent_an_object_of_its_own_whose_state_is_kept(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    class Counts:
        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, text: str) -> str:
            self.calls += 1
            return str(self.calls)

        def save_state(self) -> dict[str, int]:
            return {"calls": self.calls}

        def load_state(self, state: dict[str, int]) -> None:
            self.calls = state["calls"]

    await register(runtime, Counts)
    assert [await runtime.send_message(Ask(""), HERE) for _ in range(2)] == [Answer("1"), Answer("2")]
    other = AgentId("it", "other")
    assert await runtime.send_message(Ask(""), other) == Answer("1")
    await runtime.agent_load_state(other, await runtime.agent_save_state(HERE))
    assert await runtime.send_message(Ask(""), other) == Answer("3")
    assert await runtime.agent_save_state(AgentId("it", "new")) == {}


async def test_the_students_line_is_in_the_error(pair: Pair) -> None:
    notebook, worker = pair

    def fail(text: str) -> str:
        raise RuntimeError(f"no idea about {text}")

    await Assistant.register(worker, "it", lambda: Assistant(fail))
    with pytest.raises(RemoteHandlerError, match="RuntimeError: no idea about this") as caught:
        await notebook.send_message(Ask("this"), HERE)
    assert 'raise RuntimeError(f"no idea about {text}")' in caught.value.remote_traceback


async def test_a_function_that_ends_its_thread_fails_and_ends_no_more(runtime: SingleThreadedAgentRuntime) -> None:
    await register(runtime, lambda text: sys.exit(text))
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        await runtime.send_message(Ask("3"), HERE)
    with pytest.raises(RuntimeError, match="SystemExit: 4"):
        await runtime.send_message(Ask("4"), HERE)


async def test_a_conversation_of_another_kind_is_left_behind(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    await register(runtime, shout)
    caplog.set_level("INFO", "agentlab.delegates")
    await runtime.agent_load_state(HERE, {"inside": "language model", "said": {"turns": []}})
    assert "it/here starts afresh: it cannot go on with a language model's conversation" in caplog.text
    assert await runtime.send_message(Ask("hi"), HERE) == Answer("HI")


async def test_a_delegate_of_ones_own_takes_its_own_messages(runtime: SingleThreadedAgentRuntime) -> None:
    assert not [cls for cls in Delegate.__mro__ if cls is Assistant]
    await register(runtime, shout)
    assert await runtime.send_message(Answer("not for it"), HERE) is None
