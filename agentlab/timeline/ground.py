"""The ground of the picture: the time axis with its breaks, and the lanes.

Read next: `agentlab.timeline.arrows`.
"""

from __future__ import annotations

from typing import Any, Final

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from agentlab.core.journal import GONE, JOINED, KILLED, PAUSED, RESUMED

from .glyphs import drawable
from .labels import CHARACTER_WIDTH, shortened
from .ruler import duration, ruler
from .shapes import Layout
from .style import GREY, HOST_BAND, INK, LANE, PARTED_BAND, VERMILION, WHITE

TICK_SIZE: Final = 8.0
"""Points."""
BREAK_SIZE: Final = 7.5
"""Points: the size of a break's label."""
FOLDED_LABEL: Final = "time since the first event, with long waits cut short"
BREAK_ROWS: Final = 2
_SPAN: Final = 0.34
"""Half the height of a partition's band; a lane is 1 high."""
_TOOTH: Final = 0.09
"""Inches: a break is drawn as two zigzag lines, with teeth of this height."""


def prepare(picture: Layout, ax: Axes) -> None:
    """Set the limits, the ruler and the names of the lanes. Everything else is drawn after that."""
    furnish(picture, ax)
    measure(picture, ax)


def furnish(picture: Layout, ax: Axes) -> None:
    """Set what stays while the lanes are the same: their names, and the look of the axes."""
    ax.set_yticks(
        range(len(picture.lanes)), [drawable(shortened(lane.name)) for lane in picture.lanes], fontsize=10, color=INK
    )
    for label, lane in zip(ax.get_yticklabels(), picture.lanes, strict=True):
        label.set(fontweight="bold" if lane.is_host else "normal", parse_math=False)
    ax.tick_params(axis="y", length=0, pad=8)
    ax.tick_params(axis="x", labelsize=TICK_SIZE, colors=GREY, labelcolor=GREY, length=3)
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(LANE)


def measure(picture: Layout, ax: Axes) -> None:
    """Set the limits and the ruler, which move on with time."""
    begin = picture.axis.place(picture.axis.first)
    span = picture.axis.place(picture.axis.last) - begin or 1.0
    ax.set_xlim(begin - 0.02 * span, begin + 1.03 * span)
    has_hook = any(arrow.from_lane == 0 and arrow.to_lane in (0, None) for arrow in picture.arrows)
    ax.set_ylim(len(picture.lanes) - 0.55, -0.65 if has_hook else -0.4)
    has_ruler = bool(picture.axis.folds) or (picture.axis.is_window and not picture.axis.is_logical)
    if has_ruler:
        _set_ruler(picture, ax)
    elif picture.axis.is_logical:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.ticklabel_format(axis="x", style="plain", useOffset=False)
    ax.set_xlabel(
        FOLDED_LABEL if picture.axis.folds else picture.axis.label,
        fontsize=8.5,
        color=GREY,
        loc="right",
        labelpad=16 if has_ruler else 2,
    )
    axis = picture.axis
    ax.format_coord = lambda x, y: f"{axis.shown(round(axis.ticks_at(x))):.6g} {axis.unit}"  # type: ignore[method-assign]


def _set_ruler(picture: Layout, ax: Axes) -> None:
    left, right = ax.get_xlim()
    per_place = ax.get_window_extent().width / (right - left)
    ticks = ruler(picture.axis, per_place, TICK_SIZE * ax.figure.dpi / 72)
    # not matplotlib's own ticks, each of which is five artists: a folded axis has 30, and a live one is drawn often
    ax.set_xticks([])
    under = ax.get_xaxis_transform()
    height = ax.get_window_extent().height
    for is_start in (True, False):
        length = (5.0 if is_start else 2.5) * ax.figure.dpi / 72 / height
        colour = INK if is_start else GREY
        lines = [[(tick.place, 0.0), (tick.place, -length)] for tick in ticks if tick.is_start == is_start]
        drawn = LineCollection(lines, colors=colour, linewidths=0.8, transform=under, clip_on=False, label="ruler")
        ax.add_collection(drawn, autolim=False)
        for tick in ticks:
            if tick.label and tick.is_start == is_start:
                below = (tick.place, -6.5 * ax.figure.dpi / 72 / height)
                label = ax.text(*below, tick.label, transform=under, ha="center", va="top", fontsize=TICK_SIZE)
                label.set(color=colour, parse_math=False)


def break_lines(picture: Layout) -> list[float]:
    """The middles of the breaks."""
    axis = picture.axis
    return [axis.shown(fold.place + fold.width // 2) for fold in axis.folds]


def room_over(picture: Layout) -> float:
    """Inches that the labels of the breaks need over the lanes: none, one or two rows, or room for turned ones."""
    breaks = len(picture.axis.folds)
    return 0.0 if not breaks else 0.2 if breaks <= 8 else 0.35 if breaks <= 45 else 0.55


def draw_breaks(picture: Layout, ax: Axes) -> None:
    """Cut the picture with a zigzag where time is folded, and write over it how long that was."""
    if not picture.axis.folds:
        return
    extent = ax.get_window_extent()
    (left, bottom), (right, top) = ax.transData.inverted().transform(extent.get_points())
    per_x, per_y = (right - left) / extent.width, (top - bottom) / extent.height
    tooth = _TOOTH * ax.figure.dpi
    narrowest = min(fold.width for fold in picture.axis.folds) / picture.axis.ticks_per_unit / per_x
    side = min(tooth / 2, narrowest / 4)
    rows = int(extent.height / tooth) + 1
    # the zigzag goes a little below the axis, so that the axis is cut as well
    ys = [bottom + (row - 0.5) * tooth * per_y for row in range(rows + 1)]
    middles = break_lines(picture)
    gaps, edges = [], []
    for middle in middles:
        zigzag = [(middle + (side if row % 2 else -side) * per_x / 2, y) for row, y in enumerate(ys)]
        lines = [[(x + offset * per_x, y) for x, y in zigzag] for offset in (-side / 2 - 0.5, side / 2 + 0.5)]
        gaps.append(lines[0] + lines[1][::-1])
        edges += lines
    gap = PolyCollection(gaps, facecolors=WHITE, edgecolors="none", zorder=4.5, clip_on=False)
    edge = LineCollection(edges, colors=LANE, linewidths=0.6, zorder=4.6, clip_on=False, label="break")
    for drawn in (gap, edge):
        ax.add_collection(drawn, autolim=False)
    labels = [duration(fold.end - fold.start) for fold in picture.axis.folds]
    size = BREAK_SIZE * ax.figure.dpi / 72
    rows_of = in_rows(
        [(x / per_x, len(label) * size * CHARACTER_WIDTH) for x, label in zip(middles, labels, strict=True)]
    )
    over = ax.get_xaxis_transform()
    for middle, label, row in zip(middles, labels, rows_of, strict=True):
        shown = ax.annotate(
            label, (middle, 1), xycoords=over, xytext=(0, 2 + (row or 0) * 10), textcoords="offset points"
        )
        shown.set(ha="center", va="bottom", fontsize=BREAK_SIZE, color=GREY, rotation=90 if row is None else 0)


def in_rows(labels: list[tuple[float, float]]) -> list[int] | list[None]:
    """The row of each label (given by its middle and width, from left to right), so that none touches another; only
    None when two rows are not enough, and the labels have to be turned."""
    free_from = [float("-inf")] * BREAK_ROWS
    rows = []
    for middle, width in labels:
        row = next((n for n, free in enumerate(free_from) if middle - width / 2 > free), None)
        if row is None:
            return [None] * len(labels)
        free_from[row] = middle + width / 2 + 3
        rows.append(row)
    return rows


def draw_spans(picture: Layout, ax: Axes) -> list[Artist]:
    """Bands behind the lanes of processes for as long as a partition keeps them apart; and their legend."""
    left, right = ax.get_xlim()
    boxes = []
    for span in picture.spans:
        x0, x1 = (min(max(picture.axis.place(at), left), right) for at in (span.start, span.end))
        y0, y1 = span.lane - _SPAN, span.lane + _SPAN
        if x0 < x1:
            boxes.append([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    if not boxes:
        return []
    look: dict[str, Any] = {"facecolor": PARTED_BAND, "edgecolor": VERMILION, "linestyle": (0, (1, 2))}
    drawn = PolyCollection(boxes, linewidths=0.8, zorder=0.5, label="parted", **look)
    ax.add_collection(drawn, autolim=False)
    return [Patch(linewidth=0.8, label="in a partition", **look)]


def draw_lanes(picture: Layout, ax: Axes) -> None:
    """Lines for the lanes, dotted while the process is not there, dashed while it is paused."""
    segments: dict[str, list[Any]] = {"solid": [], "dotted": [], "dashed": []}
    after = {JOINED: "solid", RESUMED: "solid", GONE: "dotted", KILLED: "dotted", PAUSED: "dashed"}
    left, right = ax.get_xlim()
    for number, lane in enumerate(picture.lanes):
        if lane.is_host:
            ax.axhspan(number - 0.24, number + 0.24, color=HOST_BAND, zorder=0, linewidth=0)
        state, begin = "solid", left
        changes = [mark for mark in picture.marks if mark.lane == number and mark.what in after]
        if changes and changes[0].what == JOINED and not _is_used_before(picture, number, changes[0].at):
            state = "dotted"
        for mark in changes:
            at = min(max(picture.axis.place(mark.at), left), right)
            segments[state].append([(begin, number), (at, number)])
            state, begin = after[mark.what], at
        segments[state].append([(begin, number), (right, number)])
    for line, parts in segments.items():
        if parts:
            width = 1.3 if line == "solid" else 1.0
            ax.add_collection(
                LineCollection(parts, colors=LANE, linewidths=width, linestyles=line, zorder=1), autolim=False
            )


def _is_used_before(picture: Layout, lane: int, at: int) -> bool:
    return any(lane in (arrow.from_lane, arrow.to_lane) and arrow.start < at for arrow in picture.arrows)
