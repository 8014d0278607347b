# /// script
# requires-python = ">=3.11"
# dependencies = ["grpcio>=1.80,<2"]
# ///
"""A bare grpc.aio relay: what one hop through a Python gRPC host costs at least. Bytes in, bytes out, one message a
frame; the host looks at nothing, the worker sends back what it got. ``bare_relay.py host|worker|client OPTIONS``
"""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import count
from typing import Any

import grpc
from stand import client, serve

OPTIONS = [("grpc.max_receive_message_length", 2**26), ("grpc.max_send_message_length", 2**26)]


async def host() -> None:
    streams: dict[str, Any] = {}

    async def open_stream(requests: Any, context: Any) -> None:
        me, other = dict(context.invocation_metadata())["me"], {"client": "worker", "worker": "client"}
        streams[me] = context
        await context.send_initial_metadata(())
        while (data := await context.read()) is not grpc.aio.EOF:
            await streams[other[me]].write(data)

    handler = grpc.stream_stream_rpc_method_handler(open_stream)
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("relay", {"Open": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await serve({}, address=f"127.0.0.1:{port}")
    await server.stop(0)


async def worker(address: str, name: str, readers: int = 0) -> None:
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        stream: Any = channel.stream_stream("/relay/Open")(metadata=(("me", "worker"),))
        await stream.wait_for_connection()

        async def echo() -> None:
            while (data := await stream.read()) is not grpc.aio.EOF:
                await stream.write(data)

        echoing = asyncio.ensure_future(echo())
        await serve({})
        echoing.cancel()


async def asking(address: str) -> None:
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        stream: Any = channel.stream_stream("/relay/Open")(metadata=(("me", "client"),))
        await stream.wait_for_connection()
        waiting: dict[bytes, asyncio.Future[bytes]] = {}
        numbers = count()
        free = asyncio.Lock()  # gRPC takes one message at a time

        async def read() -> None:
            while (data := await stream.read()) is not grpc.aio.EOF:
                waiting.pop(data[:8]).set_result(data[8:])

        async def call(number: int, text: str) -> tuple[int, str]:
            key = next(numbers).to_bytes(8, "big")
            reply = waiting[key] = asyncio.get_running_loop().create_future()
            async with free:
                await stream.write(key + json.dumps({"number": number, "text": text}).encode())
            answer = json.loads(await reply)
            return answer["number"] + 1, answer["text"]

        reading = asyncio.ensure_future(read())
        await serve(client(call))
        reading.cancel()


if __name__ == "__main__":
    asyncio.run({"host": host, "worker": worker, "client": asking}[sys.argv[1]](**json.loads(sys.argv[2])))
