"""The lab's recording: what happened to every message so far, read and written from the notebook's side.

Used on the lab's event loop only. Read next: `agentlab.lab.watching`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

import grpc

from ..core.exceptions import HostLostError
from ..core.journal import HOST
from ..core.run import Run
from ..worker.runtime import WorkerRuntime
from .addresses import NOTEBOOK
from .crew import Crew
from .watching import JournalWatcher

CATCH_UP_S: Final = 5.0
"""How long the host has to say what it wrote last: one that stands still says nothing."""


class Recording:
    """A recording: the copy of the host's journal that the lab keeps, and what the lab itself writes into it."""

    def __init__(self, watcher: JournalWatcher, notebook: WorkerRuntime, crew: Crew) -> None:
        self._watcher = watcher
        self._notebook = notebook
        self._crew = crew
        self._began = time.strftime("%Y-%m-%dT%H:%M:%S%z")

    async def catch_up(self) -> None:
        """Read all that has happened up to now. Raises grpc.RpcError, HostLostError, TimeoutError."""
        async with asyncio.timeout(CATCH_UP_S):
            if self._notebook.connected:
                await self._notebook.flush()
            await self._watcher.catch_up()

    async def save_from_host(self) -> None:
        """The host's journal ends with it: read what is there. A host that does not answer has said all it will."""
        if self._crew.process(HOST).state == "running":
            with contextlib.suppress(grpc.RpcError, HostLostError, TimeoutError):
                await self.catch_up()

    async def note(self, name: str, what: str) -> None:
        """Write down what was done to a process. Where the host itself cannot write, the lab does."""
        host_writes = name != HOST and self._notebook.connected and self._crew.process(HOST).state == "running"
        try:
            if host_writes:
                await self._notebook.note_process(name, what)
        except (grpc.RpcError, HostLostError):
            host_writes = False
        if not host_writes:
            self._watcher.note(name, what)

    def run(self) -> Run:
        """What was read and written so far."""
        watcher, workers = self._watcher, self._crew.workers
        note = f"{watcher.missed} events were not seen in time" if watcher.missed else ""
        info = {"recorded": self._began, "workers": workers}
        return Run(tuple(watcher.journal), (NOTEBOOK, *workers), watcher.journal.let_go, note, info)
