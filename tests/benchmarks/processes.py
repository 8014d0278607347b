"""The processes of a system under test: started, told what to do, watched for what they cost, and ended."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import psutil
from uv import find_uv_bin

from agentlab.engine import for_other_programs

SYSTEMS = Path(__file__).parent / "systems"

START_S = 300.0
"""The first start of a peer installs it."""

ANSWER_S = 120.0
"""An order that takes longer has failed."""


class BenchmarkError(Exception):
    """A system did not do what it was told, or did it wrong."""


class Process:
    """One process of a system: a script that takes orders on stdin."""

    def __init__(self, process: subprocess.Popen[bytes], script: str, log: Any) -> None:
        self._process = process
        self._script = script
        self._log = log
        self._rest = b""
        self.ready: dict[str, Any] = {}
        """What it said when it was ready."""

    @classmethod
    def start(cls, script: str, role: str, own_environment: bool, **options: Any) -> Self:
        """Start a script and wait until it is ready. One with inline dependencies gets an environment of its own."""
        started = cls.begin(script, role, own_environment, **options)
        started.until_ready()
        return started

    @classmethod
    def begin(cls, script: str, role: str, own_environment: bool, **options: Any) -> Self:
        """Start a script, and do not wait."""
        command = [find_uv_bin(), "run", "--quiet", "--script"] if own_environment else [sys.executable]
        log = tempfile.TemporaryFile()  # noqa: SIM115  the child writes to it as long as it lives
        process = subprocess.Popen(
            [*command, str(SYSTEMS / script), role, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            # pip compiles what it installs, and so our own environment is; uv does when it is told to.
            env=for_other_programs(os.environ) | {"UV_COMPILE_BYTECODE": "1"},
        )
        return cls(process, f"{script} {role}", log)

    def until_ready(self) -> None:
        """Wait until it says that it is ready, or end it."""
        try:
            self.ready = self._read(START_S)
        except BaseException:
            self.end()
            raise

    def tell(self, do: str, **arguments: Any) -> None:
        """Give an order; `answer` waits for what comes of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self._process.stdin.flush()

    def answer(self, limit_s: float = ANSWER_S) -> Any:
        """What came of the oldest order without an answer."""
        said = self._read(limit_s)
        if "error" in said:
            raise BenchmarkError(f"{self._script}: {said['error']}\n{self._last_words()}")
        return said["result"]

    def ask(self, do: str, **arguments: Any) -> Any:
        """Give an order and wait for what comes of it."""
        self.tell(do, **arguments)
        return self.answer()

    def cpu_s(self) -> float:
        """Seconds of processor that it and its children have used."""
        total = 0.0
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory(self) -> int:
        """Bytes of memory that it alone holds now."""
        return int(psutil.Process(self.ready["pid"]).memory_full_info().uss)

    def _family(self) -> list[psutil.Process]:
        me = psutil.Process(self._process.pid)
        return [me, *me.children(recursive=True)]

    def close(self) -> None:
        """End its stdin, at which it ends itself."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def end(self) -> None:
        """End its stdin, and wait for its end."""
        self.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            family = self._family()
            for process in reversed(family):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    def _read(self, limit_s: float) -> dict[str, Any]:
        """The next JSON line that it prints; what its libraries print is none of ours."""
        assert self._process.stdout is not None
        until_s = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while True:
                line, newline, rest = self._rest.partition(b"\n")
                if newline:
                    self._rest = rest
                    with contextlib.suppress(ValueError):
                        said = json.loads(line)
                        if isinstance(said, dict):
                            return said
                    continue
                if not selector.select(max(0.0, until_s - time.monotonic())):
                    raise BenchmarkError(f"{self._script} said nothing for {limit_s:g} s.\n{self._last_words()}")
                data = self._process.stdout.read1(65536)  # type: ignore[union-attr]
                if not data:
                    raise BenchmarkError(f"{self._script} ended.\n{self._last_words()}")
                self._rest += data

    def _last_words(self) -> str:
        self._log.seek(0)
        return "\n".join(self._log.read().decode(errors="replace").splitlines()[-30:])


class System:
    """A system under test: a host, workers, and a client that asks them, each a process of its own."""

    def __init__(
        self,
        name: str,
        script: str,
        *,
        own_environment: bool,
        workers: int = 1,
        host_options: dict[str, Any] | None = None,
        worker_options: list[dict[str, Any]] | None = None,
        alone: bool = False,
    ) -> None:
        """`alone`: the client starts everything else itself."""
        self.name = name
        self.host: Process | None = None
        self.workers: list[Process] = []
        self._stack = contextlib.ExitStack()
        options = worker_options or [{} for _ in range(workers)]
        with contextlib.ExitStack() as stack:

            def begin(role: str, **options: Any) -> Process:
                process = Process.begin(script, role, own_environment, **options)
                stack.callback(process.end)
                return process

            if alone:
                self.client = begin("client")
            else:
                self.host = begin("host", **(host_options or {}))
                self.host.until_ready()
                address = self.host.ready["address"]
                self.workers = [begin("worker", address=address, name=f"w{n}", **o) for n, o in enumerate(options)]
                for worker in self.workers:
                    worker.until_ready()
                self.client = begin("client", address=address)
            self.client.until_ready()
            self._stack = stack.pop_all()

    def cpu_s(self) -> dict[str, float]:
        """Seconds of processor used so far, by role. Of a client that started everything, all is its own."""
        return {
            "host": self.host.cpu_s() if self.host is not None else 0.0,
            "workers": sum(worker.cpu_s() for worker in self.workers),
            "client": self.client.cpu_s(),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:  # all at once: there may be very many
            worker.close()
        self._stack.close()
