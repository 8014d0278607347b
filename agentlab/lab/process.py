"""A child process, seen from its lab.

It lives exactly as long as the lab: it has a session of its own, so that interrupting a cell does not reach it, and it
ends at the end of its stdin, so that a killed kernel leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any, Final

from .errors import LabError, ProcessStartError
from .pipe import encode_command
from .prints import printed_by, unmarked

logger = logging.getLogger("agentlab.lab")

STOP_S: Final = 5.0
"""How long a process may take to end in order before it is killed."""

_RESUME_WHEN_ALONE: Final = (
    "import os, signal, sys\n"
    "sys.stdin.buffer.read()\n"
    "try: os.kill(int(sys.argv[1]), signal.SIGCONT)\n"
    "except ProcessLookupError: pass\n"
)
"""A paused process cannot see the end of its stdin. This small program sees it in its place, and wakes it."""


class ChildError(LabError):
    """A command failed in the child. `kind` is the class name of what it raised there."""

    def __init__(self, kind: str, text: str, trace: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.trace = trace


class ChildProcess:
    """A child process: a host or a worker. Used on the lab's event loop only."""

    def __init__(self, role: str, name: str, log: Path) -> None:
        self.role = role
        self.name = name
        self.log_path = log
        self.state = "starting"
        """``starting``, ``running``, ``paused``, ``killed``, ``stopped`` or ``exited N``."""
        self.started_s = 0.0
        self.ready: dict[str, Any] = {}
        """What its ready line said."""
        self._process: asyncio.subprocess.Process | None = None
        self._is_ready = asyncio.Event()
        self._numbers = count(1)
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._guard: subprocess.Popen[bytes] | None = None
        self._ended = asyncio.Event()

    @property
    def pid(self) -> int:
        """The process id; 0 before it was started."""
        return 0 if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process exists (a paused one does)."""
        return self._process is not None and not self._ended.is_set()

    @property
    def uptime_s(self) -> float:
        """Seconds since it was started; 0 when it is not alive."""
        return time.monotonic() - self.started_s if self.alive else 0.0

    async def start(self, configuration: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Start, and wait for the ready line; return what it said.

        Raises ProcessStartError with the exit code and the end of the log.
        """
        self.started_s = time.monotonic()
        arguments = [sys.executable, "-m", "agentlab.lab.child", self.role]
        if self.role != self.name:
            arguments.append(self.name)
        await self._run(arguments, _environment())
        self._send("configure", configuration | {"path": [folder for folder in sys.path if folder]})
        await self._until_ready(timeout_s)
        return self.ready

    async def _run(self, arguments: list[str], environment: dict[str, str]) -> None:
        """Start the process, and listen to it. Raises ProcessStartError."""
        try:
            with self.log_path.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *arguments,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment,
                    limit=16 * 1024 * 1024,
                    **_own_session(),
                )
        except OSError as error:
            self.state = "stopped"
            raise ProcessStartError(f"{self.name} cannot be started with {sys.executable}: {error}") from error
        self._tasks = [asyncio.ensure_future(self._listen()), asyncio.ensure_future(self._watch())]

    async def _until_ready(self, timeout_s: float) -> None:
        """Wait for the ready line. Raises ProcessStartError."""
        assert self._process is not None
        try:
            await self._ready_or_ended(timeout_s)
        except BaseException:
            await self.kill()
            raise
        if not self._is_ready.is_set() or self._ended.is_set():
            why = f"did not get ready within {timeout_s:g} s"
            if self._ended.is_set():
                why = f"ended with exit code {self._process.returncode} before it was ready"
            await self.kill()
            raise ProcessStartError(f"{self.name} {why}. The end of its log ({self.log_path}):\n{self.log(30)}")
        self.state = "running"

    async def _ready_or_ended(self, timeout_s: float) -> None:
        ready, ended = asyncio.ensure_future(self._is_ready.wait()), asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({ready, ended}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            ended.cancel()

    async def ask(self, command: str, **arguments: Any) -> Any:
        """Send a command and return its answer. Raises ChildError, LabError when the process is not running."""
        if not self.alive:
            raise LabError(
                f"{self.name} is not running: it is {self.state}. Start it with: await lab.restart('{self.name}')"
            )
        if self.state == "paused":
            raise LabError(f"{self.name} is paused. Wake it with: await lab.resume('{self.name}')")
        number = self._send(command, arguments)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._replies[number] = future
        try:
            return await future
        finally:
            self._replies.pop(number, None)

    def tell(self, command: str, **arguments: Any) -> None:
        """Send a command without waiting for its answer: a paused process will see it when it goes on."""
        if self.alive:
            self._send(command, arguments)

    def _send(self, command: str, arguments: dict[str, Any]) -> int:
        assert self._process is not None
        assert self._process.stdin is not None
        number = next(self._numbers)
        with contextlib.suppress(ConnectionError):  # it died: `_watch` says so
            self._process.stdin.write(encode_command(number, command, arguments))
        return number

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            record = json.loads(line)
            if "ready" in record:
                self.ready = record["ready"]
                self._is_ready.set()
                continue
            future = self._replies.get(record["reply"])
            if future is None or future.done():
                continue
            if "error" in record:
                error = record["error"]
                future.set_exception(ChildError(error["type"], error["text"], error["traceback"]))
            else:
                future.set_result(record["value"])

    async def _watch(self) -> None:
        assert self._process is not None
        code = await self._process.wait()
        if self.state in {"starting", "running", "paused"}:
            self.state = f"exited {code}"
        self._ended.set()
        self._dismiss_guard()
        for future in self._replies.values():
            if not future.done():
                future.set_exception(LabError(f"{self.name} ended ({self.state}) before it answered.\n{self.log(10)}"))

    # Signals

    async def kill(self) -> None:
        """End it at once, without a chance to say anything; wait until it is gone."""
        if self.alive:
            self.state = "killed"
            self._kill()
        await self._gone()

    def pause(self) -> None:
        """Let it stand still as it is (SIGSTOP). Raises LabError where that cannot be done."""
        if not hasattr(signal, "SIGSTOP"):
            raise LabError("This system cannot pause a process.")
        if self.state != "running":
            raise LabError(f"{self.name} cannot be paused: it is {self.state}.")
        self._stand_still()
        self.state = "paused"

    def resume(self) -> None:
        """Let it go on. Raises LabError when it is not paused."""
        if self.state != "paused":
            raise LabError(f"{self.name} cannot be resumed: it is {self.state}.")
        self._go_on()
        self.state = "running"

    def _kill(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def _stand_still(self) -> None:
        guard = [sys.executable, "-I", "-S", "-c", _RESUME_WHEN_ALONE, str(self.pid)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, **_own_session())
        os.kill(self.pid, signal.SIGSTOP)

    def _go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
        self._dismiss_guard()

    def _dismiss_guard(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.kill()
            assert guard.stdin is not None
            guard.stdin.close()
            guard.wait()

    async def stop(self, timeout_s: float = STOP_S) -> None:
        """Ask it to end in order; kill it when it does not. Doing it twice does nothing."""
        if self._process is not None and self.alive:
            if self.state == "paused":
                self.resume()
            self.state = "stopped"
            self._send("stop", {})
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._ended.wait()
            except TimeoutError:
                logger.warning("%s did not end within %g s and was killed.", self.name, timeout_s)
                await self.kill()
                return
        await self._gone()

    async def _gone(self) -> None:
        if self._process is None:
            self.state = "stopped"  # before it was started
            return
        await self._ended.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Logs

    def log(self, lines: int | None = None, agent: str = "") -> str:
        """What it printed, or one of its agents: the last `lines` of it, or all."""
        try:
            text = self.log_path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        if agent:
            text = "".join(f"{line}\n" for line in printed_by(agent, text.splitlines()))
        text = unmarked(text)
        return text if lines is None else "\n".join(text.splitlines()[-lines:])

    def __repr__(self) -> str:
        return f"<{self.name}: {self.state}, pid {self.pid}>"


def _own_session() -> dict[str, Any]:
    if os.name == "posix":
        return {"start_new_session": True}
    return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}


def _environment() -> dict[str, str]:
    """The lab's own, with a way to find this package, wherever the notebook found it."""
    root = str(Path(__file__).parents[2])
    known = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [known, root])), "PYTHONUNBUFFERED": "1"}
