"""Drawing what stands for very many messages, and the strip of latencies under the lanes.

Read next: `agentlab.timeline.frame`, which puts the picture together.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from .density import Density
from .lens import Scene
from .ruler import duration
from .shapes import Layout
from .style import BLUE, GREY, INK, LANE, SKY, VERMILION

_HALF: Final = 0.42
"""How far the fullest bin reaches to both sides of its lane."""


def draw_density(dense: Density, picture: Layout, ax: Axes) -> list[Artist]:
    """Draw on each lane how many messages begin or end there, and return the handles of the legend."""
    axis = picture.axis
    edges = np.linspace(axis.place(dense.first), axis.place(dense.last), dense.bins + 1)
    most = max(1, int(dense.counts.max(initial=1)))
    legend: list[Artist] = []
    for counts, face, edge, label in (
        (dense.counts, "#9CC9E6", BLUE, f"messages, up to {most:,} in {_bin(dense, picture)}"),
        (dense.bad, VERMILION, INK, "not handled, dropped, late or lost"),
    ):
        shapes = [box for lane, row in enumerate(counts) for box in _boxes(edges, _heights(row, most), lane)]
        if shapes:
            # one colour for all, and no edges within: a path for every box would take three times as long
            drawn = PolyCollection(shapes, facecolors=face, edgecolors="face", linewidths=0.3, zorder=2, label=label)
            drawn.set_antialiased(False)
            ax.add_collection(drawn, autolim=False)
            legend.append(Patch(facecolor=face, edgecolor=edge, label=label))
    return legend


def _bin(dense: Density, picture: Layout) -> str:
    axis = picture.axis
    drawn = (axis.place(dense.last) - axis.place(dense.first)) * axis.ticks_per_unit
    width = max(1, round(drawn / dense.bins))
    return f"{width} ticks" if picture.axis.is_logical else duration(width)


def _heights(counts: Any, most: int) -> Any:
    """Square roots: areas are compared, and a bin with one message is still seen beside one with thousands."""
    return _HALF * np.sqrt(counts / most)


def _boxes(edges: Any, heights: Any, lane: int) -> list[list[tuple[float, float]]]:
    """One box for each stretch of bins of one height."""
    borders = [0, *(np.flatnonzero(np.diff(heights)) + 1).tolist(), len(heights)]
    boxes = []
    for begin, end in pairwise(borders):
        half = float(heights[begin])
        if half > 0:
            x0, x1 = float(edges[begin]), float(edges[end])
            boxes.append([(x0, lane - half), (x1, lane - half), (x1, lane + half), (x0, lane + half)])
    return boxes


def draw_latencies(scene: Scene, strip: Axes, lanes: Axes) -> None:
    """Draw the latency of what is visible, below the lanes and on the same time axis; p50 and p99 are written at the
    right."""
    axis, dense = scene.layout.axis, scene.density
    strip.set_xlim(lanes.get_xlim())
    for side in ("top", "right", "bottom"):
        strip.spines[side].set_visible(False)
    strip.spines["left"].set_color(LANE)
    if strip.get_yscale() != "log":
        strip.set_xticks([])
        strip.set_yticks([])
    strip.text(
        0.004, 1.02, "latency, sent to received", transform=strip.transAxes, va="bottom", fontsize=7.5, color=GREY
    )
    if scene.quantiles is None:
        return
    if strip.get_yscale() != "log":
        strip.set_yscale("log")
        strip.yaxis.set_major_locator(NullLocator())
        strip.yaxis.set_minor_locator(NullLocator())
    p50, p99 = (max(1.0, value) for value in scene.quantiles)
    low, high = p50, p99
    if dense is None:
        times = [axis.place(tick) for tick, _ in scene.latencies]
        values = [max(1, latency) for _, latency in scene.latencies]
        low, high = min([low, *values]), max([high, *values])
        strip.scatter(times, values, s=7, c=SKY, edgecolors=BLUE, linewidths=0.4, zorder=3)
    else:
        middles = np.linspace(axis.place(dense.first), axis.place(dense.last), 2 * dense.bins + 1)[1::2]
        strip.add_line(Line2D(middles, dense.median, color=BLUE, linewidth=1.0))
        strip.add_line(Line2D(middles, dense.p99, color=BLUE, linewidth=1.0, linestyle="dotted"))
        low, high = min(low, float(np.nanmin(dense.median))), max(high, float(np.nanmax(dense.p99)))
    bottom, top = max(1.0, low) / 1.6, max(low * 1.5, high) * 1.6
    strip.set_ylim(bottom, top)
    for value, side in ((top, "top"), (bottom, "bottom")):
        shown = strip.text(-0.006, value, duration(round(value)), transform=strip.get_yaxis_transform())
        shown.set(ha="right", va=side, fontsize=7, color=GREY)
    words = f"p50 {duration(round(p50))} (line), p99 {duration(round(p99))} (dots)"
    strip.text(1, 1.02, words, transform=strip.transAxes, ha="right", va="bottom", fontsize=7.5, color=INK)
    strip.axhline(p50, color=INK, linewidth=0.7, zorder=2)
    strip.axhline(p99, color=INK, linewidth=0.7, linestyle="dotted", zorder=2)
