"""How a worker opens a stream to its host: agentlab's link where the host speaks it, else AutoGen's plain messages.

And why that did not work, in words. Read next: `agentlab.worker.connection`, which keeps a stream open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from ..wire import calls, tls
from ..wire.channel import RECEIVE_BYTES, end_call, keepalive_options
from ..wire.frames import decode_frame, encode_frame
from ..wire.parcels import Hello, Welcome, WireError
from ..wire.security import Credentials

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """What was opened: the call of a stream, before anything but the introductions went over it."""

    call: Any
    welcome: Welcome | None
    """How the host answered on agentlab's link; None on a stream of plain messages, which has no introductions."""


def open_channel(address: str, credentials: Credentials, keepalive_s: float) -> grpc.aio.Channel:
    """A gRPC channel to the host, for one stream and the calls beside it. It connects when it is first used."""
    return credentials.channel(
        address,
        [
            ("grpc.max_receive_message_length", RECEIVE_BYTES),
            ("grpc.max_send_message_length", RECEIVE_BYTES),
            *keepalive_options(keepalive_s),
            # Channels with equal options share a connection, and with it gRPC's own growing pauses after failures.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
        ],
    )


async def open_link(channel: grpc.aio.Channel, metadata: Metadata, hello: Hello) -> Opened | None:
    """Open agentlab's link; None when the host does not speak it.

    Raises grpc.aio.AioRpcError when the host refuses the worker or does not answer, WireError when it is no host.
    """
    call: Any = channel.stream_stream(f"/{calls.LINK}/Open")(metadata=metadata)
    try:
        return Opened(call, await _introduce(call, hello))
    except grpc.aio.AioRpcError as error:
        end_call(call)
        refusal = await _refusal(channel, error, metadata)
        try:
            if refusal.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise refusal from None
        finally:
            # An error that is kept in the frame it names keeps the call and its channel, which goes on
            # connecting until the garbage collector comes by.
            del refusal
    return None


async def open_plain(channel: grpc.aio.Channel, metadata: Metadata) -> Opened:
    """Open AutoGen's stream of single messages. Raises grpc.aio.AioRpcError."""
    call: Any = channel.stream_stream(f"/{calls.AGENT_RPC}/OpenChannel")(metadata=metadata)
    await call.wait_for_connection()
    # The stream alone does not say whether the other side knows it: a server that is no host refuses this call.
    ask: Any = channel.unary_unary(f"/{calls.AGENT_RPC}/GetSubscriptions")
    await ask(b"", metadata=metadata)
    return Opened(call, None)


async def _introduce(call: Any, hello: Hello) -> Welcome:
    await call.write(encode_frame(hello=hello))
    first = await call.read()
    if first is grpc.aio.EOF:
        await _raise_status(call)
    welcome = decode_frame(first).welcome
    if welcome is None:
        raise WireError("its first frame is no welcome")
    return welcome


async def _raise_status(call: Any) -> None:
    """The stream ended before it began: raise its status."""
    raise grpc.aio.AioRpcError(
        await call.code(), await call.initial_metadata(), await call.trailing_metadata(), await call.details()
    )


async def _refusal(channel: grpc.aio.Channel, error: grpc.aio.AioRpcError, metadata: Metadata) -> Any:
    """Why the link was not opened. Writing to a stream that the host refused a moment before fails with INTERNAL,
    and hides the host's own answer (about every tenth time): a call without a stream cannot."""
    if error.code() == grpc.StatusCode.INTERNAL:
        probe: Any = channel.unary_unary(f"/{calls.LINK}/WithdrawAgent")
        try:
            await probe(b"", metadata=metadata)
        except grpc.aio.AioRpcError as refusal:
            return refusal
    return error


# Why it did not work


def code_of(error: grpc.RpcError) -> Any:
    """The status with which a call ended; None where the error has none."""
    return getattr(error, "code", lambda: None)()


def reason(error: grpc.RpcError) -> str:
    """Why a call or a stream failed, for a person."""
    if isinstance(error, grpc.aio.AioRpcError):
        return described(error.code(), error.details() or "")
    return str(error)


def described(status: grpc.StatusCode, details: str) -> str:
    """A status other than OK, for a person."""
    if "Connection refused" in details:
        return "nobody listens there (connection refused)"
    if "failed to connect" in details:
        return tls.described(details)
    return details or status.name.lower().replace("_", " ")
