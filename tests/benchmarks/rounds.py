"""What was measured, and what it says: rounds that alternate between the systems, medians, ratios.

Alternating rounds, because a machine's speed drifts: what one system is compared with ran in the same minute. Medians,
because a round that was disturbed says little. Ratios, because they carry over to other machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeVar

S = TypeVar("S")

OURS = "agentlab"


@dataclass(frozen=True)
class Target:
    """What a figure should be: at most (or at least) `bound` times a peer's, or by itself."""

    bound: float
    peer: str = ""
    """Empty: the figure itself is meant."""
    aim: float | None = None
    """What would be better still."""


@dataclass
class Row:
    """A row of the table: one figure for each system."""

    name: str
    unit: str
    high_is_good: bool = False
    values: dict[str, list[float]] = field(default_factory=dict)
    """Of each system, one for each round."""
    targets: tuple[Target, ...] = ()

    def add(self, system: str, value: float) -> None:
        """A round's value."""
        self.values.setdefault(system, []).append(value)

    def middle(self, system: str) -> float | None:
        """The median over the rounds, or None for a system that was not measured."""
        values = self.values.get(system)
        return median(values) if values else None

    def ratio(self, peer: str) -> float | None:
        """Ours over the peer's: the median of the rounds' own ratios, since a round's two halves were neighbours."""
        ours, theirs = self.values.get(OURS), self.values.get(peer)
        if not ours or not theirs or not all(theirs):
            return None
        return median(a / b for a, b in zip(ours, theirs, strict=True))

    def reached(self, target: Target, bound: float) -> bool | None:
        """Whether the figure is as good as `bound` asks; None when it was not measured."""
        value = self.ratio(target.peer) if target.peer else self.middle(OURS)
        if value is None:
            return None
        return value >= bound if self.high_is_good else value <= bound


def alternate(systems: Iterable[S], rounds: int, measure: Callable[[S], Any]) -> None:
    """Measure each system once a round; every other round in the opposite order."""
    systems = list(systems)
    for number in range(rounds):
        for system in systems if number % 2 == 0 else reversed(systems):
            measure(system)


def written(value: float) -> str:
    """A figure with three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
