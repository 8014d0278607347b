"""A frame: one picture of a live timeline, and where on it everything is.

The picture is a PNG, drawn by matplotlib without pyplot; the *hits* say which message is where, in pixels, so that
the browser can tell what is under the pointer without asking. Measured with 200 messages (351 arrows), of a run that
goes on: 50 ms of processor to a PNG of 280 kB. An SVG takes longer, and the browser would then have to build a page
from it.
Read next: `agentlab.panels.live_timeline`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from textwrap import wrap
from typing import Any, Final

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agentlab.core.journal import EVENT, PROCESS, REQUEST

from .arrows import ends
from .chronicle import Chronicle, Copy
from .draw import bar_box, draw_content, draw_overview
from .glyphs import drawable
from .ground import measure
from .lens import Scene
from .life import tip
from .pixels import Image, drawn, png
from .ruler import duration
from .shapes import EMPTY
from .sheet import DPI, Sheets
from .stacks import mark_symbols
from .strip import draw_latencies
from .style import GREY, INK

WIDTH: Final = 1000
"""Pixels, when nobody says otherwise."""
NARROWEST: Final = 480
LEGEND_ROWS: Final = 2
"""The legend has room for so many rows even when it is shorter: a picture that grows and shrinks moves the page."""
_LEGEND_COLUMN: Final = 150
_LEGENDS_KEPT: Final = 64
_legends: dict[tuple[object, ...], Image] = {}


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame is one picture of a live timeline, with where on it everything is."""

    png: bytes
    width: int
    """In pixels of the page, as everything here; the picture may have more."""
    height: int
    axes: tuple[float, float, float, float]
    """Left, top, right and bottom of the part that shows time."""
    scale: list[list[float]]
    """Pairs of pixel and tick, from left to right; between two of them the scale is even."""
    hits: list[list[Any]]
    """Kind (``arrow``, ``bar``, ``point``), four numbers, and a place in `tips`."""
    tips: list[list[Any]]
    """The number of a message (-1 for a process), and the lines to show."""
    cells: dict[str, Any] | None
    """Of a density: the lanes' pixels, and the counts."""
    alt: str
    """What the picture shows, in words."""


def render(
    scene: Scene, chronicle: Chronicle, width: int = WIDTH, *, ratio: float = 1.0, sheets: Sheets | None = None
) -> Frame:
    """Draw a scene, `width` pixels of the page wide; `ratio` is how many pixels of the picture are one of those.

    With the same `sheets` again, the next frame takes less than half of the time.
    """
    width = max(NARROWEST, width)
    picture = scene.layout
    if not picture.lanes:
        return _empty(width, ratio)
    sheet = (sheets or Sheets()).take(scene, width, ratio)
    figure, ax, strip = sheet.figure, sheet.ax, sheet.strip
    measure(picture, ax)
    dense = scene.density
    legend = draw_content(picture, ax) if dense is None else draw_overview(dense, picture, ax)
    draw_latencies(scene, strip, ax)
    _caption(figure, picture.remarks(), width)
    images = [drawn(figure), *_legend(legend, width, ratio)]
    pixels = _Pixels(ax, ratio, round(figure.get_size_inches()[1] * DPI))
    hits, tips = _hits(scene, chronicle, pixels, ax)
    box = ax.get_window_extent()
    left, right = box.x0 / ratio, box.x1 / ratio
    top, bottom = pixels.down(box.y1), pixels.down(strip.get_window_extent().y0)
    return Frame(
        png(*images),
        width,
        round(sum(len(image) for image in images) / ratio),
        (left, top, right, bottom),
        _scale(scene, pixels),
        hits,
        tips,
        _cells(scene, pixels),
        _alt(scene),
    )


def _empty(width: int, ratio: float) -> Frame:
    figure = Figure(figsize=(width / DPI, 1.6), dpi=DPI * ratio, facecolor="white")
    figure.text(0.5, 0.5, EMPTY, ha="center", va="center", color=GREY, fontsize=12)
    return Frame(png(drawn(figure)), width, 160, (0, 0, width, 160), [], [], [], None, EMPTY)


def _caption(figure: Figure, remarks: list[str], width: int) -> None:
    """What is left out, over the lanes: at most two lines."""
    if not remarks:
        return
    lines = wrap(drawable("; ".join(remarks)), width // 6, max_lines=2, placeholder=" …")
    tall = figure.get_size_inches()[1]
    told = figure.text(0.1 / (width / DPI), 1 - 0.05 / tall, "\n".join(lines), ha="left", va="top")
    told.set(fontsize=7.5, color=INK, parse_math=False)


def _legend(handles: list[Artist], width: int, ratio: float) -> list[Image]:
    """The legend as rows of pixels. It takes 18 ms to draw and seldom changes, so it is kept."""
    columns = max(1, (width - 20) // _LEGEND_COLUMN)
    if not handles:
        return []
    key = (width, ratio, *(str(handle.get_label()) for handle in handles))
    if key not in _legends:
        if len(_legends) >= _LEGENDS_KEPT:
            _legends.clear()
        rows = max(LEGEND_ROWS, ceil(len(handles) / columns))
        figure = Figure(figsize=(width / DPI, 0.1 + 0.19 * rows), dpi=DPI * ratio, facecolor="white")
        figure.legend(
            handles=handles,
            loc="upper left",
            ncols=min(columns, len(handles)),
            frameon=False,
            fontsize=8,
            labelcolor=INK,
            handlelength=3.0,
            columnspacing=1.4,
            borderaxespad=0.3,
            borderpad=0,
        )
        _legends[key] = drawn(figure)
    return [_legends[key]]


class _Pixels:
    """Turns places of the picture into pixels of the page, counted from its upper left corner."""

    def __init__(self, ax: Axes, ratio: float, height: int) -> None:
        (x0, y0), (x1, y1) = ax.transData.transform([(0, 0), (1, 1)]) / ratio
        self._x, self._width, self._y, self._tall = x0, x1 - x0, height - y0, y0 - y1
        self._ratio, self._height = ratio, height

    def x(self, place: float) -> float:
        return round(float(self._x + self._width * place), 1)

    def y(self, lane: float) -> float:
        return round(float(self._y + self._tall * lane), 1)

    def down(self, display: float) -> float:
        """A height in matplotlib's pixels, counted from below."""
        return round(self._height - display / self._ratio, 1)


def _scale(scene: Scene, pixels: _Pixels) -> list[list[float]]:
    axis = scene.layout.axis
    ticks = [axis.first, *(tick for fold in axis.folds for tick in (fold.start, fold.end)), axis.last]
    return [[pixels.x(axis.place(tick)), tick] for tick in ticks]


def _hits(scene: Scene, chronicle: Chronicle, pixels: _Pixels, ax: Axes) -> tuple[list[list[Any]], list[list[Any]]]:
    picture = scene.layout
    hits: list[list[Any]] = []
    tips: list[list[Any]] = []
    places: dict[Copy, int] = {}
    latencies = chronicle.columns.latency_ns

    def tip_of(copy: Copy) -> int | None:
        if copy not in places:
            number = chronicle.number(copy)
            if number is None:
                return None
            places[copy] = len(tips)
            tips.append([number, *tip(chronicle.copies[number], int(latencies[number]))])
        return places[copy]

    for bar in picture.bars:
        kind = REQUEST if chronicle.number((bar.message_id, REQUEST, bar.agent)) is not None else EVENT
        place = tip_of((bar.message_id, kind, bar.agent))
        if place is not None:
            x0, top, x1, bottom = bar_box(bar, picture)
            hits.append(["bar", pixels.x(x0), pixels.y(top), pixels.x(x1), pixels.y(bottom), place])
    for arrow in picture.arrows:
        place = tip_of((arrow.message_id, arrow.kind, arrow.recipient))
        if place is not None:
            x0, y0, x1, y1 = ends(arrow, picture)
            hits.append(["arrow", pixels.x(x0), pixels.y(y0), pixels.x(x1), pixels.y(y1), place])
    for symbol in mark_symbols(picture, ax):
        for mark in symbol.marks:
            if mark.kind == PROCESS:
                place = len(tips)
                lines = [picture.lanes[mark.lane].name, mark.what, mark.detail[:160]]
                tips.append([-1, *(line for line in lines if line)])
            else:
                place = tip_of((mark.message_id, mark.kind, mark.recipient))
            if place is not None:
                hits.append(["point", *(2 * [pixels.x(symbol.x), pixels.y(symbol.y)]), place])
    return hits, tips


def _cells(scene: Scene, pixels: _Pixels) -> dict[str, Any] | None:
    dense = scene.density
    if dense is None:
        return None
    axis = scene.layout.axis
    return {
        "left": pixels.x(axis.place(dense.first)),
        "right": pixels.x(axis.place(dense.last)),
        "lanes": [[lane.name, pixels.y(number)] for number, lane in enumerate(scene.layout.lanes)],
        "counts": dense.counts.tolist(),
        "bad": dense.bad.tolist(),
    }


def _alt(scene: Scene) -> str:
    lanes = ", ".join(lane.name for lane in scene.layout.lanes)
    words = [f"Delivery timeline of {scene.shown:,} messages on the lanes {lanes}"]
    if scene.quantiles:
        words.append("latency p50 {}, p99 {}".format(*(duration(round(q)) for q in scene.quantiles)))
    return "; ".join([*words, *scene.layout.remarks()])
