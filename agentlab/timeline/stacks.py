"""Stacks: marks that would lie on each other are drawn as one symbol of each look, with how many there are.

Read next: `agentlab.timeline.arrows`, which labels them, and `agentlab.timeline.draw`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .shapes import Layout, Mark
from .style import MARKS, QUIET_MARKS, SymbolLook

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NARROW: Final = 11.0
"""Points that a symbol takes."""
_WIDE: Final = 26.0
"""Points that a symbol takes with a number of two digits beside it."""
ROW: Final = 10.0
"""Points from one symbol of a stack to the one under it."""
_MOST_OF_A_ROW: Final = 0.2
"""The same in lanes, at most: where lanes are low, a stack must not reach the next one."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol stands for marks of one lane that look alike and are close to each other: mostly for one."""

    marks: tuple[Mark, ...]
    """In order of time."""
    look: SymbolLook
    is_faint: bool
    x: float
    """In data coordinates, as `y`: where the first mark of the whole stack is."""
    y: float
    rows: int
    """How many symbols there are in its stack."""


def mark_symbols(picture: Layout, ax: Axes) -> list[Symbol]:
    """The symbols of the marks that are within the picture, whose limits are set."""
    left, right = ax.get_xlim()
    (x0, y0), (x1, y1) = ax.transData.transform([(0, 0), (1, 1)]) * 72 / ax.figure.dpi  # points
    row = min(ROW / abs(y1 - y0), _MOST_OF_A_ROW)
    places = [(picture.axis.place(mark.at), mark) for mark in picture.marks if mark.weight != "covered"]
    seen = [((x1 - x0) * place, mark) for place, mark in places if left <= place <= right]

    def look_of(mark: Mark) -> tuple[SymbolLook, bool]:
        look = QUIET_MARKS[mark.what] if mark.weight == "quiet" else MARKS[mark.what]
        return look, bool(mark.message_id) and picture.is_faint(mark.message_id, mark.kind)

    found = []
    for x, stack in stacks(seen, look_of):
        for number, marks in enumerate(stack):
            y = marks[0].lane + (number - (len(stack) - 1) / 2) * row
            found.append(Symbol(tuple(marks), *look_of(marks[0]), x / (x1 - x0), y, len(stack)))
    return found


def stacks(
    marks: Iterable[tuple[float, Mark]], look_of: Callable[[Mark], Hashable]
) -> list[tuple[float, list[list[Mark]]]]:
    """The stacks of marks, given by their places in points, and each: where its first mark is, and those that look
    alike."""
    by_lane: dict[int, list[list[tuple[float, Mark]]]] = {}
    for x, mark in sorted(marks, key=lambda one: one[0]):
        on_lane = by_lane.setdefault(mark.lane, [])
        # where there is a number beside the symbol, more belongs to it
        if on_lane and x - on_lane[-1][0][0] < (_WIDE if len(on_lane[-1]) > 1 else _NARROW):
            on_lane[-1].append((x, mark))
        else:
            on_lane.append([(x, mark)])
    found = []
    for stack in (stack for on_lane in by_lane.values() for stack in on_lane):
        alike: dict[Hashable, list[Mark]] = {}
        for _, mark in stack:
            alike.setdefault(look_of(mark), []).append(mark)
        found.append((stack[0][0], list(alike.values())))
    return found
