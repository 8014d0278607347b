"""The host tells a worker that stopped from one that was lost."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agentlab import HostService, WorkerRuntime
from agentlab.core import journal as j

LONELY = """
import asyncio, sys
from agentlab import WorkerRuntime

async def main():
    await WorkerRuntime(sys.argv[1], name=sys.argv[2]).start()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def reason_of_leaving(host: HostService, name: str) -> str:
    async with asyncio.timeout(60):
        while True:
            for event in host.journal:
                if event.what == j.GONE and event.process == name:
                    return event.detail
            await asyncio.sleep(0.01)


async def test_a_worker_that_stops_is_journaled_as_stopped() -> None:
    host = HostService()
    host.start()
    worker = WorkerRuntime(host.address, name="polite")
    await worker.start()
    await worker.stop()
    assert await reason_of_leaving(host, "polite") == "stopped"
    await host.stop()


async def test_a_killed_worker_is_never_journaled_as_stopped(tmp_path: Path) -> None:
    host = HostService()
    host.start()
    script = tmp_path / "victim.py"
    script.write_text(LONELY)
    for name in (f"victim-{n}" for n in range(5)):
        victim = await asyncio.create_subprocess_exec(
            sys.executable, str(script), host.address, name, stdout=asyncio.subprocess.PIPE
        )
        assert victim.stdout is not None
        assert await victim.stdout.readline() == b"ready\n"
        victim.kill()
        await victim.wait()
        assert await reason_of_leaving(host, name) != "stopped"
    await host.stop()
