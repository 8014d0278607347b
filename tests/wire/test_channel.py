"""How a streaming call ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from statuses import waiting_for_a_status
from until import until

from agentlab.wire.channel import end_call


async def _say_three_things(requests: Any, context: Any) -> AsyncIterator[bytes]:
    for word in (b"one", b"two", b"three"):
        yield word


@pytest.fixture
async def talk() -> AsyncIterator[Any]:
    """A streaming method that says three things and ends."""
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    method = grpc.stream_stream_rpc_method_handler(_say_three_things)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Test", {"Talk": method}),))
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel.stream_stream("/Test/Talk")
    await server.stop(0)


async def test_a_call_whose_write_failed_before_all_was_read_leaves_no_task(talk: Any) -> None:
    before = waiting_for_a_status()
    call = talk()
    assert await call.read() == b"one"

    async def write_fails() -> bool:
        try:
            await call.write(b"is anybody there?")
        except grpc.aio.AioRpcError:
            return True
        return False

    await until(write_fails)
    assert call.done()
    assert waiting_for_a_status() > before
    end_call(call)
    await until(lambda: waiting_for_a_status() <= before)


@pytest.mark.parametrize("read", [0, 1, 3])
async def test_any_call_can_be_ended_twice(talk: Any, read: int) -> None:
    before = waiting_for_a_status()
    call = talk()
    for _ in range(read):
        await call.read()
    end_call(call)
    end_call(call)
    await until(lambda: waiting_for_a_status() <= before)
