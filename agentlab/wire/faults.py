"""Faults on purpose: the rules of the fault lab, as plain data and as bytes.

A rule says which messages it strikes (a match, a probability, a count, a time window) and what it does to them (an
effect). What comes of it is decided in `agentlab.host.faults`. Decoding raises `WireError` for anything illegal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..core.journal import EVENT, REQUEST, RESPONSE
from .calls import parse
from .generated import agentlab_pb2 as lab_pb
from .parcels import WireError

KINDS: Final = (REQUEST, RESPONSE, EVENT)
LONGEST_S: Final = 86_400.0
"""A day: no message of a lab need be held longer, and a wrong unit is noticed."""
MOST_COPIES: Final = 100
"""One message may become so many: more would be an attack on the receiver, not a lesson."""
LONGEST_TEXT: Final = 1000


def _check(name: str, value: float, least: float, most: float, *, above: bool = False) -> None:
    """Raises ValueError for a number outside its range, or, with `above`, one that is the least itself."""
    if not (math.isfinite(value) and least <= value <= most) or (above and value == least):
        limits = f"above {least:g} and at most {most:g}" if above else f"from {least:g} to {most:g}"
        raise ValueError(f"{name} should be {limits}, not {value:g}.")


@dataclass(frozen=True)
class Delay:
    """A delay: the message waits at the host. With `keep_order`, those behind it on the same way wait too."""

    seconds: float
    jitter_s: float = 0.0
    """Up to so much more or less, by chance."""
    keep_order: bool = True

    def __post_init__(self) -> None:
        _check("A delay's seconds", self.seconds, 0, LONGEST_S)
        _check("A delay's jitter", self.jitter_s, 0, LONGEST_S)

    def __str__(self) -> str:
        jitter = f" ± {self.jitter_s:g} s" if self.jitter_s else ""
        return f"by {self.seconds:g} s{jitter}{'' if self.keep_order else ', may overtake'}"


@dataclass(frozen=True)
class Drop:
    """A drop: the message is thrown away, and nobody is told."""

    def __str__(self) -> str:
        return ""


@dataclass(frozen=True)
class Duplicate:
    """A duplication: the receiver gets the message, and so many further copies of it."""

    copies: int = 1

    def __post_init__(self) -> None:
        _check("The number of further copies", self.copies, 1, MOST_COPIES)

    def __str__(self) -> str:
        return "" if self.copies == 1 else f"with {self.copies} further copies"


@dataclass(frozen=True)
class Reorder:
    """A reordering: the message waits until so many later ones on the same way have passed, or the time is over."""

    behind: int = 1
    hold_s: float = 1.0

    def __post_init__(self) -> None:
        _check("How many messages should pass first", self.behind, 1, 1000)
        _check("A reordering's hold_s", self.hold_s, 0, LONGEST_S, above=True)

    def __str__(self) -> str:
        return f"behind the next{f' {self.behind}' if self.behind > 1 else ''}, at most {self.hold_s:g} s"


@dataclass(frozen=True)
class Slow:
    """A bandwidth: the messages to a process go one after the other, and each takes its time by its size."""

    bytes_per_s: float

    def __post_init__(self) -> None:
        _check("The bandwidth in bytes a second", self.bytes_per_s, 0, 1e12, above=True)

    def __str__(self) -> str:
        return f"to {self.bytes_per_s:g} bytes/s"


@dataclass(frozen=True)
class Partition:
    """A partition: processes of different groups cannot hear each other; what is in no group hears everybody.

    With the host in a group, the others cannot reach the host at all.
    """

    groups: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        names = [name for group in self.groups for name in group]
        if len(self.groups) < 2 or not all(self.groups) or not all(names):
            raise ValueError("A partition needs two groups or more, each with the name of a process in it.")
        if len(set(names)) < len(names):
            raise ValueError("In a partition each process is in one group only.")

    def __str__(self) -> str:
        return " | ".join(", ".join(group) for group in self.groups)

    def parts(self, one: str, other: str) -> bool:
        """Whether these two processes are in different groups."""
        here = next((group for group in self.groups if one in group), None)
        return here is not None and other not in here and any(other in group for group in self.groups)


Effect = Delay | Drop | Duplicate | Reorder | Slow | Partition
EFFECTS: Final[Mapping[str, type[Any]]] = {
    cls.__name__.lower(): cls for cls in (Delay, Drop, Duplicate, Reorder, Slow, Partition)
}
"""The effects by their names on the wire and in the journal."""


@dataclass(frozen=True)
class Match:
    """A match says which messages a rule is about; what is empty matches all.

    An agent is given by its type, or as ``type/key``; all but `kind` may be patterns (``player*``, ``*/anna``).
    """

    sender: str = ""
    receiver: str = ""
    from_process: str = ""
    to_process: str = ""
    kind: str = ""
    """``request``, ``response`` or ``event``."""
    type: str = ""
    """The message type's name."""

    def __post_init__(self) -> None:
        if self.kind and self.kind not in KINDS:
            raise ValueError(f"A message's kind is {', '.join(KINDS)}, not {self.kind!r:.100}.")

    def __str__(self) -> str:
        parts = [f"{self.kind}s" if self.kind else "messages"]
        named = (
            ("of type", self.type), ("from", self.sender), ("to", self.receiver),
            ("sent by", self.from_process), ("sent to", self.to_process),
        )  # fmt: skip
        return " ".join([*parts, *(f"{word} {what}" for word, what in named if what)])


EVERYTHING: Final = Match()


@dataclass(frozen=True)
class Rule:
    """A rule: what happens to which messages, how often, and when.

    The same messages in the same order meet the same fate whenever `seed` is the same.
    """

    effect: Effect
    match: Match = EVERYTHING
    probability: float = 1.0
    count: int | None = None
    """It strikes so many messages, then it is over; None for no end."""
    after_s: float = 0.0
    """Seconds until it begins, from when it was set."""
    for_s: float | None = None
    """Seconds that it lasts from then on; None for no end."""
    seed: int = 0

    def __post_init__(self) -> None:
        _check("A probability", self.probability, 0, 1)
        _check("A rule's beginning in seconds", self.after_s, 0, LONGEST_S)
        if self.for_s is not None:
            _check("A rule's duration in seconds", self.for_s, 0, LONGEST_S, above=True)
        if self.count is not None:
            _check("A rule's count", self.count, 1, 2**53)
        _check("A seed", self.seed, -(2**53), 2**53)
        if isinstance(self.effect, Partition) and (
            self.match != EVERYTHING or self.probability < 1 or self.count is not None
        ):
            raise ValueError("A partition is between processes: it takes no match, probability or count.")

    @property
    def name(self) -> str:
        """The effect's name: ``delay``, ``drop``…"""
        return type(self.effect).__name__.lower()

    def __str__(self) -> str:
        some = f"{self.probability:.3g}" if self.probability < 1 else ""
        parts = [
            self.name, "" if isinstance(self.effect, Partition) else str(self.match), str(self.effect),
            f"with probability {some}" if some else "",
            f"at most {self.count}" if self.count is not None else "",
            f"from {self.after_s:g} s on" if self.after_s else "",
            f"for {self.for_s:g} s" if self.for_s is not None else "",
        ]  # fmt: skip
        return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class SetRule:
    """A rule as the host has it."""

    number: int
    rule: Rule
    struck: int
    """How many messages it did something to."""
    state: str
    """``waiting`` (for its time), ``on`` or ``over``."""


def write_rule(rule: Rule) -> lab_pb.FaultRule:
    """A rule as a protobuf message."""
    match, effect = rule.match, rule.effect
    out = lab_pb.FaultRule(
        sender=match.sender,
        receiver=match.receiver,
        from_process=match.from_process,
        to_process=match.to_process,
        kind=match.kind,
        type=match.type,
        probability=rule.probability,
        count=rule.count,
        after_s=rule.after_s,
        for_s=rule.for_s,
        seed=rule.seed,
    )
    match effect:
        case Delay():
            out.delay.seconds, out.delay.jitter_s, out.delay.keep_order = (
                effect.seconds, effect.jitter_s, effect.keep_order,
            )  # fmt: skip
        case Drop():
            out.drop.SetInParent()
        case Duplicate():
            out.duplicate.copies = effect.copies
        case Reorder():
            out.reorder.behind, out.reorder.hold_s = effect.behind, effect.hold_s
        case Slow():
            out.slow.bytes_per_s = effect.bytes_per_s
        case Partition():
            for group in effect.groups:
                out.partition.groups.add(processes=group)
    return out


def read_rule(raw: lab_pb.FaultRule) -> Rule:
    """Raises WireError."""
    texts = (raw.sender, raw.receiver, raw.from_process, raw.to_process, raw.kind, raw.type)
    if any(len(text) > LONGEST_TEXT for text in texts):
        raise WireError("A rule's pattern is longer than any name.")
    try:
        return Rule(
            _read_effect(raw),
            Match(*texts),
            raw.probability,
            raw.count if raw.HasField("count") else None,
            raw.after_s,
            raw.for_s if raw.HasField("for_s") else None,
            raw.seed,
        )
    except WireError:
        raise
    except ValueError as error:
        raise WireError(str(error)) from error


def _read_effect(raw: lab_pb.FaultRule) -> Effect:
    match raw.WhichOneof("effect"):
        case "delay":
            return Delay(raw.delay.seconds, raw.delay.jitter_s, raw.delay.keep_order)
        case "drop":
            return Drop()
        case "duplicate":
            return Duplicate(raw.duplicate.copies)
        case "reorder":
            return Reorder(raw.reorder.behind, raw.reorder.hold_s)
        case "slow":
            return Slow(raw.slow.bytes_per_s)
        case "partition":
            if sum(len(group.processes) for group in raw.partition.groups) > 10_000:
                raise WireError("A partition names more processes than any lab has.")
            return Partition(tuple(tuple(group.processes) for group in raw.partition.groups))
    raise WireError(f"A rule needs an effect: one of {', '.join(EFFECTS)}.")


def encode_rule(rule: Rule) -> bytes:
    """What `SetFault` is asked."""
    return write_rule(rule).SerializeToString()


def decode_rule(data: bytes) -> Rule:
    """Raises WireError."""
    return read_rule(parse(lab_pb.FaultRule, data))


def encode_number(number: int) -> bytes:
    """What `SetFault` answers."""
    return lab_pb.SetFaultResponse(number=number).SerializeToString()


def decode_number(data: bytes) -> int:
    """The number of the rule that was set."""
    return parse(lab_pb.SetFaultResponse, data).number


def encode_remove(numbers: Iterable[int]) -> bytes:
    """What `RemoveFaults` is asked: these rules, or all when none is named."""
    return lab_pb.RemoveFaultsRequest(numbers=numbers).SerializeToString()


def decode_remove(data: bytes) -> list[int]:
    """The rules' numbers; none for all."""
    return list(parse(lab_pb.RemoveFaultsRequest, data).numbers)


def encode_rules(rules: Iterable[SetRule]) -> bytes:
    """What `ListFaults` answers, and `RemoveFaults`: the rules that are left."""
    out = lab_pb.ListFaultsResponse()
    for one in rules:
        out.rules.add(number=one.number, rule=write_rule(one.rule), struck=one.struck, state=one.state)
    return out.SerializeToString()


def decode_rules(data: bytes) -> list[SetRule]:
    """Raises WireError."""
    return [
        SetRule(one.number, read_rule(one.rule), one.struck, one.state)
        for one in parse(lab_pb.ListFaultsResponse, data).rules
    ]
