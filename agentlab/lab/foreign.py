"""A foreign worker: a program in any language, as a process of the lab's.

The lab knows nothing of it but that it should join the host: it is ready when the host has accepted it. Its guard (see
`agentlab.lab.guard`) ends it with the lab. How its command is found, and what must be installed for it, is in
`agentlab.lab.scripts`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import psutil

from ..wire.watching import Snapshot, WorkerInfo
from .errors import LabError, ProcessStartError
from .process import ChildProcess
from .scripts import Launch, Script

GUARD: Final = str(Path(__file__).with_name("guard.py"))

SETTLED_S: Final = 0.25
"""A worker that joined says what it has in several calls; when none came for so long, it has said it all."""

NOTHING_TO_SAY_S: Final = 2.0
"""So long a worker that joined may advertise nothing; then it has no agents, and may be one that only publishes."""


UNAUTHENTICATED: Final = "unauthenticated"
"""The host's counter of calls that presented no token, or a wrong one."""

REFUSED_S: Final = 1.0
"""So long after a refused call a worker may still think better of it."""

NO_TOKEN: Final = (
    "This lab's host takes only who presents a token: it is in the environment variable AGENTLAB_TOKEN, and belongs in "
    "the gRPC metadata of every call, as 'authorization: Bearer TOKEN'. A worker that cannot do that, as AutoGen's "
    "cannot, can join a lab without tokens: Lab.start(token=None)"
)
"""What to do about a refused worker."""


class ForeignWorker(ChildProcess):
    """A foreign worker: a worker whose program is not ours. Used on the lab's event loop only."""

    def __init__(self, name: str, log: Path, script: Script) -> None:
        super().__init__("script", name, log)
        self.script = script

    @property
    def guard_pid(self) -> int:
        """The process that watches over it."""
        return super().pid

    @property
    def pid(self) -> int:
        """The program's process id; 0 before it was started."""
        return int(self.ready.get("pid", 0))

    async def launch(self, launch: Launch) -> None:
        """Start the guard, which waits for `go`. Raises ProcessStartError."""
        self.started_s = time.monotonic()
        await self._run([sys.executable, "-I", "-S", GUARD, *launch.command], launch.environment)

    async def go(self, timeout_s: float) -> None:
        """Start the program. Raises ProcessStartError when it ends at once."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(b"\n")
        await self._until_ready(timeout_s)
        self.state = "starting"  # it runs, and nobody knows it yet

    def joined(self) -> None:
        """The host has accepted it."""
        if self.alive:
            self.state = "running"

    def family(self) -> set[int]:
        """The process ids of the program and all that it started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return {process.pid for process in psutil.Process(self.guard_pid).children(recursive=True)}
        return set()

    def did_not_come_up(self, why: str, advice: str = "") -> ProcessStartError:
        """The error, with what a person needs to know about it."""
        if advice:
            advice = f"{advice}. "
        elif not self.alive:
            why = f"ended with {self.state.replace('exited', 'exit code')} before it was ready"
        end = f"The end of its log ({self.log_path}):\n{self.log(30)}"
        return ProcessStartError(f"{self.name} ({self.script.path.name}) {why}. {advice}{end}")

    def never_ready(self, arrival: Arrival, timeout_s: float, address: str) -> str:
        """Why it did not get ready in time, as far as can be seen from outside."""
        why = f"did not get ready within {timeout_s:g} s: "
        if arrival.accepted:
            return f"{why}it joined the host, and never advertised {', '.join(arrival.missing())}"
        if self._reaches(address):
            return (
                f"{why}it connected to the host at {address}, and never opened the channel of a worker. Does it "
                "speak the protocol of protos/agent_worker.proto?"
            )
        return f"{why}it never joined the host, whose address is in AGENTLAB_HOST ({address})"

    def _reaches(self, address: str) -> bool:
        """Whether any of its processes has a TCP connection to this address."""
        port = int(address.rpartition(":")[2])
        for pid in self.family():
            with contextlib.suppress(psutil.Error):
                if any(c.raddr and c.raddr.port == port for c in psutil.Process(pid).net_connections("tcp")):
                    return True
        return False

    async def ask(self, command: str, **arguments: Any) -> Any:
        raise LabError(
            f"{self.name} runs {self.script.path.name}, a program of its own: what agents it has is written there. "
            "Agents of this notebook go to the lab's own workers: lab.add_worker() starts one."
        )

    def tell(self, command: str, **arguments: Any) -> None:
        """It understands no commands."""

    def _kill(self) -> None:
        self._signal_all(getattr(signal, "SIGKILL", signal.SIGTERM))
        if not self.pid:
            super()._kill()

    def _stand_still(self) -> None:
        self._signal_all(signal.SIGSTOP)

    def _go_on(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        """The program leads a session: it and what it started hear it together."""
        if not self.pid:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)

    def _send(self, command: str, arguments: dict[str, Any]) -> int:
        return 0  # the end of its stdin says it all


class Arrival:
    """An arrival: when a foreign worker can be taken for ready, told from what the host knows. Pure."""

    def __init__(self, wanted: Iterable[str], refused_calls: int) -> None:
        self._wanted = set(wanted)
        self._refused_before = refused_calls
        self._refused_since_s = 0.0
        self._seen: tuple[str, ...] = ()
        self._since_s = 0.0
        self.accepted = False
        """Whether the host has accepted a connection of it."""

    def is_complete(self, workers: list[WorkerInfo], now_s: float) -> bool:
        """Whether all is there, given its connections as the host lists them now."""
        if not workers:
            self.accepted, self._seen = False, ()
            return False
        types = {agent_type for worker in workers for agent_type in worker.types}
        seen = tuple(sorted([*types, *(str(s.id) for worker in workers for s in worker.subscriptions)]))
        if not self.accepted or seen != self._seen:
            self.accepted, self._seen, self._since_s = True, seen, now_s
        if self._wanted:
            return self._wanted <= types
        return now_s - self._since_s >= (SETTLED_S if types else NOTHING_TO_SAY_S)

    def is_refused(self, refused_calls: int, now_s: float, *, ended: bool) -> bool:
        """Whether the host sent it away for good, given how many calls the host has refused."""
        if self.accepted or refused_calls <= self._refused_before:
            self._refused_since_s = now_s
            return False
        return ended or now_s - self._refused_since_s > REFUSED_S

    def missing(self) -> list[str]:
        """The wanted types that it did not advertise."""
        return sorted(self._wanted - set(self._seen))


def refused_calls(snapshot: Snapshot | None) -> int:
    """How many calls the host has refused because of their tokens."""
    return 0 if snapshot is None else snapshot.counters.get(UNAUTHENTICATED, 0)


def connections_of(worker: ForeignWorker, snapshot: Snapshot) -> list[WorkerInfo]:
    """What the host knows of a foreign worker: one row a connection, whose lanes are called NAME, NAME-2 …"""
    named = [info for info in snapshot.workers if info.name == worker.name or info.name.startswith(f"{worker.name}-")]
    family = worker.family() if named else set()
    return [info for info in named if info.pid in family]
