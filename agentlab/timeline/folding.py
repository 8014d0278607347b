"""Folding: which stretches of time are drawn as narrow breaks, so that those where something happens get the room.

Messages between processes on one machine take a millisecond; between them a student thinks for a minute. On a true
scale all arrows would be vertical lines on top of each other. So the longest waits are folded until the arrows
slant, and no more than that. Read next: `agentlab.timeline.shapes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from statistics import median_low
from typing import Any, Final, TypeAlias

import numpy as np

from .axis import Fold, TimeAxis

Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

IDLE_ENOUGH: Final = 0.04
"""Idle time is folded until a typical hop is this share of the picture wide (35 pixels of a notebook's 900)."""
BUSY_ENOUGH: Final = 0.01
"""Waits in which a handler runs, or a message is under way, tell something by their length: they are folded only
when a typical hop would be narrower than this (9 pixels), which is when arrows look vertical."""
BUSY_WEIGHT: Final = 0.25
"""So much shorter a busy wait counts than an idle one, when the longest are folded first."""
SIMILAR: Final = 0.7
"""Waits are folded together when the shorter is at least this share of the longest: equal pauses look equal."""
LONG: Final = 8.0
"""An idle wait is only folded when it is at least so many times as long as a typical hop."""
LONG_BUSY: Final = 20.0
"""The same for a busy wait: a handler of some milliseconds is best seen as long as it was."""
WIDTH: Final = 0.045
"""Share of the picture that one break takes: room for its label."""
ALL_WIDTHS: Final = 0.4
"""Share of the picture that all breaks take at most: with many of them each is narrower."""
GAIN: Final = 1.1
"""Waits are only folded when everything else becomes at least so much wider by that: each break costs attention."""
WORTH: Final = 2.0
"""A wait is only folded when it would be drawn at least so many times as wide as its break."""

MOST_OF_AN_OVERVIEW: Final = 8
"""So many breaks has an overview at most: each hides how long it was."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait is the time between two moments at which something happens."""

    start: int
    end: int
    is_busy: bool
    """Whether a handler runs or a message is under way meanwhile."""

    @property
    def length(self) -> int:
        """In ticks."""
        return self.end - self.start

    @property
    def weight(self) -> float:
        """How much it asks to be folded."""
        return self.length * BUSY_WEIGHT if self.is_busy else float(self.length)


def folds(
    length: int, hops: Iterable[tuple[int, int]], handlers: Iterable[tuple[int, int]], moments: Iterable[int]
) -> tuple[Fold, ...]:
    """The folds of an axis of this length on which these hops and handlers (start and end) and moments are drawn."""
    hops = list(hops)
    hop_lengths = [end - start for start, end in hops if end > start]
    if not hop_lengths:
        return ()
    hop = median_low(hop_lengths)
    folded: list[Wait] = []
    chosen: list[Wait] = []
    scale = 1 / length  # share of the picture that a tick is wide
    left = length
    for group in _groups(_waits(length, [*hops, *handlers], moments), hop):
        if hop * scale >= (BUSY_ENOUGH if group[0].is_busy else IDLE_ENOUGH):
            break
        folded += group
        left -= sum(wait.length for wait in group)
        if left <= 0:
            break
        width = min(WIDTH, ALL_WIDTHS / len(folded))
        wider = (1 - len(folded) * width) / left
        if wider >= GAIN * scale and min(wait.length for wait in folded) * wider >= WORTH * width:
            chosen, scale = list(folded), wider
    return _placed(sorted(chosen, key=lambda wait: wait.start), scale)


def shown_folds(
    axis: TimeAxis,
    hops: Iterable[tuple[int, int]],
    handlers: Iterable[tuple[int, int]],
    moments: Iterable[int],
) -> tuple[Fold, ...]:
    """The folds of what is shown on an axis: what happens outside of it does not count."""
    first, last = axis.first, axis.last

    def inside(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(max(a, first) - first, min(b, last) - first) for a, b in spans if b >= first and a <= last]

    found = folds(axis.length, inside(hops), inside(handlers), [m - first for m in moments if first <= m <= last])
    return tuple(replace(f, start=f.start + first, end=f.end + first, place=f.place + first) for f in found)


def idle_folds(first: int, last: int, starts: Numbers, ends: Numbers) -> tuple[Fold, ...]:
    """The folds of an overview from tick `first` to tick `last`: the longest waits in which no message is under way.

    There are no single arrows that should slant, so a wait is folded when it takes much of the picture.
    """
    order = np.argsort(starts, kind="stable")
    begun = np.clip(starts[order], first, last)
    reached = np.maximum.accumulate(np.clip(ends[order], first, last), dtype=np.int64)
    froms, untils = np.concatenate([[first], reached]), np.concatenate([begun, [last]])
    lengths = untils - froms
    chosen: list[Wait] = []
    left = last - first
    scale = 1 / max(1, left)
    for place in np.argsort(-lengths, kind="stable")[:MOST_OF_AN_OVERVIEW]:
        length = int(lengths[place])
        width = min(WIDTH, ALL_WIDTHS / (len(chosen) + 1))
        if length * scale < WORTH * width or length >= left:
            break
        left -= length
        chosen.append(Wait(int(froms[place]) - first, int(untils[place]) - first, False))
        scale = (1 - len(chosen) * width) / left
    found = _placed(sorted(chosen, key=lambda wait: wait.start), scale)
    return tuple(replace(f, start=f.start + first, end=f.end + first, place=f.place + first) for f in found)


def _waits(length: int, busy: list[tuple[int, int]], moments: Iterable[int]) -> list[Wait]:
    begun: dict[int, int] = dict.fromkeys((0, length, *moments), 0)
    for start, end in busy:
        begun[start] = begun.get(start, 0) + 1
        begun[end] = begun.get(end, 0) - 1
    times = sorted(begun)
    running = accumulate(begun[time] for time in times)
    return [Wait(start, end, under_way > 0) for (start, end), under_way in zip(pairwise(times), running, strict=False)]


def _groups(waits: list[Wait], hop: int) -> list[list[Wait]]:
    """The long waits: similar ones together, and the groups that ask most to be folded first."""
    groups: list[list[Wait]] = []
    long_waits = (wait for wait in waits if wait.length >= hop * (LONG_BUSY if wait.is_busy else LONG))
    for wait in sorted(long_waits, key=lambda wait: (wait.is_busy, -wait.length)):
        longest = groups[-1][0] if groups else None
        if longest and longest.is_busy == wait.is_busy and wait.length >= SIMILAR * longest.length:
            groups[-1].append(wait)
        else:
            groups.append([wait])
    return sorted(groups, key=lambda group: -group[0].weight)


def _placed(waits: list[Wait], scale: float) -> tuple[Fold, ...]:
    width = max(1, round(min(WIDTH, ALL_WIDTHS / max(1, len(waits))) / scale))
    placed = []
    saved = 0
    for wait in waits:
        placed.append(Fold(wait.start, wait.end, wait.start - saved, width))
        saved += wait.length - width
    return tuple(placed)
