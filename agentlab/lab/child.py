"""What runs in a child process of a lab: ``python -m agentlab.lab.child host`` or ``… worker NAME``.

The child does as its parent pipe says, and ends with it. For a host or a worker without a lab see `agentlab.lab.cli`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from types import ModuleType
from typing import Any

from ..core.garbage import collect_seldom
from ..core.serialization import try_get_known_serializers_for_type
from ..host.connection import Limits
from ..host.service import HostService
from ..version import __version__
from ..worker.runtime import WorkerRuntime
from .peers import ExpectedPeers
from .pipe import ParentPipe
from .prints import AgentPrints
from .registering import register
from .shipping import unpack


async def run_host(pipe: ParentPipe, configuration: dict[str, Any]) -> None:
    """Be a host until the lab ends it."""
    peers = ExpectedPeers(configuration["expected"])
    host = HostService(
        configuration["address"],
        tokens=configuration["tokens"],
        tls=configuration["tls"],
        keepalive_s=configuration["keepalive_s"],
        default_deadline_s=configuration["deadline_s"],
        journal_capacity=configuration["journal_capacity"],
        record_payload_bytes=configuration["record_payload_bytes"],
        limits=Limits(**configuration["limits"]),
        who_is=peers,
    )
    host.start()
    pipe.send({"ready": {"address": host.address, "pid": os.getpid(), "version": __version__}})

    async def answer(name: str, arguments: dict[str, Any]) -> Any:
        if name != "expect":
            raise ValueError(f"A host knows no command {name!r}.")
        peers.expect(arguments["guard"], arguments["name"])

    try:
        await pipe.serve(answer)
    finally:
        await host.stop(grace=0.5)


async def run_worker(pipe: ParentPipe, configuration: dict[str, Any]) -> None:
    """Be a worker until the lab ends it."""
    runtime = WorkerRuntime(
        configuration["address"],
        name=configuration["name"],
        token=configuration["token"],
        tls=configuration["tls"],
        keepalive_s=configuration["keepalive_s"],
        default_deadline_s=configuration["deadline_s"],
        connect_timeout_s=configuration["connect_timeout_s"],
    )
    await runtime.start()
    pipe.send({"ready": {"name": runtime.name, "pid": os.getpid(), "version": __version__}})

    async def answer(name: str, arguments: dict[str, Any]) -> Any:
        match name:
            case "register":
                return await register(runtime, arguments["type"], unpack(arguments["code"]), shared=arguments["shared"])
            case "unregister":
                return await runtime.unregister(arguments["type"])
            case "leave":
                return await runtime.leave()
            case "stay":
                return await runtime.stay()
            case "drain":
                moved = await runtime.drain(arguments["timeout_s"])
                return {str(agent): worker for agent, worker in moved.items()}
            case "know":
                for message_type in unpack(arguments["messages"]):
                    runtime.add_message_serializer(try_get_known_serializers_for_type(message_type))
                return None
        raise ValueError(f"A worker knows no command {name!r}.")

    try:
        await pipe.serve(answer)
    finally:
        await runtime.close()


def main() -> None:
    """``sys.argv[1]`` is the role."""
    pipe = ParentPipe()
    configuration = pipe.configuration()
    for folder in configuration["path"]:
        if folder not in sys.path:
            sys.path.append(folder)
    logging.basicConfig(
        level=configuration["log_level"], format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    # What comes from the notebook's `__main__` finds one here, with nothing of this module in it.
    sys.modules["__main__"] = ModuleType("__main__")
    sys.stdout = AgentPrints(sys.stdout)
    run = {"host": run_host, "worker": run_worker}[sys.argv[1]]
    collect_seldom()
    try:
        asyncio.run(run(pipe, configuration))
    finally:
        pipe.ended()


if __name__ == "__main__":
    main()
