"""Processes on the other end of the wire: the scripts beside this file, started, ordered about and ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

import psutil
from uv import find_uv_bin

SCRIPTS: Final = Path(__file__).parent / "scripts"
AUTOGEN_HOST: Final = Path(__file__).parents[2] / "notebooks" / "workers" / "autogen" / "host.py"

START_S: Final = 60.0
"""The first start installs AutoGen."""

REPLY_S: Final = 10.0
"""Far more than anything here takes; a test that waits so long has failed."""


class PeerError(Exception):
    """An order failed in the other process: its error's class name and text."""

    def __init__(self, error: str, text: str, length: int) -> None:
        super().__init__(f"{error}: {text}")
        self.text = text
        self.length = length
        """Characters of the whole text: a very long one is cut on its way to the test."""


class Peer:
    """A peer: one script as a process of its own, which tells what it does as JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.told: list[dict[str, Any]] = []
        """Everything it told, in order."""
        self._process = process
        self._log = log
        self._news = asyncio.Condition()
        self._over = False
        self._numbers = count(1)
        self._reading = asyncio.ensure_future(self._read())
        self._family = [psutil.Process(process.pid)]

    @classmethod
    async def start(cls, script: str | Path, *args: str, log: Path) -> Peer:
        """Start a script and wait until it is ready. AutoGen's get the environment that their first lines ask for."""
        autogen = "autogen" in Path(script).name or script == AUTOGEN_HOST
        command = [find_uv_bin(), "run", "--quiet", "--script"] if autogen else [sys.executable]
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *command,
                str(SCRIPTS / script),
                *args,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                limit=2**24,
            )
        peer = cls(process, log)
        try:
            ready = await peer.wait("ready", timeout_s=START_S)
            if ready["pid"] != process.pid:
                peer._family.append(psutil.Process(ready["pid"]))
        except BaseException:
            await peer.end()
            raise
        return peer

    @property
    def address(self) -> str:
        """Where a host listens."""
        address: str = self.told[0]["address"]
        return address

    @property
    def received(self) -> list[str]:
        """The texts of the messages that its agents received, in order."""
        return [line["text"] for line in self.told if line["what"] == "received"]

    async def wait(self, what: str, *, timeout_s: float = REPLY_S, **facts: Any) -> dict[str, Any]:
        """Wait until it told this, and return all of the line."""
        wanted = {"what": what, **facts}
        line = await self._line(timeout_s, lambda told: wanted.items() <= told.items())
        assert line is not None, f"The process never told {wanted}. {self._last_words()}"
        return line

    async def order(self, do: str, **arguments: Any) -> Any:
        """Have it do something, and return the result. Raises PeerError."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, "number": number, **arguments}).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._line(REPLY_S, lambda told: told.get("number") == number)
        assert line is not None, f"{do} was never carried out. {self._last_words()}"
        if line["what"] == "failed":
            raise PeerError(line["error"], line["text"], line["length"])
        return line["result"]

    async def _line(self, timeout_s: float, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """The first line that is wanted, as soon as it is there; None when it never came."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self.told if wanted(line)), None)

        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait_for(lambda: found() or self._over)
        return found()

    async def kill(self) -> None:
        """SIGKILL: it can say nothing any more."""
        self._family[-1].kill()
        await self._gone()

    async def end(self) -> None:
        """End its stdin, and see that it ends with it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
            with suppress(BrokenPipeError, ConnectionResetError):
                await self._process.stdin.wait_closed()
        await self._gone()

    async def _gone(self) -> None:
        try:
            async with asyncio.timeout(REPLY_S):
                await self._process.wait()
                await self._reading
        except TimeoutError:
            # It leads a session of its own: only it and its children are in this group.
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
            raise AssertionError(f"The process did not end. {self._last_words()}") from None
        left = [process for process in self._family if _alive(process)]
        assert not left, f"Processes are left: {left}"

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._news:
                self.told.append(json.loads(line))
                self._news.notify_all()
        async with self._news:
            self._over = True
            self._news.notify_all()

    def _last_words(self) -> str:
        log = self._log.read_text(errors="replace").splitlines()[-30:]
        return "\n".join(["The last that it told:", *map(str, self.told[-5:]), f"The end of {self._log}:", *log])


StartPeer = Callable[..., Awaitable[Peer]]
"""Script and arguments → the running process; see `start_peer`."""


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return False
