"""A real kernel: what becomes of a lab's processes when a student interrupts, restarts or kills it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq.asyncio
from jupyter_client import AsyncKernelClient, AsyncKernelManager
from until import until

from .processes import alive

START = """
from agentlab import Lab
lab = await Lab.start(workers=2)
import json
json.dumps([row["pid"] for row in lab.processes])
"""

AGENT = """
from dataclasses import dataclass
from agentlab import MessageContext, RoutedAgent, message_handler

@dataclass
class Ask:
    n: int

@dataclass
class Answer:
    n: int

class Divider(RoutedAgent):
    def __init__(self):
        super().__init__("divides")

    @message_handler
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Answer:
        return Answer(100 // message.n)  # the student's line
"""


class Kernel:
    """A kernel that runs cells."""

    def __init__(self, manager: AsyncKernelManager, client: AsyncKernelClient) -> None:
        self.manager = manager
        self.client = client

    @property
    def pid(self) -> int:
        """Its process id."""
        return int(self.manager.provisioner.pid)

    async def run(self, code: str, limit_s: float = 60, *, cell: str = "") -> tuple[str, str]:
        """Run a cell, under an id if it has one; return what it shows at its end, and its error's text."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        self.client.shell_channel.send(message)
        return await self.outcome(message["header"]["msg_id"], limit_s)

    async def outcome(self, request: str, limit_s: float = 60) -> tuple[str, str]:
        """What became of a cell that was started."""
        shown, error = "", ""
        async with asyncio.timeout(limit_s):
            while True:
                message: Any = await self.client.get_iopub_msg(timeout=limit_s)
                if message["parent_header"].get("msg_id") != request:
                    continue
                content = message["content"]
                match message["msg_type"]:
                    case "execute_result":
                        shown = content["data"]["text/plain"]
                    case "error":
                        error = "\n".join(content["traceback"])
                    case "status" if content["execution_state"] == "idle":
                        return shown, error

    async def start_lab(self, *, cell: str = "") -> list[int]:
        """Start a lab there; return the process ids."""
        shown, error = await self.run(START, cell=cell)
        assert not error
        pids: list[int] = json.loads(shown.strip("'"))
        assert all(alive(pid) for pid in pids)
        return pids


@pytest.fixture
async def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kernel]:
    """A kernel in a session of its own, as JupyterLab starts it."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JUPYTER_PATH", str(Path(sys.prefix) / "share" / "jupyter"))
    context = zmq.asyncio.Context()
    manager = AsyncKernelManager(kernel_name="python3", context=context)
    await manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        context.destroy(linger=0)


async def all_gone(pids: list[int]) -> None:
    """Wait until none of the processes runs."""
    await until(lambda: not [pid for pid in pids if alive(pid)], 10)


async def test_a_cells_class_works_in_a_worker_and_its_error_names_the_cell(kernel: Kernel) -> None:
    await kernel.start_lab()
    assert (await kernel.run(AGENT))[1] == ""
    shown, error = await kernel.run("await lab.register('worker-1', 'divider', Divider)")
    assert (shown, error) == ("'divider: Divider() on worker-1'", "")
    assert await kernel.run("await lab.send_message(Ask(5), 'divider')") == ("Answer(n=20)", "")
    shown, error = await kernel.run(
        "try: await lab.send_message(Ask(0), 'divider')\nexcept Exception as e: text = str(e)\nprint(text)\ntext"
    )
    assert error == ""
    assert "ZeroDivisionError" in shown
    assert "Cell In[2], line " in shown
    assert "# the student" in shown
    shown, error = await kernel.run("await lab.send_message(Ask(0), 'divider')")
    assert "Cell In[2], line " in error
    assert "RemoteHandlerError" in error
    assert await kernel.run("await lab.stop()\nlab.state") == ("'stopped'", "")


async def test_after_an_interrupt_the_lab_goes_on(kernel: Kernel) -> None:
    pids = await kernel.start_lab()
    await kernel.run(AGENT)
    await kernel.run("await lab.register('worker-1', 'divider', Divider)")
    for blocking in (
        "import time\nprint('now')\ntime.sleep(60)",
        "import asyncio\nprint('now')\nawait asyncio.sleep(60)",
    ):
        request = kernel.client.execute(blocking)
        while True:
            message: Any = await kernel.client.get_iopub_msg(timeout=20)
            if message["msg_type"] == "stream" and "now" in message["content"]["text"]:
                break
        await kernel.manager.interrupt_kernel()
        kernel.client.kernel_info()  # a kernel that waits looks at signals when a message comes: JupyterLab sends many
        _, error = await kernel.outcome(request, 20)
        assert "KeyboardInterrupt" in error or "CancelledError" in error
        assert all(alive(pid) for pid in pids)
        assert await kernel.run("await lab.send_message(Ask(5), 'divider')") == ("Answer(n=20)", "")
    assert (await kernel.run("lab.processes.column('state')"))[0] == "['running', 'running', 'running']"
    await kernel.run("await lab.stop()")
    await all_gone(pids)


async def test_a_cell_that_starts_its_lab_again_stops_the_earlier_one(kernel: Kernel) -> None:
    elsewhere = await kernel.start_lab(cell="other")
    first = await kernel.start_lab(cell="start")
    second = await kernel.start_lab(cell="start")
    assert not [pid for pid in first if alive(pid)]
    assert all(alive(pid) for pid in [*second, *elsewhere])


async def test_an_interrupted_start_leaves_nothing(kernel: Kernel) -> None:
    request = kernel.client.execute("from agentlab import Lab\nlab = await Lab.start(workers=8)")
    await until(lambda: len(psutil.Process(kernel.pid).children()) >= 3, 30)
    await kernel.manager.interrupt_kernel()
    _, error = await kernel.outcome(request, 30)
    assert error
    await until(lambda: not [p for p in psutil.Process(kernel.pid).children() if alive(p.pid)], 15)
    assert (await kernel.run("1 + 1"))[0] == "2"


@pytest.mark.parametrize("paused", [False, True], ids=["", "with-a-paused-worker"])
@pytest.mark.parametrize("how", ["restart", "shutdown", "kill"])
async def test_when_the_kernel_goes_no_process_stays(kernel: Kernel, how: str, paused: bool) -> None:
    pids = await kernel.start_lab()
    if paused:
        await kernel.run("await lab.pause('worker-1')")
    if how == "restart":
        await kernel.manager.restart_kernel(now=False)
        await kernel.client.wait_for_ready(timeout=60)
    elif how == "shutdown":
        await kernel.manager.shutdown_kernel(now=False)
    else:
        began = time.monotonic()
        os.kill(kernel.pid, signal.SIGKILL)
        await until(lambda: time.monotonic() - began > 0.01)
    await all_gone(pids)
