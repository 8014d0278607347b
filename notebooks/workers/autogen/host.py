# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["autogen-core==0.7.5", "autogen-ext[grpc]==0.7.5"]
# ///
"""AutoGen's own host: ``uv run --script host.py [PORT]``.

It listens on PORT, or on a free one, of 127.0.0.1, says on stdout which, and ends when its stdin does.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys

import grpc
from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntimeHost


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def start(wanted: int) -> str:
    """AutoGen's host cannot say which port it got, so it is told one: somebody may have taken it meanwhile."""
    for _ in range(20):
        address = f"127.0.0.1:{wanted or free_port()}"
        try:
            # Without the option, two hosts could listen on one port.
            host = GrpcWorkerAgentRuntimeHost(address, extra_grpc_config=[("grpc.so_reuseport", 0)])
        except RuntimeError:
            continue
        host.start()
        return address
    raise SystemExit("There is no free port.")


async def main(port: str = "0") -> None:
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    address = start(int(port))
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
    print(json.dumps({"what": "ready", "pid": os.getpid(), "address": address}), flush=True)
    await orders.read()
    os._exit(0)  # its own stop() would wait for streams that never end


asyncio.run(main(*sys.argv[1:]))
