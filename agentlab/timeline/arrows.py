"""Drawing arrows: lines and heads in one collection per style, and labels beside them when there are few.

Read next: `agentlab.timeline.draw`, which puts the picture together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import copysign
from typing import Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.lines import Line2D
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke

from agentlab.core.exceptions import BY_NAME

from .glyphs import as_it_is
from .ground import break_lines
from .labels import Box, Line, place_labels, shortened
from .shapes import Arrow, Layout
from .stacks import ROW, Symbol, mark_symbols
from .style import ARROWS, FAINT, INK, WHITE, ArrowLook

ALL_LABELLED: Final = 40
"""Up to so many arrows, every message is labelled with its type, at the cost of hiding a bit of an arrow."""
LABELLED_ARROWS: Final = 80
"""Up to so many arrows, those are labelled that have free space beside them."""
LABEL_SIZE: Final = 7.5
"""Points: the smallest that is read without effort."""
HOOK: Final = 0.3
"""How far an arrow from a lane to itself stands off, and one of which nobody knows where it went."""

HEADS: Final = "_heads"
"""What matplotlib calls the arrows' heads. It does not explain what begins with an underscore."""

Point = tuple[float, float]


def ends(arrow: Arrow, picture: Layout) -> Line:
    """Tail and head of an arrow in data coordinates. One that did not arrive ends short of its last lane, and one
    that the host sent begins short of its first, where the host has no lane."""
    x0, x1 = picture.axis.place(arrow.start), picture.axis.place(arrow.end)
    y = float(arrow.from_lane)
    if arrow.to_lane is None or arrow.to_lane == arrow.from_lane:
        return x0, y, x1, y - HOOK
    # half a lane short, not half of the way: that could be another lane, where it never was
    short = 0.0 if arrow.fate == "arrived" else copysign(0.5, arrow.to_lane - y)
    return x0, y + (copysign(0.5, arrow.to_lane - y) if arrow.begins_midway else 0.0), x1, arrow.to_lane - short


def is_hook(arrow: Arrow) -> bool:
    """Whether an arrow comes back to its own lane."""
    return arrow.fate == "arrived" and arrow.to_lane == arrow.from_lane


def draw_arrows(picture: Layout, ax: Axes) -> list[Artist]:
    """Draw all arrows, and return the handles for the legend. The limits of the axes must be set before: the
    heads are turned to fit."""
    legend: list[Artist] = []
    for style, look in ARROWS.items():
        arrows = [arrow for arrow in picture.arrows if arrow.style == style]
        if not arrows:
            continue
        for faint in (True, False):
            alike = [arrow for arrow in arrows if picture.is_faint(arrow.message_id, arrow.kind) == faint]
            if alike:
                _draw_alike(alike, look, style, picture, ax, faint)
        shown = Line2D([], [], color=look.colour, linestyle=look.dashes, linewidth=1.3, label=look.legend)
        shown.set_marker(Outline([*look.head, look.head[0]]))
        shown.set(markersize=9, markerfacecolor=WHITE if look.hollow else look.colour)
        legend.append(shown)
    return legend


def _draw_alike(arrows: list[Arrow], look: ArrowLook, style: str, picture: Layout, ax: Axes, faint: bool) -> None:
    scale = _scale(len(picture.arrows))
    lines = [_course(arrow, picture) for arrow in arrows]
    drawn = LineCollection(
        lines, colors=look.colour, linestyles=[look.dashes], linewidths=1.3 * scale, zorder=3, label=style
    )
    arrived = [line[-2:] for line, arrow in zip(lines, arrows, strict=True) if arrow.fate == "arrived"]
    for part in (drawn, _heads(arrived, look, scale, ax)) if arrived else (drawn,):
        if faint:
            part.set(alpha=FAINT, zorder=2.5)
        ax.add_collection(part, autolim=False)


def _scale(arrows: int) -> float:
    """Thinner lines and smaller heads when there are many: 1 up to 60 arrows, half of it from 600 on."""
    return min(1.0, max(0.5, 1.0 - (arrows - 60) / 1080))


def _course(arrow: Arrow, picture: Layout) -> list[Point]:
    x0, y0, x1, y1 = ends(arrow, picture)
    return [(x0, y0), (x0, y1), (x1, y1), (x1, y0)] if is_hook(arrow) else [(x0, y0), (x1, y1)]


def _heads(arrived: list[list[Point]], look: ArrowLook, scale: float, ax: Axes) -> PolyCollection:
    """The heads, each with its tip where its arrow ends and turned the way it points on the screen."""
    lines = np.array(arrived, float)
    in_pixels = ax.transData.transform(lines.reshape(-1, 2)).reshape(lines.shape)
    ways = in_pixels[:, 1] - in_pixels[:, 0]
    angles = np.arctan2(ways[:, 1], ways[:, 0])[:, None]
    along, across = scale * np.cos(angles) / 72, scale * np.sin(angles) / 72  # a point is a 72nd of an inch
    xs, ys = np.array(look.head, float).T
    outlines: Any = np.stack([xs * along - ys * across, xs * across + ys * along], axis=2)
    heads = PolyCollection(
        outlines,
        offsets=lines[:, 1],
        offset_transform=ax.transData,
        facecolors=WHITE if look.hollow else look.colour,
        edgecolors=look.colour,
        linewidths=1.0 * scale if look.hollow else 0.4,
        zorder=4,
        label=HEADS,
    )
    heads.set_transform(ax.figure.dpi_scale_trans)
    return heads


def label_arrows(picture: Layout, ax: Axes) -> None:
    """Label each message on its first hop, then on further hops where there is room."""
    extent = ax.get_window_extent()
    left, right = ax.get_xlim()
    # of arrows that only cross a window's edge, the part inside is what can be labelled
    arrows = [arrow for arrow in picture.arrows if not picture.is_faint(arrow.message_id, arrow.kind)]
    arrows = [a for a in arrows if left <= picture.axis.place(a.end) and picture.axis.place(a.start) <= right]
    if len(arrows) > LABELLED_ARROWS:
        return
    to_pixels = ax.transData
    lines: list[Line] = []
    for arrow in arrows:
        x0, y0, x1, y1 = ends(arrow, picture)
        (px0, py0), (px1, py1) = to_pixels.transform([(x0, y1 if is_hook(arrow) else y0), (x1, y1)])
        lines.append(_within((px0, py0, px1, py1), extent.x0, extent.x1))
    seen: set[tuple[str, str]] = set()
    first: list[tuple[Arrow, Line]] = []
    further: list[tuple[Arrow, Line]] = []
    for arrow, line in zip(arrows, lines, strict=True):
        (further if (arrow.message_id, arrow.style) in seen else first).append((arrow, line))
        seen.add((arrow.message_id, arrow.style))
    symbols = mark_symbols(picture, ax)
    wanted = [*_mark_labels(symbols, ax)]
    needed = len(wanted)
    if len(arrows) <= ALL_LABELLED:
        needed += sum(bool(arrow.label) for arrow, _ in first)
    for arrow, line in first + further:
        if arrow.label:
            wanted.append((shortened(arrow.label, 18), ARROWS[arrow.style].colour, line))
    heights = to_pixels.transform([(0, number) for number in range(len(picture.lanes))])[:, 1]
    lane_lines = [(extent.x0, y, extent.x1, y) for y in heights]
    breaks = to_pixels.transform([(middle, 0) for middle in break_lines(picture)] or [(0, 0)])[:, 0]
    lane_lines += [(x, extent.y0, x, extent.y1) for x in breaks if picture.axis.folds]
    # a label may stand a little over the right edge, where the margin is
    frame = Box(extent.x0, extent.y0, extent.x1 + 0.3 * ax.figure.dpi, extent.y1)
    size = LABEL_SIZE * ax.figure.dpi / 72
    obstacles = [*lines, *lane_lines, *(_symbol_line(symbol, ax) for symbol in symbols)]
    places = place_labels([(text, line) for text, _, line in wanted], size, frame, obstacles, needed)
    to_data = to_pixels.inverted()
    for (text, colour, _), place in zip(wanted, places, strict=True):
        if place is None:
            continue
        x, y = to_data.transform(place)
        label = ax.text(x, y, text, fontsize=LABEL_SIZE, va="center", ha="left", color=colour)
        as_it_is(label)
        label.set(zorder=7, path_effects=[withStroke(linewidth=2.0, foreground=WHITE, alpha=0.85)])


def _within(line: Line, left: float, right: float) -> Line:
    """The part of a line between two verticals, of which at least one point lies there."""
    x0, y0, x1, y1 = line
    if x1 - x0 < 1e-9:
        return line
    low, high = max(0.0, (left - x0) / (x1 - x0)), min(1.0, (right - x0) / (x1 - x0))
    return x0 + low * (x1 - x0), y0 + low * (y1 - y0), x0 + high * (x1 - x0), y0 + high * (y1 - y0)


def _mark_labels(symbols: Iterable[Symbol], ax: Axes) -> Iterator[tuple[str, str, Line]]:
    """The labels of what happened to messages on lanes: the error's name where there is one (a request that missed
    its deadline, say, which no arrow shows), else the message's type. Each stands once beside its stack."""
    per_point = ax.figure.dpi / 72
    told = set()
    for symbol in symbols:
        for mark in symbol.marks:
            error = mark.detail.partition(":")[0]
            label = error if error in BY_NAME else mark.label
            beside = (mark.lane, symbol.x, label)
            if mark.message_id and label and not symbol.is_faint and beside not in told:
                told.add(beside)
                x, y = ax.transData.transform((symbol.x, mark.lane))
                reach = (10 + 0.8 * ROW * (symbol.rows - 1)) * per_point  # past the symbols and the line of the lane
                yield shortened(label, 22), INK, (x, y - reach, x, y + reach)


def _symbol_line(symbol: Symbol, ax: Axes) -> Line:
    """A line through a symbol, and through the number beside it: no label should cross it."""
    x, y = ax.transData.transform((symbol.x, symbol.y))
    half = symbol.look.area**0.5 / 2 * ax.figure.dpi / 72
    return x - half, y, x + half * (3 if len(symbol.marks) > 1 else 1), y
