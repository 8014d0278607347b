"""The ruler: the ticks of a folded axis, and how a length of time is written.

Each stretch between two folds begins with a tick that says when that is; the ticks after it say how much later
they are. Pure geometry in pixels. Read next: `agentlab.timeline.ground`, which draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final

from .axis import TimeAxis
from .labels import CHARACTER_WIDTH

APART: Final = 56.0
"""Pixels between two ticks, at least: room for a label like ``+1.5 ms``."""
_UNITS: Final = ((1_000, "µs"), (1_000_000, "ms"), (1_000_000_000, "s"))
_LONG: Final = ((3_600_000_000_000, "h"), (60_000_000_000, "min"))


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick is a short line on the ruler, with a label where there is room for it."""

    place: float
    label: str
    is_start: bool
    """Whether a stretch begins here."""


def duration(ns: int) -> str:
    """A length of time in words: two digits are enough to compare by."""
    for size, unit in _LONG:
        if ns >= 2 * size:
            return f"{ns / size:.2g} {unit}" if ns < 99.5 * size else f"{ns / size:.0f} {unit}"
    size, unit = next((one for one in reversed(_UNITS) if ns >= 0.995 * one[0]), _UNITS[0])
    return f"{ns / size:.2g} {unit}" if ns < 99.5 * size else f"{ns / size:.0f} {unit}"


def ruler(axis: TimeAxis, pixels_per_place: float, size: float) -> list[Tick]:
    """The ticks of a folded axis, from left to right; `size` is the font size in pixels."""
    step = _round_step(APART / pixels_per_place * axis.ticks_per_unit)
    starts, others = [], []
    for start, end in axis.stretches():
        starts.append((axis.place(start), _since_start(start, step)))
        for number in range(1, 1 + (end - start) // step):
            others.append((axis.place(start + number * step), f"+{_exact(number * step)}"))
    taken: list[tuple[float, float]] = []
    ticks = []
    for is_start, wanted in ((True, starts), (False, others)):
        for place, label in wanted:
            half = (len(label) + 1) * size * CHARACTER_WIDTH / 2
            left, right = place * pixels_per_place - half, place * pixels_per_place + half
            has_room = not any(left < other_right and other_left < right for other_left, other_right in taken)
            if has_room:
                taken.append((left, right))
            ticks.append(Tick(place, label if has_room else "", is_start))
    return sorted(ticks, key=lambda tick: tick.place)


def _round_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50… ticks that is at least this many."""
    power: int = 10 ** max(0, floor(log10(max(1.0, least))))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least)


def _exact(ticks: int) -> str:
    size, unit = next((one for one in reversed(_UNITS) if ticks >= one[0]), _UNITS[0])
    return f"{ticks / size:.6g} {unit}"


def _since_start(ticks: int, step: int) -> str:
    """A time since the first event, as precise as the steps that follow it."""
    if ticks == 0:
        return "0"
    size, unit = next((one for one in reversed(_UNITS) if ticks >= one[0]), _UNITS[0])
    decimals = max(0, ceil(log10(size / step))) if step < size else 0
    return f"{ticks / size:.{decimals}f} {unit}"
