"""What both ends of a connection agree on beside the messages: sizes, how a call ends, and who shares a clock."""

from __future__ import annotations

import platform
import uuid
from functools import cache
from pathlib import Path
from typing import Any, Final

MESSAGE_BYTES: Final = 4 * 1024 * 1024 - 512 * 1024
"""The largest payload, unless a host says otherwise: with its envelope it fits into the 4 MiB that gRPC, and so
AutoGen, takes by default."""

RECEIVE_BYTES: Final = 64 * 1024 * 1024
"""The largest gRPC message that is read. Far above the limit for a message, so that one that is too large is read,
refused by name and answered, where gRPC would end the whole stream."""


def keepalive_options(keepalive_s: float) -> list[tuple[str, int]]:
    """gRPC options by which silence is noticed: after `keepalive_s` seconds of it the other side is asked for a sign of
    life, and after as many more it is taken for lost."""
    keepalive_ms = int(keepalive_s * 1000)
    return [
        ("grpc.keepalive_time_ms", keepalive_ms),
        ("grpc.keepalive_timeout_ms", keepalive_ms),
        # Measured with grpcio 1.85 and a paused process: without this one, a ping's own timeout, a minute, ends the
        # connection, whatever the timeout above says.
        ("grpc.http2.ping_timeout_ms", keepalive_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]


def end_call(call: Any) -> None:
    """End a streaming call, whatever became of it, and let go of what gRPC keeps for it.

    A write that fails makes grpc.aio's call look ended (seen with grpcio 1.85): cancelling it does nothing from then
    on, and closing its channel passes it over. Its core, though, goes on waiting for a status, which does not come as
    long as messages arrived that nobody reads, and a task waits with it for as long as the process lives.
    """
    if not call.cancel():
        call._cython_call.cancel("ended")


def checked_address(address: str, *, any_port: bool = False) -> str:
    """Return ``host:port`` as it is; port 0 only with `any_port`. Raises ValueError for another shape."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and (0 if any_port else 1) <= int(port) < 65536):
        raise ValueError(f"{address!r} is no address: it should look like 127.0.0.1:50051.")
    return address


def reachable_address(address: str) -> str:
    """How this machine's own processes reach a host that listens on ``host:port``, which may mean everywhere."""
    host, _, port = address.rpartition(":")
    here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    return f"{here}:{port}"


@cache
def machine_name() -> str:
    """Names the running machine: two processes with the same name read the same clock."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        return boot.read_text().strip()
    except OSError:  # not Linux
        return f"{platform.node()}-{uuid.getnode():x}"
