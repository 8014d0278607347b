from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from agentlab import CancellationToken

from .cast import LIMIT_S


def test_a_new_token_is_not_cancelled() -> None:
    assert not CancellationToken().is_cancelled()


def test_cancel_sets_the_flag() -> None:
    token = CancellationToken()
    token.cancel()
    assert token.is_cancelled()


def test_every_callback_runs_once_in_order_however_often_it_is_cancelled() -> None:
    token, calls = CancellationToken(), list[int]()
    for n in range(3):
        token.add_callback(lambda n=n: calls.append(n))  # type: ignore[misc]
    token.cancel()
    token.cancel()
    assert calls == [0, 1, 2]


def test_like_callbacks_each_run() -> None:
    token, calls = CancellationToken(), list[int]()
    for _ in range(2):
        token.add_callback(lambda: calls.append(1))
    token.cancel()
    assert calls == [1, 1]


def test_a_callback_added_to_a_cancelled_token_runs_at_once() -> None:
    token, calls = CancellationToken(), list[int]()
    token.cancel()
    token.add_callback(lambda: calls.append(1))
    assert calls == [1]


def test_a_callback_may_use_the_token() -> None:
    token, seen = CancellationToken(), list[bool]()

    def callback() -> None:
        token.cancel()
        token.add_callback(lambda: None)
        seen.append(token.is_cancelled())

    token.add_callback(callback)
    token.cancel()
    assert seen == [True]


def test_a_callback_that_raises_does_not_keep_the_others_from_running() -> None:
    token, calls = CancellationToken(), list[int]()
    token.add_callback(lambda: [][0])
    token.add_callback(lambda: calls.append(1))
    with pytest.raises(IndexError):
        token.cancel()
    assert calls == [1]


async def test_a_linked_future_is_cancelled_with_the_token() -> None:
    token = CancellationToken()
    future = asyncio.get_running_loop().create_future()
    assert token.link_future(future) is future
    token.cancel()
    assert future.cancelled()


async def test_a_future_linked_to_a_cancelled_token_is_cancelled_at_once() -> None:
    token = CancellationToken()
    token.cancel()
    assert token.link_future(asyncio.get_running_loop().create_future()).cancelled()


async def test_a_future_that_is_done_keeps_its_result() -> None:
    token = CancellationToken()
    future = token.link_future(asyncio.get_running_loop().create_future())
    future.set_result(5)
    token.cancel()
    assert await future == 5


async def test_a_token_lets_go_of_a_future_that_is_done() -> None:
    token = CancellationToken()
    future = token.link_future(asyncio.get_running_loop().create_future())
    gone = weakref.ref(future)
    future.set_result(None)
    await asyncio.sleep(0)  # its done callbacks run
    del future
    gc.collect()
    assert gone() is None


async def test_a_token_may_be_cancelled_from_another_thread() -> None:
    token = CancellationToken()
    future = token.link_future(asyncio.get_running_loop().create_future())
    thread = threading.Thread(target=token.cancel)
    thread.start()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(future, LIMIT_S)
    thread.join()


def test_what_is_forgotten_does_not_run() -> None:
    token, calls = CancellationToken(), list[int]()
    token.watch("key", lambda: calls.append(1))
    token.forget("key")
    token.forget("never there")
    token.cancel()
    assert calls == []
