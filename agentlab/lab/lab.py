"""The lab: a host and several workers, started, used, broken and stopped from a notebook."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
import uuid
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, Self, cast

import grpc

from ..core import journal as j
from ..core.cancellation import CancellationToken
from ..core.exceptions import HostLostError
from ..core.ids import AgentId, checked_type
from ..core.journal import HOST
from ..core.retry import Retry
from ..core.run import Run
from ..core.runtime import RUNTIME_DEFAULT
from ..core.topics import TopicId
from ..host.connection import Limits
from ..host.gate import check_exposure
from ..wire import watching
from ..wire.security import Credentials, Tokens
from ..worker.runtime import WorkerRuntime
from .addresses import NOTEBOOK, agent_id, checked_worker_name, topic_id
from .cells import MadeByCells
from .crew import Crew, CrewOptions, all_of
from .draining import drain
from .errors import LabError
from .faults import LabFaults
from .idle import when_idle
from .loop import LoopThread
from .overview import directory_table, processes_table, sessions_table
from .process import ChildProcess
from .progress import progress_line
from .readable import readable_error
from .recording import Recording
from .roster import Place, Roster
from .scripts import checked_script
from .shipping import AgentSpec, checked_spec
from .tables import Log, Table
from .watching import JournalWatcher

if TYPE_CHECKING:
    from ..panels.dashboard import Dashboard
    from ..timeline.picture import Picture
    from ..timeline.shapes import LaneKind
    from .certs import Certificates


def _certificates(tls: bool | str | Path) -> Certificates | None:
    if tls is False:
        return None
    from .certs import Certificates  # what makes certificates is loaded when there are some

    return Certificates.make() if tls is True else Certificates.read(tls)


EVENTS_PERIOD_S: Final = 0.05
"""How often `Lab.events` looks for new ones: as often as the host tells of them."""

LAST_WORDS_S: Final = 1.0
"""How long the host has to say what it wrote while everybody stopped."""


class Lab:
    """A lab: a notebook's handle on one host and its workers, each a process of its own.

    ``async with Lab(workers=3) as lab: …`` or ``lab = await Lab.start(workers=3)`` … ``await lab.stop()``.

    `workers` is how many (named ``worker-1`` …), or their names. `deadline_s` is how long a direct message waits for
    its reply (None: for ever). A process that gives no sign of life for `keepalive_s` seconds is asked for one, and
    after as long again it is taken for lost. `limits` is what one worker may cost the host. The host keeps the newest
    `journal_capacity` events, the lab five times as many; with the first 2,000 bytes of what each message says, for
    the timeline's details and saved runs, unless ``record_payloads=False``. Its methods may be awaited from any event
    loop and thread.

    Whoever calls the host must present a token. The lab makes two, one for workers and the owner's for itself, and
    hands them to its processes; `tokens` has them for a worker that you start yourself. ``token=None`` makes none: then
    every program on this machine may join and listen, other users' too. AutoGen's own workers, which cannot present a
    token, need that.

    With ``tls=True``, or the folder that ``agentlab certs`` wrote, connections are encrypted, and both sides must show
    a certificate. `address` is where the host listens; where other machines can reach it, it needs a token and TLS.
    Raises ValueError for an address that it must not listen on, and for certificates that cannot be read.
    """

    def __init__(
        self,
        workers: int | Sequence[str] = 3,
        *,
        deadline_s: float | None = 60.0,
        keepalive_s: float = 5.0,
        journal_capacity: int = 200_000,
        limits: Limits | None = None,
        start_timeout_s: float = 60.0,
        log_level: str = "WARNING",
        token: Tokens | Literal["random"] | None = "random",
        tls: bool | str | Path = False,
        address: str = "127.0.0.1:0",
        record_payloads: bool = True,
    ) -> None:
        if isinstance(workers, str):
            raise LabError(f"Workers are given as a number or as a list of names: workers=[{workers!r}].")
        wanted = [f"worker-{n}" for n in range(1, workers + 1)] if isinstance(workers, int) else list(workers)
        self._names: list[str] = []
        for name in wanted:
            self._names.append(checked_worker_name(name, self._names))
        self._folder = Path(tempfile.mkdtemp(prefix="agentlab-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.tokens = Tokens() if token == "random" else token
        """What whoever calls the host must present; None when it asks for nothing."""
        self.certificates = _certificates(tls)
        """The host's certificate, and the one for its workers; None without TLS."""
        check_exposure(address, self.tokens, None if self.certificates is None else self.certificates.host)
        self._options = CrewOptions(
            deadline_s, keepalive_s, journal_capacity, limits or Limits(), start_timeout_s, log_level, self.tokens,
            self.certificates, address, record_payloads,
        )  # fmt: skip
        self._credentials = Credentials(
            None if self.tokens is None else self.tokens.owner,
            None if self.certificates is None else self.certificates.worker,
        )
        self._crew = Crew(self._folder, self._options)
        self._faults = LabFaults(self, self._running, self._credentials)
        self._loop: LoopThread | None = None
        self._notebook: WorkerRuntime | None = None
        self._watcher: JournalWatcher | None = None
        self._recording: Recording | None = None
        self._state = "not started"
        self._roster = Roster(self._crew)
        self._waiting: dict[str, CancellationToken] = {}

    # Starting and stopping

    @classmethod
    async def start(cls, workers: int | Sequence[str] = 3, **options: Any) -> Self:
        """Start a lab; see the class for the options. When a cell runs again, the lab that it had started is stopped.

        Raises ProcessStartError, with the end of the log, when a process does not come up; then none is left.
        """
        lab = cls(workers, **options)
        await lab._start()
        return lab

    async def __aenter__(self) -> Self:
        """Start it, unless it runs already: ``async with await Lab.start() as lab`` means the same as ``Lab()``."""
        if self._state != "running":
            await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start(self) -> None:
        if self._state != "not started":
            raise LabError(f"This lab is {self._state}. Start another: lab = await Lab.start(workers=3)")
        self._state = "starting"
        self._loop = LoopThread()
        say = progress_line()
        note = ""
        try:
            for earlier in _MADE.take_place(self):
                if earlier.state == "running":
                    say("Stopping the lab that this cell started before …")
                    await earlier.stop()
                    note = " The lab that this cell had started before was stopped."
            await self._loop.run(self._start_all(say, note))
        except BaseException:
            await self.stop()
            raise
        self._state = "running"

    async def _start_all(self, say: Callable[[str], None], note: str) -> None:
        began = time.monotonic()
        say("Starting the host …")
        await self._crew.start_host(self._options.address)
        options = self._options
        self._watcher = JournalWatcher(self.address, 5 * options.journal_capacity, self._credentials, self._crew.silent)
        self._watcher.start()
        self._notebook = WorkerRuntime(
            self.address,
            name=NOTEBOOK,
            token=self._credentials.token,
            tls=self._credentials.tls,
            default_deadline_s=options.deadline_s,
            keepalive_s=options.keepalive_s,
            connect_timeout_s=options.start_timeout_s,
        )
        self._recording = Recording(self._watcher, self._notebook, self._crew)
        waiting = list(self._names)
        say(f"Starting {', '.join(waiting)} …")

        async def start_worker(name: str) -> None:
            await self._crew.start_worker(name)
            waiting.remove(name)
            if waiting:
                say(f"Starting {', '.join(waiting)} …")

        await all_of([self._notebook.start(), *(start_worker(name) for name in self._names)])
        crew = f"{len(self._names)} worker{'s' * (len(self._names) != 1)}" if self._names else "no worker"
        say(f"Started a host and {crew} in {time.monotonic() - began:.1f} s.{note}")

    async def stop(self) -> None:
        """End all processes in order. Doing it twice does nothing. Journal, logs and timeline can still be read."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        self._state = "stopping"
        try:
            await loop.run(self._stop_all())
        finally:
            # Only an interrupted stop leaves any: then they end at once.
            loop.run_sync(self._crew.kill_all(), timeout_s=10)
            self._state = "stopped"
            loop.close()

    async def _stop_all(self) -> None:
        self._faults.forget_plans()
        self._crew.resume_all()
        if self._recording is not None:
            with contextlib.suppress(grpc.RpcError, HostLostError, TimeoutError):
                await self._recording.catch_up()
        try:
            if self._notebook is not None and self._notebook.started:
                await self._notebook.close()
            await self._crew.stop_workers()
        finally:
            if self._watcher is not None:
                with contextlib.suppress(grpc.RpcError, TimeoutError):  # what the workers said while they stopped
                    async with asyncio.timeout(LAST_WORDS_S):
                        await self._watcher.catch_up()
                await self._watcher.stop()
            await self._crew.stop_host()

    def _running(self) -> LoopThread:
        if self._loop is None or self._state not in {"running", "starting"}:
            raise LabError(f"The lab is {self._state}. Start one: lab = await Lab.start(workers=3)")
        return self._loop

    # What there is

    @property
    def address(self) -> str:
        """Where the host listens."""
        return self._crew.address

    @property
    def state(self) -> str:
        """``not started``, ``starting``, ``running``, ``stopping`` or ``stopped``."""
        return self._state

    @property
    def workers(self) -> list[str]:
        """The names of the workers, in the order they were added."""
        return self._crew.workers

    def __getitem__(self, name: str) -> ChildProcess:
        return self._crew.process(name)

    def __contains__(self, name: object) -> bool:
        return name in self._crew.processes

    def __iter__(self) -> NoReturn:
        raise TypeError(
            "A lab is no list: lab.journal has its events (lab.timeline() draws them), lab.processes who runs."
        )

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._crew.processes)

    @property
    def processes(self) -> Table:
        """Host and workers: state, process id, uptime in seconds."""
        return processes_table(self._crew.processes.values())

    def directory(self) -> Table:
        """Who advertises what, as the host knows it: one row a worker. Raises LabError when the host is not there."""
        return directory_table(self._snapshot())

    def sessions(self) -> Table:
        """The direct messages that have no reply so far. Raises LabError when the host is not there."""
        return sessions_table(self._snapshot())

    def _snapshot(self) -> watching.Snapshot:
        async def ask() -> watching.Snapshot:
            assert self._notebook is not None
            return await self._notebook.snapshot()

        try:
            return self._running().run_sync(ask(), timeout_s=10)
        except (grpc.RpcError, HostLostError, TimeoutError) as error:
            raise LabError("The host does not answer. Is it paused, or dead? See lab.processes.") from error

    def logs(self, name: str, lines: int | None = None, *, agent: str = "") -> Log:
        """What a process printed: all of it, or the last `lines`; with `agent`, only what that agent printed
        (``"player/anna"``), or the agents of a type (``"player"``). Raises LabError for an unknown process."""
        return Log(self._crew.process(name).log(lines, agent))

    @property
    def journal(self) -> Run:
        """What happened to every message up to now."""
        recording = self._recording
        if recording is None:
            return Run(())
        if self._loop is not None and self._state == "running":
            # If the host is gone or stands still, what was read so far is all there is.
            with contextlib.suppress(grpc.RpcError, HostLostError, TimeoutError, LabError):
                self._loop.run_sync(recording.catch_up(), timeout_s=30)
        return recording.run() if self._loop is None else self._loop.call(recording.run)

    async def events(self, after: int = 0) -> AsyncIterator[j.JournalEvent]:
        """The journal's events as they happen, from number `after` on, until the lab is stopped."""
        watcher, loop = self._watcher, self._loop
        while watcher is not None:
            over = loop is None or not loop.alive  # asked first: what is read after that is all
            read = partial(watcher.journal.after, after)
            for event in read() if loop is None else loop.call(read):
                after = event.seq
                yield event
            if over:
                return
            await asyncio.sleep(EVENTS_PERIOD_S)

    async def when_idle(self, limit_s: float = 20.0) -> None:
        """Wait until no message is under way: each was handled, or came to another end. For after publishing. (What was
        published to a foreign worker that reports nothing is over when it has left the host.)

        Raises LabError, which names a message, when it takes longer than `limit_s` seconds.
        """
        await when_idle(lambda: self.journal, lambda: self._crew.silent, limit_s)

    def save(self, path: str | Path) -> Path:
        """Save the run as JSON lines; `Run.open` opens it again, without any process."""
        return self.journal.save(path)

    def export(self, path: str | Path) -> Path:
        """Write the run for another program, as the file's ending says: see `agentlab.exports.FORMATS`."""
        from ..exports import save

        return save(self.journal, path)

    def timeline(self, *, lanes: LaneKind | None = None, fold: bool = True, title: str | None = None) -> Picture:
        """The delivery timeline: every message from sender to receiver. A cell shows what is returned.

        A lane is a process, or with ``lanes="agent"`` an agent. Long waits are drawn short, unless ``fold=False``.
        Of more than 1,000 messages it is an overview, and says so.
        """
        from ..timeline import plot

        return cast("Picture", plot(self.journal, lanes=lanes, fold=fold, title=title))

    # Agents

    async def register(
        self, worker: str, type: str, agent: Callable[..., Any], /, *args: Any, shared: bool = False, **kwargs: Any
    ) -> str:
        """Register agents of a type on a worker (or on ``"notebook"``); returns what happened, in words.

        For example ``await lab.register("worker-1", "player", Player, "for")``: every agent of the type ``player`` is
        made by ``Player("for")`` when its first message comes, in the process `worker-1`.

        `agent` is an agent class, a function that returns an agent (sync or async), or an async function
        ``(closure_ctx, message, ctx)`` that is itself the handler; a class or function is called with the arguments
        for every agent of the type. Under a type that the worker already has it replaces the agents in the running
        process, and their state is carried over (by their `save_state` and `load_state`).

        A `shared` type can be registered on several workers, if each time it is said: every agent of it has its place
        at one of them, and stays there for as long as that worker has the type.

        Raises RegistrationError, with the agent's own traceback where there is one; LabError for an unknown worker.
        """
        checked_type(type)
        spec = checked_spec(agent, args, kwargs)
        loop = self._running()
        if worker == HOST:
            raise LabError(f"The host has no agents: register on one of {', '.join([*self.workers, NOTEBOOK])}.")
        if worker != NOTEBOOK:
            self._crew.process(worker)
        assert self._notebook is not None
        return await loop.run(self._roster.register(self._notebook, worker, type, spec, shared=shared))

    async def unregister(self, worker: str, type: str) -> None:
        """Give up an agent type on a worker: its agents are closed. Raises LabError for an unknown one."""
        loop = self._running()
        assert self._notebook is not None
        await loop.run(self._roster.unregister(self._notebook, worker, type))

    @property
    def registered(self) -> dict[str, tuple[str, AgentSpec]]:
        """What was registered from here: agent type → the worker, and what makes its agents."""
        return self._roster.entries

    @property
    def places(self) -> list[Place]:
        """What was registered from here, once for every worker that has it: a shared type has several places."""
        return self._roster.places

    # Messages

    async def send_message(
        self,
        message: Any,
        recipient: AgentId | str,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
        deadline_s: float | None = RUNTIME_DEFAULT,
        retry: Retry | None = None,
    ) -> Any:
        """Send a direct message from the notebook and return the reply.

        `recipient` is an AgentId, or text: ``"player/anna"``, or ``"player"`` for the key ``default``. With `retry` it
        is sent again when it was lost. At most `deadline_s` seconds pass until there is a reply or an error (default:
        the lab's; None: no limit). Raises one of the errors under UndeliverableException: the README has a table.
        """
        target = agent_id(recipient)
        loop = self._running()
        assert self._notebook is not None
        message_id = message_id or uuid.uuid4().hex
        token = self._waiting[message_id] = cancellation_token or CancellationToken()
        try:
            return await loop.run(
                self._notebook.send_message(
                    message,
                    target,
                    sender=sender,
                    cancellation_token=token,
                    message_id=message_id,
                    deadline_s=deadline_s,
                    retry=retry,
                )
            )
        except Exception as error:
            raise readable_error(error) from None
        finally:
            self._waiting.pop(message_id, None)

    @property
    def waiting(self) -> dict[str, CancellationToken]:
        """The direct messages that the notebook itself sent and waits for: message id → what gives it up."""
        return dict(self._waiting)

    async def cancel_session(self, session_id: str) -> bool:
        """Give up a direct message that waits for its reply, whoever sent it: the sender gets RequestCancelledError,
        and the receiver's token is cancelled. False when it has ended already."""
        assert self._notebook is not None
        return await self._running().run(self._notebook.cancel_session(session_id, "from the notebook"))

    async def publish_message(
        self,
        message: Any,
        topic: TopicId | str | None = None,
        *,
        sender: AgentId | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publish a message from the notebook. `topic` is a TopicId, or text: ``"news/today"``, or ``"news"`` for the
        source ``default``; without it, the default topic."""
        target = topic_id(topic)
        loop = self._running()
        assert self._notebook is not None
        try:
            await loop.run(self._notebook.publish_message(message, target, sender=sender, message_id=message_id))
        except Exception as error:
            raise readable_error(error) from None

    # Processes

    async def kill(self, name: str) -> None:
        """End a process at once (SIGKILL), without a chance to say goodbye."""
        process = self._crew.process(name)
        loop = self._running()
        assert self._recording is not None
        if name == HOST:
            await loop.run(self._recording.save_from_host())
        await loop.run(process.kill())
        await loop.run(self._recording.note(name, j.KILLED))

    async def pause(self, name: str) -> None:
        """Let a process stand still (SIGSTOP): it is there, and answers nothing."""
        loop = self._running()
        loop.call(self._crew.process(name).pause)
        assert self._recording is not None
        await loop.run(self._recording.note(name, j.PAUSED))

    async def resume(self, name: str) -> None:
        """Let a paused process go on (SIGCONT)."""
        loop = self._running()
        loop.call(self._crew.process(name).resume)
        assert self._recording is not None
        await loop.run(self._recording.note(name, j.RESUMED))

    async def drain(self, name: str, *, to: str | None = None, timeout_s: float | None = 60.0) -> str:
        """End a worker in order: it takes no new work, its handlers end, its agents go to other workers with their
        state (by their `save_state` and `load_state`), and it stops. No message is lost over it. Returns what
        happened, in words.

        Its shared types go to the others that have them. What it alone has goes to the worker `to`, which gets these
        types registered; without `to` that is refused. Raises LabError then, when handlers still run after
        `timeout_s` seconds, and when an agent does not take on its state: the worker goes on.
        """
        loop = self._running()
        done, moved_types = await loop.run(drain(self._crew, self._host_knows, name, to, timeout_s))
        if to is not None:
            for agent_type in moved_types:
                self._roster.moved(agent_type, name, to)
        return done

    async def restart(self, name: str, *, drain: bool = False, to: str | None = None) -> None:
        """End a process, if it is alive, and start it again; a worker gets its agents back, without their state.

        With `drain`, a worker is drained first, so that nothing is lost over it; see `Lab.drain`. Its agents stay
        where they went, and it takes new ones.
        """
        loop = self._running()
        if drain:
            await self.drain(name, to=to)
        if name == HOST:
            assert self._recording is not None
            await loop.run(self._recording.save_from_host())
        work = (
            self._crew.restart_host(self._host_knows)
            if name == HOST
            else self._crew.restart_worker(name, self._host_knows)
        )
        await loop.run(work)

    async def _host_knows(self) -> watching.Snapshot | None:
        assert self._notebook is not None
        return await self._notebook.snapshot() if self._notebook.connected else None

    async def add_worker(
        self,
        name: str | None = None,
        *,
        script: str | Path | None = None,
        args: Sequence[str] | None = None,
        types: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> str:
        """Start another worker; returns its name.

        With a `script`, it is a program of its own, in any language: a Python script (in an environment of its own
        when it says which packages it needs, PEP 723), a JavaScript file, or anything that can be run. It finds the
        host's address in the environment variable AGENTLAB_HOST and as its argument; other `args` may have ``{host}``
        and ``{name}`` in them. It is ready when the host has accepted it and it advertises `types`, or, if none are
        named, when it has said what it has. The end of its stdin means that the lab is gone.

        Raises LabError for a name that is taken or illegal, and for a script that is not there or needs something that
        is not; ProcessStartError, with the end of its log, when it does not get ready within `timeout_s` seconds.
        """
        loop = self._running()
        if script is None:
            return await loop.run(self._crew.add_worker(name))
        checked = checked_script(script, args, types, environment)
        say = progress_line()
        began = time.monotonic()
        name = await loop.run(self._crew.add_script(name, checked, self._host_knows, say, timeout_s))
        say(f"Started {name} in {time.monotonic() - began:.1f} s.")
        return name

    async def remove_worker(self, name: str) -> None:
        """End a worker in order, and forget it. Raises LabError for an unknown one."""
        if name == HOST:
            raise LabError("A lab cannot be without its host: use lab.kill('host') or lab.restart('host').")
        await self._running().run(self._crew.remove_worker(name))
        self._roster.removed(name)

    @property
    def faults(self) -> LabFaults:
        """The fault lab: delay, drop, duplicate, reorder, part and slow on purpose."""
        return self._faults

    # Showing

    def __repr__(self) -> str:
        states = ", ".join(f"{p.name} {p.state}" for p in self._crew.processes.values())
        return f"<Lab {self._state}: {states or 'no processes yet'}>"

    def _repr_html_(self) -> str:
        return f"<p>Lab, {self._state}</p>{self.processes._repr_html_()}"

    def dashboard(self) -> Dashboard:
        """The dashboard: see and steer everything. A cell shows it. A lab has one, until it is closed.

        Raises ImportError where ipywidgets is not installed.
        """
        from ..panels.dashboard import dashboard_of

        return dashboard_of(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The dashboard; where there are no widgets, a table."""
        try:
            return self.dashboard()._repr_mimebundle_(include, exclude)
        except ImportError:
            return {"text/plain": repr(self), "text/html": self._repr_html_()}


_MADE: Final = MadeByCells[Lab]()
