"""What every test gets: a check that it leaves no process behind, and hosts, workers and children that always end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psutil
import pytest
from child_scripts.child import Child

from agentlab import HostService, WorkerRuntime

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # In a shell's background SIGINT is ignored, here and in every child, and some are tested for what they do at it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

NOTHING_LEFT_S = 5.0
"""How long a child may take to be gone after its test: far longer than the 50 ms it takes."""


def _living_children() -> dict[int, psutil.Process]:
    """The processes below this one that run. A zombie has ended; reading it as one reaps it.

    Chromium starts and ends processes of its own as it likes, for as long as a folder of tests shares it.
    """
    living = {}
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                if process.name().startswith("chrom"):
                    continue
                living[process.pid] = process
            elif process.ppid() == psutil.Process().pid:
                process.wait(timeout=0.1)
        except (psutil.NoSuchProcess, psutil.TimeoutExpired):
            continue
    return living


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """After every test: no child process that it started is left."""
    before = set(_living_children())
    yield
    until_s = time.monotonic() + NOTHING_LEFT_S
    while left := {pid: process for pid, process in _living_children().items() if pid not in before}:
        if time.monotonic() > until_s:
            commands = []
            for process in left.values():
                try:
                    commands.append(" ".join(process.cmdline()) or process.name())
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            pytest.fail(f"The test left {len(left)} processes behind: {commands}")
        time.sleep(0.02)


@pytest.fixture(scope="session")
def _quick_collection() -> None:
    """What was imported is not looked at in every collection: 0.3 s each otherwise."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def no_stray_task(_quick_collection: None) -> Iterator[None]:
    """Fails the test when asyncio complains: an exception that nobody retrieved, a task destroyed while it ran."""
    complaints: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # gRPC's one poller may still have word for the event loop of an earlier test; it reads it twice, and no
            # process but a test's has one loop after the other.
            if "PollerCompletionQueue" not in record.getMessage():
                complaints.append(self.format(record))

    listener = Listener(logging.ERROR)
    logger = logging.getLogger("asyncio")
    logger.addHandler(listener)
    yield
    gc.collect()
    logger.removeHandler(listener)
    assert not complaints, "\n".join(complaints)


class Cast:
    """Hosts and workers in the test's own loop; whatever the test does, they are stopped."""

    def __init__(self) -> None:
        self._hosts: list[HostService] = []
        self._workers: list[WorkerRuntime] = []

    def host(self, address: str = "127.0.0.1:0", **options: Any) -> HostService:
        """A host that listens."""
        host = HostService(address, **options)
        host.start()
        self._hosts.append(host)
        return host

    async def worker(self, host: HostService | str, name: str | None = None, **options: Any) -> WorkerRuntime:
        """A worker that is connected."""
        address = host if isinstance(host, str) else host.address
        worker = WorkerRuntime(address, name=name, **options)
        self._workers.append(worker)
        await worker.start()
        return worker

    async def end(self) -> None:
        """Stop all that still run, workers first."""
        for worker in self._workers:
            with contextlib.suppress(RuntimeError):  # it is stopped already
                await worker.stop(grace_s=0)
        for host in self._hosts:
            with contextlib.suppress(RuntimeError):
                await host.stop(grace=0)


@pytest.fixture
async def cast() -> AsyncIterator[Cast]:
    """Makes hosts and workers, and stops them after the test."""
    cast = Cast()
    yield cast
    await cast.end()


@pytest.fixture
async def children(cast: Cast) -> AsyncIterator[list[Child]]:
    """Child processes to be ended after the test: append them. They end before the hosts in the test's own loop do,
    which meanwhile goes on, so that they can say goodbye."""
    children: list[Child] = []
    yield children
    await asyncio.gather(*(asyncio.to_thread(child.end) for child in reversed(children)))


@pytest.fixture
async def host(cast: Cast) -> HostService:
    """One host that listens."""
    return cast.host()
