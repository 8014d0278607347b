"""A child process of a test: started, spoken to by signals, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

READY_LIMIT_S = 30.0
"""A child is ready in under a second; on a busy machine in several."""


class Child:
    """A child process that prints one JSON line when it is ready, and exits when its stdin ends."""

    def __init__(self, process: subprocess.Popen[bytes], log: Any) -> None:
        self._process = process
        self._log = log
        self._seen = 0
        self.ready: dict[str, Any] = {}
        """What its ready line says."""

    @classmethod
    async def start(cls, script: str, *within: str, **options: Any) -> Self:
        """Start ``child_scripts/SCRIPT.py``, by the command `within` if there is one, and wait until it is ready.
        `options` reach it as JSON."""
        child = cls._spawn(script, options, within)
        try:
            line = await child.read_line(READY_LIMIT_S)
            child.ready = json.loads(line)
        except BaseException as error:
            text = child.log()
            child.end()
            raise AssertionError(f"The child {script} did not start ({error!r}). Its log:\n{text}") from error
        return child

    @classmethod
    def _spawn(cls, script: str, options: dict[str, Any], within: tuple[str, ...] = ()) -> Self:
        log = tempfile.TemporaryFile()  # noqa: SIM115  the child writes to it as long as it lives
        process = subprocess.Popen(
            [*within, sys.executable, str(Path(__file__).with_name(f"{script}.py")), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        return cls(process, log)

    async def read_line(self, limit_s: float = READY_LIMIT_S) -> bytes:
        """The next line that it prints."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), limit_s)
        if not line:
            raise EOFError(f"The child ended with exit code {self._process.poll()}.")
        return line

    @property
    def address(self) -> str:
        """Where it listens, of a host."""
        return str(self.ready["address"])

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def log(self) -> str:
        """What it wrote to stderr."""
        return self._read_log(0)

    def new_log(self) -> str:
        """What it wrote to stderr since this was asked last."""
        return self._read_log(self._seen)

    def _read_log(self, begin: int) -> str:
        """Not by a seek: the child writes where the file stands."""
        file = self._log.fileno()
        self._seen = os.fstat(file).st_size
        return os.pread(file, self._seen - begin, begin).decode(errors="replace")

    def tell(self, line: str) -> None:
        """Write a line to its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL: it dies without a word."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: it stays, and does nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Let it go by the end of its stdin; kill it if that takes long."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if self._process.poll() is None:
            self.resume()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self._log.close()
