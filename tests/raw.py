"""A client that speaks gRPC and nothing else: what workers of other languages, and broken ones, may do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import grpc
import grpc.aio

from agentlab.wire import calls
from agentlab.wire.codec import decode_plain, encode_plain
from agentlab.wire.frames import decode_frame, encode_frame
from agentlab.wire.parcels import Frame, Hello, Parcel, Welcome
from agentlab.wire.security import Credentials

LIMIT_S = 15.0


class RawClient:
    """A raw client: bytes out, bytes in, under a client id of its choice."""

    def __init__(self, channel: grpc.aio.Channel, client_id: str, token: str | None = None) -> None:
        self.channel = channel
        self.client_id = client_id
        self.token = token
        self.stream: Any = None
        self.welcome: Welcome | None = None

    @property
    def metadata(self) -> Any:
        named = ((calls.CLIENT_ID, self.client_id),) if self.client_id else ()
        return (*named, *Credentials(self.token).metadata())

    async def call(self, service: str, method: str, request: bytes = b"") -> bytes:
        """A unary call."""
        answer: bytes = await self.channel.unary_unary(f"/{service}/{method}")(
            request, metadata=self.metadata, timeout=LIMIT_S
        )
        return answer

    async def agent_rpc(self, method: str, request: bytes = b"") -> bytes:
        return await self.call(calls.AGENT_RPC, method, request)

    def begin(self, service: str, method: str) -> Any:
        """A stream."""
        return self.channel.stream_stream(f"/{service}/{method}")(metadata=self.metadata)

    async def open_plain(self, *types: str) -> Self:
        """Open AutoGen's stream, and advertise these types."""
        self.stream = self.begin(calls.AGENT_RPC, "OpenChannel")
        await asyncio.wait_for(self.stream.initial_metadata(), LIMIT_S)
        return await self._advertise(types)

    async def open_link(self, name: str, *types: str) -> Self:
        """Open agentlab's stream, and advertise these types."""
        self.stream = self.begin(calls.LINK, "Open")
        await self.stream.write(encode_frame(hello=Hello(name, 0, "a raw client")))
        frame = await self.read_frame()
        self.welcome = frame.welcome
        return await self._advertise(types)

    async def _advertise(self, types: tuple[str, ...]) -> Self:
        for agent_type in types:
            await self.agent_rpc("RegisterAgent", calls.encode_register_agent(agent_type))
        return self

    async def send(self, parcel: Parcel) -> None:
        await self.stream.write(encode_plain(parcel))

    async def read(self) -> Parcel:
        """The next plain message."""
        data = await asyncio.wait_for(self.stream.read(), LIMIT_S)
        if data is grpc.aio.EOF:
            raise EOFError
        return decode_plain(data)

    async def read_frame(self) -> Frame:
        data = await asyncio.wait_for(self.stream.read(), LIMIT_S)
        if data is grpc.aio.EOF:
            raise EOFError
        return decode_frame(data)


@asynccontextmanager
async def raw_client(
    address: str, client_id: str = "raw", token: str | None = None, *, small_window: bool = False
) -> AsyncIterator[RawClient]:
    """A raw client whose channel is closed in the end. `small_window`: of what it does not read, the network takes
    64 KiB in place of some 10 MiB, so that what comes after that waits at the host soon."""
    options = [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if small_window:
        options += [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 64 * 1024)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        client = RawClient(channel, client_id, token)
        try:
            yield client
        finally:
            if client.stream is not None:
                client.stream.cancel()  # closing the channel alone left it open with grpcio 1.80


async def code_of(call: Any) -> grpc.StatusCode:
    """How a call failed."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK
