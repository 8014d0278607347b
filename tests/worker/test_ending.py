"""A connection lost again and again leaves nothing of its streams behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from statuses import waiting_for_a_status
from until import until

from agentlab.wire import calls
from agentlab.wire.channel import machine_name
from agentlab.wire.frames import encode_frame
from agentlab.wire.parcels import ClockSample, Welcome
from agentlab.worker import connection as module
from agentlab.worker.connection import HostConnection

TIMES = 3


async def test_streams_that_broke_before_all_was_read_leave_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a pause: the host has gone, what it said last was not read yet, and writing fails first."""
    opened = 0

    async def open_link(requests: AsyncIterator[bytes], context: Any) -> None:
        nonlocal opened
        opened += 1
        await context.read()
        await context.write(encode_frame(welcome=Welcome("me", machine_name(), "", 1_000)))
        for n in range(3):
            await context.write(encode_frame(clock=ClockSample(n)))

    async def read_nothing(self: HostConnection, stream: Any) -> str:
        await asyncio.Event().wait()
        return ""

    async def join() -> None:
        return

    def ask() -> bool:
        connection.outbox.ask()
        return opened > TIMES

    monkeypatch.setattr(HostConnection, "_read", read_nothing)
    monkeypatch.setattr(module, "BROKEN_S", 0.01)
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    handlers = {"Open": grpc.stream_stream_rpc_method_handler(open_link)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(calls.LINK, handlers),))
    await server.start()
    before = waiting_for_a_status()
    connection = HostConnection(
        f"127.0.0.1:{port}", "me", on_frame=lambda frame: None, on_join=join, on_lost=lambda requests, why: None
    )
    connection.start()
    try:
        await until(ask)
    finally:
        await connection.stop(grace_s=0.1)
    await until(lambda: waiting_for_a_status() <= before)
    await server.stop(0)
