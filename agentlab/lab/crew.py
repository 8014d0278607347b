"""A lab's processes: started, asked, restarted and stopped.

Used on the lab's event loop only. Read next: `agentlab.lab.lab`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..core.journal import HOST
from ..host.connection import Limits
from ..wire.channel import reachable_address
from ..wire.security import Tokens
from ..wire.watching import Snapshot
from .access import joining_environment
from .addresses import NOTEBOOK, checked_worker_name, free_name
from .errors import LabError, RegistrationError, no_process
from .foreign import NO_TOKEN, Arrival, ForeignWorker, connections_of, refused_calls
from .process import ChildError, ChildProcess
from .scripts import Script, prepare
from .shipping import Parcelled

if TYPE_CHECKING:
    from .certs import Certificates

Ask = Callable[[], Awaitable[Snapshot | None]]
"""Asks the host what it knows; None when it cannot be asked yet."""

FOREIGN_RETURN_S: Final = 3.0
"""How long a restarted host waits for foreign workers: some come back, AutoGen's for instance never does."""
RECORDED_BYTES: Final = 2000
"""Of each payload, when they are recorded: a screenful, and a full journal stays below some ten megabytes of them."""


@dataclass(frozen=True)
class CrewOptions:
    """How a crew's processes are started; see `agentlab.lab.lab.Lab`."""

    deadline_s: float | None = 60.0
    keepalive_s: float = 5.0
    journal_capacity: int = 200_000
    limits: Limits = field(default_factory=Limits)
    start_timeout_s: float = 60.0
    log_level: str = "WARNING"
    tokens: Tokens | None = field(default_factory=Tokens)
    certificates: Certificates | None = None
    address: str = "127.0.0.1:0"
    record_payloads: bool = True


class Registered(NamedTuple):
    """What was registered on a worker under an agent type."""

    code: Parcelled
    shared: bool


class Crew:
    """A crew: one host and its workers, and what was registered on each, so that a restarted one gets it back."""

    def __init__(self, folder: Path, options: CrewOptions) -> None:
        self.processes: dict[str, ChildProcess] = {}
        self.silent: set[str] = set()
        """The lanes of foreign workers that do not report what becomes of their messages."""
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By process: who restarts or removes it. Two at once would lose a process that one of them started."""
        self._folder = folder
        self._options = options
        self._registered: dict[str, dict[str, Registered]] = {}
        self._messages: dict[str, Parcelled] = {}

    @property
    def workers(self) -> list[str]:
        """The workers' names, in the order they were added."""
        return [name for name in self.processes if name != HOST]

    @property
    def address(self) -> str:
        """Where this machine's processes reach the host. Raises LabError when there is none."""
        return reachable_address(self._listens_on)

    @property
    def _listens_on(self) -> str:
        host = self.processes.get(HOST)
        if host is None or not host.ready:
            raise LabError("There is no host.")
        address: str = host.ready["address"]
        return address

    def process(self, name: str) -> ChildProcess:
        """Raises LabError for an unknown name."""
        process = self.processes.get(name)
        if process is None:
            raise no_process(name, self.processes)
        return process

    async def start_host(self, address: str) -> None:
        """Start the host at ``host:port``. Raises ProcessStartError."""
        options = self._options
        more = {
            "journal_capacity": options.journal_capacity,
            "limits": asdict(options.limits),
            "tokens": options.tokens,
            "expected": {worker.guard_pid: worker.name for worker in self._foreign() if worker.alive},
            "tls": options.certificates and options.certificates.host,
            "record_payload_bytes": RECORDED_BYTES if options.record_payloads else 0,
        }
        await self._new("host", HOST).start(self._configuration(address) | more, options.start_timeout_s)

    async def add_worker(self, name: str | None) -> str:
        """Start another worker, by default under the next name that nobody has; return the name.

        Raises ProcessStartError, and LabError for a name that is taken or illegal.
        """
        name = self._name_for(name, "worker", bare=False)
        await self.start_worker(name)
        return name

    async def add_script(
        self, name: str | None, script: Script, ask: Ask, say: Callable[[str], None], timeout_s: float | None
    ) -> str:
        """Start a foreign worker, by default under a name like its script's; see `start_script`. Return the name."""
        name = self._name_for(name, re.sub(r"[^\w.-]", "-", script.path.stem))
        await self.start_script(name, script, ask, say, timeout_s)
        return name

    def _name_for(self, wanted: str | None, stem: str, *, bare: bool = True) -> str:
        """Raises LabError. Nobody else may take the name before its process is entered: so nothing waits until then."""
        return checked_worker_name(wanted or free_name(stem, self.processes, bare=bare), self.processes)

    async def start_worker(self, name: str) -> None:
        """Start a worker; one that does not come up is forgotten. Raises ProcessStartError."""
        options = self._options
        # Over the pipe, and not among the arguments, which every user of the machine can read.
        more = {
            "name": name,
            "connect_timeout_s": options.start_timeout_s,
            "token": self._worker_token,
            "tls": options.certificates and options.certificates.worker,
        }
        earlier = self.processes.get(name)
        worker = self._new("worker", name)
        try:
            await worker.start(self._configuration(self.address) | more, options.start_timeout_s)
        except BaseException:
            if earlier is None:
                self.processes.pop(name, None)
            raise
        for messages in self._messages.values():
            worker.tell("know", messages=messages)

    @property
    def _worker_token(self) -> str | None:
        return None if self._options.tokens is None else self._options.tokens.worker

    def _joining(self) -> dict[str, str]:
        options = self._options
        return joining_environment(self.address, options.tokens, options.certificates, self._folder / "certs")

    def _foreign(self) -> list[ForeignWorker]:
        return [process for process in self.processes.values() if isinstance(process, ForeignWorker)]

    async def start_script(
        self, name: str, script: Script, ask: Ask, say: Callable[[str], None], timeout_s: float | None = None
    ) -> None:
        """Start a foreign worker, and wait until the host has accepted it; one that does not come up is forgotten.

        Raises ProcessStartError, and LabError when a program that it needs is not there.
        """
        timeout_s = self._options.start_timeout_s if timeout_s is None else timeout_s
        earlier = self.processes.get(name)
        worker = ForeignWorker(name, self._folder / f"{name}.log", script)
        self.processes[name] = worker
        try:
            launch = await prepare(script, name, self._joining(), say)
            say(f"Starting {name} …")
            await worker.launch(launch)
            await self.process(HOST).ask("expect", guard=worker.guard_pid, name=name)
            arrival = Arrival(script.types, refused_calls(await ask()))
            await worker.go(timeout_s)
            await self._until_arrived(worker, arrival, ask, timeout_s)
        except BaseException:
            await worker.kill()
            if earlier is None:
                self.processes.pop(name, None)
            raise
        worker.joined()

    async def _until_arrived(self, worker: ForeignWorker, arrival: Arrival, ask: Ask, timeout_s: float) -> None:
        limit_s = time.monotonic() + timeout_s
        while True:
            ended = not worker.alive
            snapshot, now_s = await ask(), time.monotonic()
            if snapshot is not None:
                connections = connections_of(worker, snapshot)
                self.silent.update(info.name for info in connections if not info.reports)
                if arrival.is_complete(connections, now_s):
                    return
                if arrival.is_refused(refused_calls(snapshot), now_s, ended=ended):
                    raise worker.did_not_come_up("was refused by the host", NO_TOKEN)
            if ended:
                raise worker.did_not_come_up("ended")
            if now_s > limit_s:
                raise worker.did_not_come_up(worker.never_ready(arrival, timeout_s, self.address))
            await asyncio.sleep(0.03)

    def _new(self, role: str, name: str) -> ChildProcess:
        process = ChildProcess(role, name, self._folder / f"{name}.log")
        self.processes[name] = process
        return process

    def _configuration(self, address: str) -> dict[str, Any]:
        options = self._options
        return {
            "address": address,
            "keepalive_s": options.keepalive_s,
            "deadline_s": options.deadline_s,
            "log_level": options.log_level,
        }

    async def register(
        self, worker: str, agent_type: str, parcelled: Parcelled, messages: Parcelled, *, shared: bool = False
    ) -> dict[str, Any]:
        """Have a worker register an agent type, and all of them know its messages. Raises ChildError, LabError.

        A sender on another worker can read a reply only if it knows the reply's class, which nothing in its own code
        need mention.
        """
        self._messages[agent_type] = messages
        for name in self.workers:
            if name != worker:
                self.processes[name].tell("know", messages=messages)
        done: dict[str, Any] = await self.process(worker).ask(
            "register", type=agent_type, code=parcelled, shared=shared
        )
        self._registered.setdefault(worker, {})[agent_type] = Registered(parcelled, shared)
        return done

    async def register_as(self, worker: str, agent_type: str, *, like: str) -> None:
        """Have a worker register what another one has under an agent type. Raises ChildError, LabError."""
        known = self._registered.get(like, {}).get(agent_type)
        if known is None:
            raise LabError(
                f"The agent type {agent_type!r} was not registered on {like} from here: nobody else can have it."
            )
        await self.register(worker, agent_type, known.code, self._messages[agent_type], shared=known.shared)

    def is_shared(self, worker: str, agent_type: str) -> bool:
        """Whether the type was registered on the worker as one that others may have too."""
        known = self._registered.get(worker, {}).get(agent_type)
        return known is not None and known.shared

    def forget(self, worker: str, agent_type: str) -> None:
        """A worker has given up an agent type: it does not get it back when it is restarted."""
        self._registered.get(worker, {}).pop(agent_type, None)

    async def unregister(self, worker: str, agent_type: str) -> None:
        """Have a worker give up an agent type. Raises ChildError, LabError."""
        await self.process(worker).ask("unregister", type=agent_type)
        self._registered.get(worker, {}).pop(agent_type, None)

    async def restart_worker(self, name: str, ask: Ask) -> None:
        """End a worker, if it is alive, and start it again with its agents. Raises ProcessStartError, and
        RegistrationError for an agent type that it cannot have any more: that is forgotten, the others are there."""
        async with self._turns[name]:
            worker = self.process(name)
            await worker.stop()
            if isinstance(worker, ForeignWorker):
                return await self.start_script(name, worker.script, ask, lambda text: None)
            await self.start_worker(name)
            failures = []
            for agent_type, known in list(self._registered.get(name, {}).items()):
                try:
                    await self.process(name).ask("register", type=agent_type, code=known.code, shared=known.shared)
                except ChildError as error:
                    del self._registered[name][agent_type]
                    failures.append(f"{name} runs again, but without {agent_type!r}: {error}")
            if failures:
                raise RegistrationError("\n".join(failures))
            return None

    async def restart_host(self, snapshot: Ask) -> None:
        """End the host, if it is alive, start it again at the same address, and wait until all are back.

        `snapshot` asks the new host what it knows (None: it cannot be asked yet). Raises ProcessStartError, and
        LabError when a worker that runs does not come back in time.
        """
        async with self._turns[HOST]:
            address = self._listens_on
            await self.process(HOST).stop()
            await self.start_host(address)
            limit_s = time.monotonic() + self._options.start_timeout_s
            while missing := self._missing(await snapshot()):
                if time.monotonic() > limit_s:
                    raise LabError(f"The host runs again, but not all came back to it: {', '.join(missing)}.")
                await asyncio.sleep(0.02)
            limit_s = time.monotonic() + FOREIGN_RETURN_S
            while self._foreign_missing(await snapshot()):
                if time.monotonic() > limit_s:
                    return  # it shows in the directory who came back
                await asyncio.sleep(0.02)

    def _foreign_missing(self, snapshot: Snapshot | None) -> bool:
        running = [worker for worker in self._foreign() if worker.state == "running"]
        return snapshot is None or not all(connections_of(worker, snapshot) for worker in running)

    def _missing(self, snapshot: Snapshot | None) -> list[str]:
        """Who runs, and is not yet known to the host with all agent types."""
        present = {} if snapshot is None else {worker.name: set(worker.types) for worker in snapshot.workers}
        foreign = {worker.name for worker in self._foreign()}
        running = [name for name in self.workers if self.processes[name].state == "running" and name not in foreign]
        return [
            name
            for name in (NOTEBOOK, *running)
            if name not in present or not present[name].issuperset(self._registered.get(name, ()))
        ]

    async def remove_worker(self, name: str) -> None:
        """End a worker in order, and forget it. Raises LabError for an unknown one."""
        async with self._turns[name]:
            await self.process(name).stop()
            del self.processes[name]
            self._registered.pop(name, None)

    async def stop_workers(self) -> None:
        """End all workers in order."""
        await all_of(self.processes[name].stop() for name in self.workers)

    async def stop_host(self) -> None:
        """End the host in order."""
        if HOST in self.processes:
            await self.processes[HOST].stop()

    def resume_all(self) -> None:
        """Let those that are paused go on."""
        for process in self.processes.values():
            if process.state == "paused":
                process.resume()

    async def kill_all(self) -> None:
        """End all that still run at once."""
        await all_of(process.kill() for process in self.processes.values())


async def all_of(works: Iterable[Awaitable[Any]]) -> None:
    """Run all; when one fails, wait for the others all the same, then raise the first failure."""
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
