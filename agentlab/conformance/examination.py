"""The conformance kit: for whoever writes a worker, or a host, in another language.

``agentlab conform --worker "COMMAND {host}"`` runs a host and examines the worker that the command starts;
``agentlab conform --host ADDRESS`` examines a host. What a worker must understand is in
`agentlab.conformance.messages`; the checks are in `agentlab.conformance.workers` and `agentlab.conformance.hosts`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import shlex
import signal
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import grpc.aio

from ..engine import for_other_programs
from ..host.service import HostService
from ..lab.access import HOST_VARIABLE
from ..lab.errors import LabError
from ..lab.scripts import PROTOS_VARIABLE, checked_script, prepare, protos
from ..wire.parcels import Response
from . import hosts, workers
from .peer import Failed, PlainPeer, payload

START_S: Final = 60.0
"""How long a worker may take to come up: its packages may have to be installed."""

PATIENCE: Final = 3
"""What needs several steps, like coming back to a restarted host, may take so many times the limit."""

Outcome = Literal["passed", "failed", "failed as expected", "passed unexpectedly"]


@dataclass(frozen=True)
class Result:
    """A result: one check, and what came of it."""

    check: str
    what: str
    """What is expected."""
    outcome: Outcome
    detail: str = ""
    """What was seen instead; for an expected failure, its reason, too."""
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether it is as it should be, or as it was said to be."""
        return self.outcome in {"passed", "failed as expected"}


def expected_failures(path: Path) -> dict[str, str]:
    """Read known failures: a TOML file with lines ``"name of a check" = "reason"``. Raises LabError."""
    try:
        known = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LabError(f"{path} cannot be read: {error}") from error
    wrong = [name for name, reason in known.items() if not isinstance(reason, str) or not reason.strip()]
    if wrong:
        raise LabError(f"{path}: {wrong[0]!r} needs a reason, in words.")
    return dict(known)


def name_of(check: Callable[..., Any]) -> str:
    """A check's name, as it is shown and as known failures name it."""
    return check.__name__.replace("_", " ")


async def examine_worker(command: str, *, limit_s: float, expected: Mapping[str, str]) -> list[Result]:
    """Start a host and a worker, and run all checks of `agentlab.conformance.workers`."""
    _check_names(expected, workers.CHECKS)
    async with _WorkerExamination(command, limit_s) as exam:
        results: list[Result] = []
        for check in workers.CHECKS:
            if results and results[0].outcome == "failed":  # nothing can be said of a worker that never came
                results.append(Result(name_of(check), _what(check), "failed", "not examined: it never registered"))
                continue
            results.append(await _run(check, exam, expected))
        return results


async def examine_host(address: str, *, limit_s: float, expected: Mapping[str, str]) -> list[Result]:
    """Run all checks of `agentlab.conformance.hosts` against a host that runs."""
    _check_names(expected, hosts.CHECKS)
    results = []
    for check in hosts.CHECKS:
        async with _HostVisit(address, limit_s) as visit:
            results.append(await _run(check, visit, expected))
    return results


def _check_names(expected: Mapping[str, str], checks: Iterable[Callable[..., Any]]) -> None:
    names = [name_of(check) for check in checks]
    for name in expected:
        if name not in names:
            raise LabError(f"There is no check {name!r}. There are: {', '.join(names)}.")


def _what(check: Callable[..., Any]) -> str:
    return " ".join((inspect.getdoc(check) or "").split())


async def _run(check: Callable[[Any], Awaitable[None]], subject: Any, expected: Mapping[str, str]) -> Result:
    name, began, detail = name_of(check), time.monotonic(), ""
    try:
        await check(subject)
    except Failed as error:
        detail = str(error)
    except grpc.aio.AioRpcError as error:
        detail = f"a call failed: {error.code().name}, {error.details()}"
    except (KeyError, TypeError, ValueError, asyncio.InvalidStateError) as error:
        detail = f"an answer of another shape: {type(error).__name__}: {error}"
    seconds, reason = time.monotonic() - began, expected.get(name)
    if not detail:
        outcome: Outcome = "passed" if reason is None else "passed unexpectedly"
        return Result(name, _what(check), outcome, "" if reason is None else f"expected: {reason}", seconds)
    if reason is None:
        return Result(name, _what(check), "failed", detail, seconds)
    return Result(name, _what(check), "failed as expected", f"{detail} ({reason})", seconds)


class _HostVisit:
    """See `agentlab.conformance.hosts.Visit`."""

    def __init__(self, address: str, limit_s: float) -> None:
        self.limit_s = limit_s
        self._address = address
        self._peers: list[PlainPeer] = []

    def peer(self, client_id: str | None = None) -> PlainPeer:
        self._peers.append(PlainPeer(self._address, self.limit_s, client_id))
        return self._peers[-1]

    async def __aenter__(self) -> _HostVisit:
        return self

    async def __aexit__(self, *error: object) -> None:
        for peer in self._peers:
            await peer.close()


class _WorkerExamination:
    """See `agentlab.conformance.workers.Examination`."""

    peer: PlainPeer

    def __init__(self, command: str, limit_s: float) -> None:
        self.limit_s = limit_s
        self._command = command
        self._host = HostService()
        self._process: asyncio.subprocess.Process | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the examination
        self._started = False

    async def __aenter__(self) -> _WorkerExamination:
        self._host.start()
        try:
            await self._meet()
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _meet(self) -> None:
        self.peer = await PlainPeer(self._host.address, self.limit_s).open()
        await self.peer.register("examiner")

    async def _start(self) -> None:
        words = [text.replace("{host}", self._host.address) for text in shlex.split(self._command)]
        if not words:
            raise LabError('The command is empty: --worker "my_worker {host}"')
        joining = {HOST_VARIABLE: self._host.address}
        environment = {**for_other_programs(os.environ), **joining, PROTOS_VARIABLE: str(protos())}
        if words[0].endswith((".py", ".js", ".mjs", ".cjs")):
            script = checked_script(words[0], words[1:], (), None)
            launch = await prepare(script, "conform", joining, lambda text: None)
            words, environment = launch.command, launch.environment
        own: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {}
        try:
            self._process = await asyncio.create_subprocess_exec(
                *words, stdin=subprocess.PIPE, stdout=self._log, stderr=self._log, env=environment, **own
            )
        except OSError as error:
            raise LabError(f"The worker cannot be started with {words[0]!r}: {error}") from error

    async def __aexit__(self, *error: object) -> None:
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
            await process.wait()
        if hasattr(self, "peer"):
            await self.peer.close()
        with contextlib.suppress(RuntimeError):
            await self._host.stop(0)
        self._log.close()

    async def restart_host(self) -> None:
        await self.peer.close()
        address = self._host.address
        await self._host.stop(0)
        self._host = HostService(address)
        self._host.start()
        await self._meet()

    def is_registered(self) -> bool:
        registered = self._host.router.directory.holder(workers.AGENT) is not None
        if not registered and not self._started and self._process is not None and self._process.returncode is not None:
            raise Failed(f"it ended with exit code {self._process.returncode}. {self._last_words()}")
        self._started = self._started or registered
        return registered

    def send_stranger(self) -> None:
        holder = self._host.router.directory.holder(workers.AGENT)
        if holder is None:
            raise Failed("it is gone")
        self._host.router.connections[holder].put(Response("nobody-asked-this", payload("Echo", {"text": "?"})))

    async def until(self, condition: Callable[[], bool | Awaitable[bool]], what: str) -> None:
        limit_s = PATIENCE * self.limit_s if self._started else START_S
        end_s = time.monotonic() + limit_s
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            if time.monotonic() > end_s:
                raise Failed(f"{what}, within {limit_s:g} s. {'' if self._started else self._last_words()}".rstrip())
            await asyncio.sleep(0.02)

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()[-15:]
        return "\n".join(["The last that it printed:", *lines]) if lines else "It printed nothing."

    async def ended(self) -> bool:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), self.limit_s)
        except TimeoutError:
            return False
        return True
