"""What the rules of the fault lab decide: which messages they strike, and what becomes of those.

Pure: no gRPC, no asyncio, and no clock but the one that is passed in. Chance is a function of a rule's seed and of
the place of a message among those from its sender to its receiver: so a run can be repeated, however the messages of
different senders mix at the host. Read next: `agentlab.host.detours`, where messages wait.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b
from itertools import count
from typing import Final, NamedTuple

from ..core import journal as j
from ..core.journal import HOST
from ..wire.faults import Delay, Drop, Duplicate, Match, Partition, Reorder, Rule, SetRule, Slow
from .connection import Copy

MOST_RULES: Final = 100
"""Each is looked at for each message: more would slow the host down, and nobody could tell them apart."""

PAIRS_REMEMBERED: Final = 10_000
"""So many ways from an agent to another have a count of their own in a rule; the one that was quiet longest begins
again."""


class Way(NamedTuple):
    """A way: from one process to another."""

    source: str
    target: str


class Decision(NamedTuple):
    """A decision: what becomes of one message copy, and what the journal says about it."""

    dropped: str = ""
    """Why it is thrown away; empty when it is not."""
    copies: int = 0
    """Further copies."""
    due_s: float = 0.0
    """It waits until then, in seconds on the host's clock; 0 for not at all."""
    behind: int = 0
    """It waits until so many later ones on its way have passed, and no longer than `due_s`."""
    keeps_order: bool = True
    notes: tuple[tuple[str, str], ...] = ()
    """What happened to it, and because of which rule."""


UNTOUCHED: Final = Decision()


@dataclass(frozen=True)
class Turn:
    """A turn: the moment at which a rule begins or ends."""

    number: int
    rule: Rule
    begins: bool


class _Active:
    """A rule that is set, with its counts."""

    def __init__(self, number: int, rule: Rule, now_s: float) -> None:
        self.number = number
        self.rule = rule
        self.struck = 0
        self.begins_s = now_s + rule.after_s
        self.ends_s = None if rule.for_s is None else self.begins_s + rule.for_s
        self.label = f"fault: {rule.name} #{number}"
        self.text = str(rule)
        self.begun = self.ended = False
        self.line_free_s: dict[str, float] = {}
        """When the line to each process is free, of a bandwidth."""
        self._seen: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def state(self, now_s: float) -> str:
        if now_s < self.begins_s:
            return "waiting"
        over = (self.ends_s is not None and now_s >= self.ends_s) or self.struck == self.rule.count
        return "over" if over else "on"

    def place(self, pair: tuple[str, ...]) -> int:
        """The place of the next message of a pair, from 1 on."""
        place = self._seen.pop(pair, 0) + 1
        self._seen[pair] = place
        if len(self._seen) > PAIRS_REMEMBERED:
            self._seen.popitem(last=False)
        return place

    def chance(self, what: str, pair: tuple[str, ...], place: int) -> float:
        """A number from 0 to below 1: always the same for the same seed, rule and place in the pair's messages."""
        key = "\0".join((str(self.rule.seed), self.text, what, *pair, str(place)))
        return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=6).digest()) / 2**48


def names(pattern: str, agent: str) -> bool:
    """Whether a pattern names an agent: by its type, or as ``type/key``. An empty one names all."""
    return not pattern or fnmatchcase(agent if "/" in pattern else agent.partition("/")[0], pattern)


def matches(match: Match, copy: Copy, way: Way) -> bool:
    """Whether a rule's match is about this copy, on its way from one process to another."""
    return (
        (not match.kind or match.kind == copy.kind)
        and (not match.type or fnmatchcase(copy.type, match.type))
        and (not match.from_process or fnmatchcase(way.source, match.from_process))
        and (not match.to_process or fnmatchcase(way.target, match.to_process))
        and names(match.sender, copy.sender)
        and names(match.receiver, copy.recipient)
    )


class Faults:
    """Faults: the rules that are set, in the order in which they were set, and what they decide."""

    def __init__(self) -> None:
        self._rules: dict[int, _Active] = {}
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, rule: Rule, now_s: float) -> int:
        """Set a rule; returns its number. Raises ValueError when there are too many."""
        if len(self._rules) >= MOST_RULES:
            raise ValueError(f"There are {MOST_RULES} fault rules already: remove some, or clear them all.")
        number = next(self._numbers)
        self._rules[number] = _Active(number, rule, now_s)
        return number

    def remove(self, number: int) -> Rule | None:
        """Forget a rule; returns it, if there was one."""
        active = self._rules.pop(number, None)
        return None if active is None else active.rule

    def listed(self, now_s: float) -> list[SetRule]:
        """The rules, with how many messages each struck."""
        return [SetRule(a.number, a.rule, a.struck, a.state(now_s)) for a in self._rules.values()]

    # Time

    def turns(self, now_s: float) -> list[Turn]:
        """The rules that began or ended since this was last asked."""
        turns = []
        for active in self._rules.values():
            state = active.state(now_s)
            if state != "waiting" and not active.begun:
                active.begun = True
                turns.append(Turn(active.number, active.rule, True))
            if state == "over" and not active.ended:
                active.ended = True
                turns.append(Turn(active.number, active.rule, False))
        return turns

    def next_turn_s(self) -> float | None:
        """When the next rule begins or ends by its time, in seconds on the host's clock."""
        times = [a.begins_s for a in self._rules.values() if not a.begun]
        times += [a.ends_s for a in self._rules.values() if a.ends_s is not None and not a.ended]
        return min(times, default=None)

    # Processes

    def cut(self, process: str, now_s: float) -> str:
        """Which rule cuts a process off from the host; empty when it can reach it."""
        return self.parted(process, HOST, now_s)

    def parted(self, one: str, other: str, now_s: float) -> str:
        """Which rule keeps two processes from hearing each other; empty for none."""
        for active in self._rules.values():
            effect = active.rule.effect
            if isinstance(effect, Partition) and effect.parts(one, other) and active.state(now_s) == "on":
                return f"{active.label} ({effect})"
        return ""

    # Messages

    def decide(self, copy: Copy, way: Way, now_s: float) -> Decision:
        """What becomes of a copy that is about to go its way."""
        copies, behind, due_s, keeps_order = 0, 0, 0.0, True
        notes: list[tuple[str, str]] = []
        pair = (copy.sender or way.source, copy.recipient or way.target, copy.kind)
        for active in self._rules.values():
            rule, effect, label = active.rule, active.rule.effect, active.label
            if active.state(now_s) != "on":
                continue
            if isinstance(effect, Partition):
                if effect.parts(way.source, way.target):
                    active.struck += 1
                    return Decision(f"{label}: {way.source} and {way.target} cannot hear each other")
                continue
            if not matches(rule.match, copy, way):
                continue
            place = active.place(pair)
            if rule.probability < 1 and active.chance("strike", pair, place) >= rule.probability:
                continue
            active.struck += 1
            match effect:
                case Drop():
                    return Decision(f"{label} ({active.text})", notes=tuple(notes))
                case Delay(seconds, jitter_s, in_order):
                    if jitter_s:
                        seconds += jitter_s * (2 * active.chance("jitter", pair, place) - 1)
                    seconds = max(0.0, seconds)
                    due_s = max(due_s, now_s) + seconds
                    keeps_order = keeps_order and in_order
                    notes.append((j.DELAYED, f"{label}: {seconds:.3g} s"))
                case Slow(bytes_per_s):
                    begins_s = max(due_s, now_s, active.line_free_s.get(way.target, 0.0))
                    due_s = active.line_free_s[way.target] = begins_s + copy.size / bytes_per_s
                    notes.append((j.DELAYED, f"{label}: {due_s - now_s:.3g} s for {copy.size} bytes"))
                case Duplicate(further):
                    copies += further
                    notes.append((j.DUPLICATED, label))
                case Reorder(further, hold_s):
                    behind, due_s = max(behind, further), max(due_s, now_s) + hold_s
                    notes.append((j.DELAYED, f"{label}: {effect}"))
        if not notes:
            return UNTOUCHED
        return Decision("", copies, due_s, behind, keeps_order and not behind, tuple(notes))
