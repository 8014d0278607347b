"""The fault lab of a lab: break things on purpose, and see what comes of it.

The rules themselves are plain data (`agentlab.wire.faults`), decided about at the host (`agentlab.host.faults`). Read
next: `agentlab.lab.lab`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

import grpc
import grpc.aio

from ..core.closest import did_you_mean
from ..core.ids import AgentId
from ..core.journal import HOST
from ..core.serialization import message_type_name
from ..wire import faults as wire
from ..wire.calls import CLIENT_ID, LINK
from ..wire.faults import Delay, Drop, Duplicate, Effect, Match, Partition, Reorder, Rule, SetRule, Slow
from ..wire.security import Credentials
from ..wire.watching import decode_snapshot
from .addresses import NOTEBOOK
from .errors import LabError, no_process
from .loop import LoopThread
from .presets import PRESETS, preset_named
from .schedule import KILL, PAUSE, RESTART, RESUME, Plan, Schedule
from .tables import Table

if TYPE_CHECKING:
    from .lab import Lab

ASK_S: Final = 10.0
"""How long the host may take to answer."""


class Which(TypedDict, total=False):
    """Which messages a rule strikes; without any of these, all."""

    sender: AgentId | str
    """The sending agent: its type, ``type/key``, or a pattern such as ``player*`` or ``*/anna``."""
    receiver: AgentId | str
    """The receiving agent, likewise."""
    from_process: str
    """The sending process: a worker's name, ``notebook``, or a pattern."""
    to_process: str
    """The receiving process, likewise."""
    kind: str
    """``request``, ``response`` or ``event``."""
    type: str | type[Any]
    """The message type: its name, its class, or a pattern."""
    probability: float
    """From 0 to 1: how likely each of these messages is struck."""
    count: int | None
    """So many are struck at most, then the rule is over."""
    after_s: float
    """The rule begins after so many seconds."""
    for_s: float | None
    """It lasts so many seconds."""
    seed: int
    """With the same seed the same messages are struck again."""


WHICH: Final = tuple(Which.__annotations__)


class Fault:
    """A fault: a rule that is set at the host, or a plan for a process. `remove` ends it."""

    def __init__(self, lab: LabFaults, what: SetRule | Plan) -> None:
        self._faults = lab
        self.what = what

    @property
    def number(self) -> str:
        """Its number in the table: ``1`` of a rule, ``p1`` of a plan."""
        return self.what.label if isinstance(self.what, Plan) else str(self.what.number)

    @property
    def struck(self) -> int:
        """How many messages it did something to so far, or how often it was done to the process."""
        if isinstance(self.what, Plan):
            return self.what.done
        known = {rule.number: rule.struck for rule in self._faults.rules_now()}
        return known.get(self.what.number, 0)

    async def remove(self) -> None:
        """End it. Doing it twice does nothing."""
        await self._faults.remove(self)

    @property
    def text(self) -> str:
        """What it does, in words."""
        return str(self.what) if isinstance(self.what, Plan) else str(self.what.rule)

    def __repr__(self) -> str:
        return f"<Fault {self.number}: {self.text}>"


class Setting:
    """A setting: faults that are about to be set. ``await`` it, or let them last as long as ``async with`` it."""

    def __init__(self, faults: LabFaults, rules: Sequence[Rule]) -> None:
        self._faults = faults
        self._rules = tuple(rules)
        self._set: list[Fault] = []

    async def set_all(self) -> list[Fault]:
        """Set them, and return them."""
        done: list[Fault] = []
        try:
            for rule in self._rules:
                done.append(await self._faults.set_rule(rule))
        except BaseException:
            await self._faults.remove(*done)
            raise
        self._set += done
        return done

    async def said(self) -> str:
        """Set them, and say so in words."""
        done = await self.set_all()
        return f"Set {', '.join(f'#{fault.number} {fault.text}' for fault in done)}."

    async def remove_all(self) -> None:
        """Remove those that were set from here."""
        faults, self._set = self._set, []
        await self._faults.remove(*faults)

    def __repr__(self) -> str:
        rules = "; ".join(map(str, self._rules))
        return f"<not set yet: {rules}. Write `await` before it, or `async with`>" if not self._set else f"<{rules}>"


class OneFault(Setting):
    """One fault that is about to be set."""

    def __await__(self) -> Generator[Any, None, Fault]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Fault:
        return (await self.set_all())[0]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.remove_all()


class SeveralFaults(Setting):
    """Several faults that are about to be set together."""

    def __await__(self) -> Generator[Any, None, list[Fault]]:
        return self.set_all().__await__()

    async def __aenter__(self) -> list[Fault]:
        return await self.set_all()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.remove_all()


class LabFaults:
    """The fault lab: what goes wrong on purpose in a lab. It is shown as a table of the faults that are set.

    ``await lab.faults.drop(receiver="pong", probability=0.3)`` sets a rule and returns it;
    ``async with lab.faults.drop(…):`` removes it at the end of the block. Which messages it strikes is said as in
    `Which`. The rules live in the host, and end with it.
    """

    def __init__(self, lab: Lab, running: Callable[[], LoopThread], credentials: Credentials) -> None:
        self._lab = lab
        self._running = running
        self._credentials = credentials
        self._schedule = Schedule(self._act)

    # Messages

    def delay(
        self, seconds: float, *, jitter: float = 0.0, keep_order: bool = True, **which: Unpack[Which]
    ) -> OneFault:
        """Hold messages back, by up to `jitter` seconds more or less. Without `keep_order`, they may overtake."""
        return self._one(Delay(seconds, jitter, keep_order), which)

    def drop(self, **which: Unpack[Which]) -> OneFault:
        """Throw messages away. Who waits for a reply waits to the deadline."""
        return self._one(Drop(), which)

    def duplicate(self, copies: int = 1, **which: Unpack[Which]) -> OneFault:
        """Deliver messages twice, or with `copies` further copies."""
        return self._one(Duplicate(copies), which)

    def reorder(self, behind: int = 1, *, hold_s: float = 1.0, **which: Unpack[Which]) -> OneFault:
        """Hold a message back until the next one (or `behind` of them) on the same way has passed it, or `hold_s`
        seconds are over."""
        return self._one(Reorder(behind, hold_s), which)

    def slow(self, bytes_per_s: float, **which: Unpack[Which]) -> OneFault:
        """Let messages to a process go one after the other, at so many bytes of payload a second."""
        return self._one(Slow(bytes_per_s), which)

    def partition(
        self, *groups: Collection[str] | str, heal_after_s: float | None = None, after_s: float = 0.0
    ) -> OneFault:
        """Part processes: those of different groups cannot hear each other, for `heal_after_s` seconds or until
        `heal`. One group alone is parted from all others.

        With ``"host"`` in a group, the others are cut off from the host, and with that from everybody; after the time
        that silence takes (twice the lab's `keepalive_s`) the host takes them for lost. It is the stream of messages
        that is cut: what you set and ask here still reaches the host.
        """
        parts = [(group,) if isinstance(group, str) else tuple(sorted(group)) for group in groups]
        if len(parts) == 1:
            parts.append(tuple(name for name in (NOTEBOOK, *self._lab.workers) if name not in parts[0]))
        return OneFault(self, [Rule(Partition(tuple(parts)), after_s=after_s, for_s=heal_after_s)])

    def preset(self, name: str, **which: Unpack[Which]) -> SeveralFaults:
        """Set several rules that belong together; see `presets`. Raises LabError for an unknown one."""
        if wrong := set(which) & {"probability", "count", "after_s"}:
            raise LabError(f"A preset has its own {', '.join(sorted(wrong))}.")
        rule = self._rule(Drop(), which)
        rules = preset_named(name).rules(rule.match, rule.seed, rule.for_s, self._lab.workers)
        return SeveralFaults(self, rules)

    @property
    def presets(self) -> Table:
        """The ready-made sets of rules."""
        return Table("Presets", ("name", "what it is like"), [(p.name, p.text) for p in PRESETS.values()], "none")

    def _one(self, effect: Effect, which: Which) -> OneFault:
        return OneFault(self, [self._rule(effect, which)])

    def _rule(self, effect: Effect, which: Which) -> Rule:
        """Raises TypeError for an unknown keyword, ValueError for a number out of range."""
        for name in which:
            if name not in WHICH:
                raise TypeError(f"A rule knows no {name!r}.{did_you_mean(name, WHICH)} It takes: {', '.join(WHICH)}.")
        type_ = which.get("type", "")
        match = Match(
            str(which.get("sender", "")),
            str(which.get("receiver", "")),
            which.get("from_process", ""),
            which.get("to_process", ""),
            which.get("kind", ""),
            type_ if isinstance(type_, str) else message_type_name(type_),
        )
        probability, count, seed = which.get("probability", 1.0), which.get("count"), which.get("seed", 0)
        return Rule(effect, match, probability, count, which.get("after_s", 0.0), which.get("for_s"), seed)

    # Processes

    async def kill(self, process: str, *, after_s: float = 0.0, every_s: float | None = None, times: int = 1) -> Fault:
        """Kill a process: at once, or after some seconds; with `every_s` several times (restart it in between)."""
        return await self._plan(KILL, process, after_s, None, every_s, times)

    async def pause(
        self,
        process: str,
        *,
        after_s: float = 0.0,
        for_s: float | None = None,
        every_s: float | None = None,
        times: int = 1,
    ) -> Fault:
        """Let a process stand still, with `for_s` for so many seconds."""
        return await self._plan(PAUSE, process, after_s, for_s, every_s, times)

    async def resume(self, process: str, *, after_s: float = 0.0) -> Fault:
        """Let a paused process go on."""
        return await self._plan(RESUME, process, after_s, None, None, 1)

    async def restart(
        self, process: str, *, after_s: float = 0.0, every_s: float | None = None, times: int = 1
    ) -> Fault:
        """End a process, if it is alive, and start it again."""
        return await self._plan(RESTART, process, after_s, None, every_s, times)

    async def _plan(
        self, deed: str, process: str, after_s: float, for_s: float | None, every_s: float | None, times: int
    ) -> Fault:
        numbers = (after_s, for_s or 0.0, every_s or 0.0)
        if min(numbers) < 0 or not all(number < float("inf") for number in numbers):
            raise ValueError("Times of a plan are in seconds, and none is negative.")
        if times < 1 or (times > 1 and every_s is None):
            raise ValueError("A plan is carried out once, or `times` times `every_s` seconds.")
        self._lab[process]  # raises LabError for an unknown one
        adding = self._schedule.add(deed, process, after_s, for_s, every_s, times)
        return Fault(self, await self._running().run(adding))

    async def _act(self, deed: str, process: str) -> None:
        lab = self._lab
        deeds = {KILL: lab.kill, PAUSE: lab.pause, RESUME: lab.resume, RESTART: lab.restart}
        await deeds[deed](process)

    # What is set

    async def set_rule(self, rule: Rule) -> Fault:
        """Set a rule at the host. Raises LabError, for an unknown process for instance."""
        await self._check_processes(rule)
        number = wire.decode_number(await self._ask("SetFault", wire.encode_rule(rule)))
        return Fault(self, SetRule(number, rule, 0, "on"))

    async def rules(self) -> list[SetRule]:
        """The rules as the host has them. Raises LabError when it does not answer."""
        return wire.decode_rules(await self._ask("ListFaults", b""))

    def rules_now(self) -> list[SetRule]:
        """The same, for where nothing can be awaited; none when the lab does not run."""
        if self._lab.state != "running":
            return []
        return self._running().run_sync(self.rules(), timeout_s=ASK_S)

    @property
    def plans(self) -> list[Plan]:
        """What is planned for processes, and what was done."""
        return list(self._schedule.plans.values())

    async def remove(self, *faults: Fault | int | str) -> None:
        """Remove faults, given as such or by their numbers. Unknown ones do no harm."""
        names = [one.number if isinstance(one, Fault) else str(one) for one in faults]
        for name in names:
            if name.startswith("p") and name[1:].isdecimal():
                self._running().call(lambda name=name: self._schedule.remove(int(name[1:])))  # type: ignore[misc]
        numbers = [int(name) for name in names if name.isdecimal()]
        if numbers:
            await self._ask("RemoveFaults", wire.encode_remove(numbers))

    async def clear(self) -> None:
        """Remove all rules and plans. What was held back goes on at once; paused processes stay paused."""
        self._running().call(self._schedule.clear)
        await self._ask("RemoveFaults", wire.encode_remove([]))

    async def heal(self) -> None:
        """End all partitions."""
        parted = [rule.number for rule in await self.rules() if isinstance(rule.rule.effect, Partition)]
        await self.remove(*parted)

    def forget_plans(self) -> None:
        """Carry out nothing more: the lab stops. On the lab's loop."""
        self._schedule.clear()

    async def _check_processes(self, rule: Rule) -> None:
        effect, match = rule.effect, rule.match
        wanted: Iterable[str] = [name for name in (match.from_process, match.to_process) if not set(name) & set("*?[")]
        if isinstance(effect, Partition):
            wanted = [name for group in effect.groups for name in group]
        known = {HOST, NOTEBOOK, *self._lab.workers}
        unknown = {name for name in wanted if name} - known
        if unknown:  # workers that somebody else started are known to the host alone
            known |= {worker.name for worker in decode_snapshot(await self._ask("Snapshot", b"")).workers}
        for name in sorted(unknown - known):
            raise no_process(name, sorted(known))

    async def _ask(self, method: str, request: bytes) -> bytes:
        return await self._running().run(self._call(method, request))

    async def _call(self, method: str, request: bytes) -> bytes:
        """A call of the host, on a channel of its own: it must work while the notebook itself is cut off."""
        try:
            async with self._credentials.channel(self._lab.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                call: Any = channel.unary_unary(f"/{LINK}/{method}")
                metadata = ((CLIENT_ID, "lab-faults"), *self._credentials.metadata())
                answer: bytes = await call(request, metadata=metadata, timeout=ASK_S)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.INVALID_ARGUMENT:
                raise LabError(error.details()) from None
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise LabError("The host does not answer. Is it paused, or dead? See lab.processes.") from None
            raise LabError(f"The host refused: {error.details()}") from None
        return answer

    def table(self) -> Table:
        """One row a fault: its number, what it does, how many messages it struck, and whether it is on."""
        title = "Faults"
        try:
            rules = self.rules_now()
        except LabError:
            title, rules = "Faults (the host does not answer, so its rules are not shown)", []
        rows = [(str(rule.number), str(rule.rule), rule.struck, rule.state) for rule in rules]
        rows += [(plan.label, str(plan), plan.done, plan.state) for plan in self.plans]
        return Table(title, ("number", "fault", "struck", "state"), rows, "none: everything works as well as it can")

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()
