"""Comparing two runs: which messages are in both, and what became of them in each.

Ids differ from run to run, so a message is known by its route: it is, say, the third `Turn` that one agent sent to
another. What two runs of the same agents differ in is what the network and the scheduler decided; the rest is
the agents' doing. Read next: `agentlab.exports.report`, which shows a comparison.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from ..core.journal import RECEIVED, STARTED, JournalEvent
from .copies import MessageCopy, message_copies

NOTICEABLE_MS: Final = 5.0
"""Two runs on one machine differ by a few milliseconds in everything; a difference below this says nothing."""
NOTICEABLE_FACTOR: Final = 1.5
"""A difference of some milliseconds in a message that takes seconds says nothing, either."""


@dataclass(frozen=True, slots=True, order=True)
class MessageName:
    """A message's name is what it is known by in both runs."""

    sender: str
    recipient: str
    """The receiving agent; of a published message that went to nobody, the topic."""
    kind: str
    type: str
    number: int
    """Its number among those that agree in everything else, counted from 1 in the order of sending."""

    def __str__(self) -> str:
        route = f"{self.sender or 'outside'} → {self.recipient or 'outside'}"
        return f"{self.kind} {self.type} no. {self.number}, {route}"


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair is a message that is in both runs."""

    name: MessageName
    first: MessageCopy
    second: MessageCopy

    @property
    def outcome_differs(self) -> bool:
        """Whether it ended in another way."""
        return self.first.outcome != self.second.outcome

    @property
    def difference_ms(self) -> float | None:
        """How many milliseconds longer its way took in the second run; None when that is not known of both."""
        if self.first.total_ns is None or self.second.total_ns is None:
            return None
        return (self.second.total_ns - self.first.total_ns) / 1_000_000


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """A comparison is what two runs have in common, and what differs."""

    pairs: tuple[Pair, ...]
    """The messages that are in both, in the order of the first run."""
    missing: tuple[MessageName, ...]
    """Messages of the first run that are not in the second."""
    added: tuple[MessageName, ...]
    """Messages of the second run that are not in the first."""
    reordered: tuple[Pair, ...]
    """Messages that reached their receiver after others in one run and before them in the other: as few as explain
    the difference. Those of which one run has more than the other are left out: nobody knows which is which."""
    outcomes: tuple[Pair, ...]
    """Messages that ended in another way."""
    timing: tuple[Pair, ...]
    """Messages that took noticeably longer or shorter, those that differ most first."""
    median_ms: tuple[float | None, float | None]
    """The median of how long a message took, in each run, over the messages that are in both."""

    @property
    def is_same(self) -> bool:
        """Whether nothing differs but times."""
        return not (self.missing or self.added or self.reordered or self.outcomes)

    def __repr__(self) -> str:
        from .report import summary

        return f"<Comparison: {summary(self)}>"

    def __str__(self) -> str:
        from .report import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from .report import as_html

        return as_html(self)


def compare(
    first: Iterable[JournalEvent],
    second: Iterable[JournalEvent],
    *,
    noticeable_ms: float = NOTICEABLE_MS,
    noticeable_factor: float = NOTICEABLE_FACTOR,
) -> Comparison:
    """Compare two runs, journals or any events.

    A message's time counts as different when it differs by both `noticeable_ms` and `noticeable_factor`.
    """
    ours, theirs = _named(message_copies(first)), _named(message_copies(second))
    pairs = [Pair(name, copy, theirs[name]) for name, copy in ours.items() if name in theirs]
    unclear = {replace(name, number=0) for name in ours.keys() ^ theirs.keys()}

    def is_noticeable(pair: Pair) -> bool:
        if pair.difference_ms is None or abs(pair.difference_ms) < noticeable_ms:
            return False
        times = sorted(max(0, copy.total_ns or 0) for copy in (pair.first, pair.second))
        return times[1] >= noticeable_factor * times[0]

    return Comparison(
        pairs=tuple(pairs),
        missing=tuple(name for name in ours if name not in theirs),
        added=tuple(name for name in theirs if name not in ours),
        reordered=tuple(_reordered(pair for pair in pairs if replace(pair.name, number=0) not in unclear)),
        outcomes=tuple(pair for pair in pairs if pair.outcome_differs),
        timing=tuple(sorted(filter(is_noticeable, pairs), key=lambda pair: -abs(pair.difference_ms or 0))),
        median_ms=(_median_ms([pair.first for pair in pairs]), _median_ms([pair.second for pair in pairs])),
    )


def _named(copies: Iterable[MessageCopy]) -> dict[MessageName, MessageCopy]:
    counts: dict[tuple[str, str, str, str], int] = {}
    named = {}
    for copy in copies:
        route = (copy.sender, copy.recipient or copy.topic, copy.kind, copy.type)
        counts[route] = counts.get(route, 0) + 1
        named[MessageName(*route, counts[route])] = copy
    return named


def _reordered(pairs: Iterable[Pair]) -> list[Pair]:
    """For each receiver: the fewest messages without which the others arrived in the same order in both runs."""
    received: dict[str, list[Pair]] = {}
    for pair in pairs:
        if _receipt(pair.first) and _receipt(pair.second):
            received.setdefault(pair.name.recipient, []).append(pair)
    found = []
    for arrivals in received.values():
        arrivals.sort(key=lambda pair: _receipt(pair.first) or _NEVER)
        in_second = sorted(range(len(arrivals)), key=lambda n: _receipt(arrivals[n].second) or _NEVER)
        places = [0] * len(arrivals)
        for place, number in enumerate(in_second):
            places[number] = place
        kept = set(_longest_rise(places))
        found += [pair for number, pair in enumerate(arrivals) if number not in kept]
    return found


_NEVER: Final = (0, 0)


def _receipt(copy: MessageCopy) -> tuple[int, int] | None:
    """When a message reached its receiver; what a process noted first comes first when times are equal."""
    event = copy.steps.get(RECEIVED) or copy.steps.get(STARTED)
    return (event.time_ns, event.seq) if event else None


def _longest_rise(numbers: Sequence[int]) -> list[int]:
    """The positions of a longest increasing subsequence (by patience sorting, in n log n steps)."""
    tops: list[int] = []
    top_positions: list[int] = []
    before: list[int] = []
    for position, number in enumerate(numbers):
        pile = bisect_left(tops, number)
        before.append(top_positions[pile - 1] if pile else -1)
        tops[pile : pile + 1] = [number]
        top_positions[pile : pile + 1] = [position]
    rise = []
    position = top_positions[-1] if top_positions else -1
    while position >= 0:
        rise.append(position)
        position = before[position]
    return rise[::-1]


def _median_ms(copies: Iterable[MessageCopy]) -> float | None:
    known = [copy.total_ns for copy in copies if copy.total_ns is not None]
    return median(known) / 1_000_000 if known else None
