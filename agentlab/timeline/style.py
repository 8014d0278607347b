"""How things look on a timeline: colours, line styles and symbols.

The colours are Okabe and Ito's, which people with any kind of colour vision can tell apart
(https://jfly.uni-koeln.de/color/). No two things differ by colour alone: each kind of message has its own line
and its own head, each ending its own symbol. Read next: `agentlab.timeline.draw`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from agentlab.core.journal import (
    DELAYED,
    DROPPED,
    DUPLICATED,
    FAILED,
    FAULT,
    GONE,
    HANDLED,
    HEALED,
    JOINED,
    KILLED,
    LEAVING,
    LOST,
    MOVED,
    PARTED,
    PAUSED,
    RESUMED,
    STAYING,
    UNHANDLED,
)

from .outcomes import LATE, TIMED_OUT
from .shapes import RUNNING, Fate, Style

BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
PURPLE: Final = "#AA4A85"
"""A little darker than the palette's #CC79A7, which is too pale for a thin line on white."""
VERMILION: Final = "#D55E00"
INK: Final = "#222222"
GREY: Final = "#8A8A8A"
LANE: Final = "#C9CED3"
HOST_BAND: Final = "#F1F3F5"
WHITE: Final = "#FFFFFF"

FAINT: Final = 0.13
"""How opaque something is that steps back behind what is selected."""

PARTED_BAND: Final = "#FCEBDD"

Dashes = Literal["solid"] | tuple[float, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class ArrowLook:
    """How the arrows of one style look."""

    colour: str
    dashes: Dashes
    head: tuple[tuple[float, float], ...]
    """The head's outline in points, for an arrow to the right whose tip is at (0, 0)."""
    hollow: bool
    legend: str


_TRIANGLE: Final = ((0.0, 0.0), (-7.0, 2.9), (-7.0, -2.9))
_BARBED: Final = ((0.0, 0.0), (-8.5, 3.6), (-5.5, 0.0), (-8.5, -3.6))
_DOUBLE: Final = ((0.0, 0.0), (-5.0, 3.2), (-5.0, 1.0), (-9.5, 3.2), (-9.5, -3.2), (-5.0, -1.0), (-5.0, -3.2))

ARROWS: Final[dict[Style, ArrowLook]] = {
    "request": ArrowLook(BLUE, "solid", _TRIANGLE, False, "request"),
    "response": ArrowLook(GREEN, (0, (4.5, 2.2)), _TRIANGLE, True, "response"),
    "event": ArrowLook(PURPLE, (0, (1.2, 1.4)), _BARBED, False, "published event"),
    "error": ArrowLook(VERMILION, (0, (6.0, 1.6, 1.2, 1.6)), _DOUBLE, False, "error response"),
}


@dataclass(frozen=True, slots=True)
class SymbolLook:
    """How a symbol looks: a matplotlib marker, its area in square points, and its colours."""

    marker: str
    area: float
    face: str
    edge: str
    legend: str


FATES: Final[dict[Fate, SymbolLook]] = {
    "lost": SymbolLook("x", 42, INK, INK, "lost"),
    "dropped": SymbolLook(r"$\oslash$", 105, INK, INK, "dropped"),
    "failed": SymbolLook("X", 60, VERMILION, WHITE, "failed"),
    "late": SymbolLook("s", 40, WHITE, VERMILION, "too late"),
    "timed out": SymbolLook("v", 62, VERMILION, WHITE, "deadline missed"),
    "in flight": SymbolLook("o", 26, WHITE, INK, "still on its way"),
}
"""The symbol at the end of an arrow that did not arrive."""

ESTIMATED: Final = SymbolLook(r"$\approx$", 110, INK, INK, "time estimated")
"""On an arrow of which only one end was reported."""

MARKS: Final[dict[str, SymbolLook]] = {
    JOINED: SymbolLook(">", 34, WHITE, INK, "joined later"),
    GONE: SymbolLook("D", 46, VERMILION, INK, "connection lost"),
    KILLED: SymbolLook("X", 110, INK, WHITE, "killed"),
    PAUSED: SymbolLook(r"$\Vert$", 80, INK, INK, "paused"),
    RESUMED: SymbolLook(">", 46, INK, INK, "resumed"),
    LEAVING: SymbolLook(r"$\nearrow$", 100, INK, INK, "about to leave"),
    MOVED: SymbolLook(r"$\twoheadrightarrow$", 120, BLUE, BLUE, "agent moved"),
    STAYING: SymbolLook(r"$\hookleftarrow$", 130, INK, INK, "stays after all"),
    PARTED: SymbolLook(r"$\nleftrightarrow$", 130, VERMILION, VERMILION, "cannot hear others"),
    HEALED: SymbolLook(r"$\leftrightarrow$", 130, INK, INK, "hears them again"),
    DUPLICATED: SymbolLook(r"$\times 2$", 130, INK, INK, "duplicated"),
    DELAYED: SymbolLook(r"$\Delta t$", 130, INK, INK, "held back"),
    LOST: FATES["lost"],
    DROPPED: FATES["dropped"],
    FAILED: FATES["failed"],
    LATE: FATES["late"],
    TIMED_OUT: FATES["timed out"],
    UNHANDLED: SymbolLook(r"$?$", 70, INK, INK, "no handler for it"),
}
"""The symbol of something that happened on a lane."""

QUIET_MARKS: Final[dict[str, SymbolLook]] = {
    JOINED: SymbolLook(">", 12, WHITE, GREY, "joined"),
    GONE: SymbolLook("|", 40, GREY, GREY, "stopped"),
    FAULT: SymbolLook("*", 34, WHITE, GREY, "fault rule"),
}
"""The symbol of something that happens in every run."""


@dataclass(frozen=True, slots=True)
class BarLook:
    """How the bar of a handler looks."""

    face: str
    edge: str
    dashes: Dashes
    hatch: str
    legend: str


BARS: Final[dict[str, BarLook]] = {
    HANDLED: BarLook("#CFE8F8", SKY, "solid", "", "handler"),
    RUNNING: BarLook(WHITE, SKY, (0, (3, 1.5)), "", "handler still running"),
    UNHANDLED: BarLook(WHITE, GREY, "solid", "", "no handler for it"),
    FAILED: BarLook("#FBE3D3", VERMILION, "solid", "/////", "handler failed"),
    LOST: BarLook(WHITE, GREY, (0, (3, 1.5)), "xx", "handler cut off"),
    DROPPED: BarLook(WHITE, INK, "solid", "....", "dropped"),
}
"""The bar of a handler by its outcome."""
