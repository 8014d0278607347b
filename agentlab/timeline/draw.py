"""Drawing the timeline with matplotlib.

The picture is made of a few large collections (one per style, not an artist per arrow: 2 to 3 times faster) on
a bare `matplotlib.figure.Figure`: pyplot keeps every figure it makes alive, and a notebook makes many. Read
next: `agentlab.timeline.listing`, which shows the same in plain text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from agentlab.core.journal import FAILED, Journal, JournalEvent
from agentlab.core.run import Run

from .arrows import draw_arrows, ends, label_arrows
from .density import Density
from .glyphs import as_it_is
from .ground import draw_breaks, draw_lanes, draw_spans, prepare, room_over
from .overview import overview
from .picture import Picture
from .placing import layout
from .shapes import EMPTY, Bar, LaneKind, Layout
from .stacks import mark_symbols
from .strip import draw_density
from .style import BARS, ESTIMATED, FAINT, FATES, GREY, INK, MARKS, QUIET_MARKS, WHITE, SymbolLook

FORMATS: Final = (".svg", ".png", ".pdf")
_BAR: Final = 0.17
"""Height of a handler bar; a lane is 1 high."""
_COUNT_SIZE: Final = 7.0
"""Points: the number beside a symbol that stands for several marks."""


def plot(
    run_or_journal: Iterable[JournalEvent],
    ax: Axes | None = None,
    *,
    lanes: LaneKind | None = None,
    fold: bool = True,
    title: str | None = None,
) -> Figure:
    """Draw the timeline of a run, a journal, or any events, and return the figure: a `Picture`, which a notebook
    shows.

    With `ax` it is drawn there, and `ax`'s figure is returned. ``lanes="agent"`` gives each agent a lane instead
    of each process; the standalone runtime's agents have one anyway. Long waits are cut short, and say how long
    they were; with ``fold=False`` the time axis is true everywhere. More than `ONE_BY_ONE` message copies are shown
    as an overview: how many there were on each lane, and when. The picture says so.
    """
    picture, dense = _laid_out(run_or_journal, lanes, fold)
    if ax is None:
        figure: Figure = Picture.for_layout(picture, bool(title), dense)
        ax = figure.axes[0]
    else:
        figure = ax.figure if isinstance(ax.figure, Figure) else ax.figure.figure
    draw(picture, ax, dense)
    if title:
        ax.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=10 + 72 * room_over(picture))
    return figure


def _laid_out(source: Iterable[JournalEvent], lanes: LaneKind | None, fold: bool) -> tuple[Layout, Density | None]:
    """What is drawn: every message, or of very many an overview."""
    if lanes in ("process", "agent", None):
        events = list(source)
        wanted, note = (source.lanes, source.note) if isinstance(source, Run) else ((), "")
        let_go = source.let_go if isinstance(source, Run | Journal) else 0
        scene = overview(events, wanted, note, lanes=lanes, fold=fold)
        if scene is not None:
            return replace(scene.layout, let_go=let_go), scene.density
    return layout(source, lanes=lanes, fold=fold), None


def save(
    run_or_journal: Iterable[JournalEvent],
    path: str | Path,
    *,
    lanes: LaneKind | None = None,
    fold: bool = True,
    title: str | None = None,
) -> Path:
    """Draw the timeline into a file and return its path. The suffix says the format: svg, png or pdf.

    Raises ValueError for another suffix, before anything is drawn.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"A timeline can be saved as {', '.join(FORMATS)}, not as {path.suffix or 'nothing'!r}: {path}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    plot(run_or_journal, lanes=lanes, fold=fold, title=title).savefig(path, dpi=150)
    return path


def draw(picture: Layout, ax: Axes, dense: Density | None = None) -> None:
    """Draw a layout into axes; with a density, that takes the place of what there is too much of."""
    if not picture.lanes:
        ax.set_axis_off()
        ax.text(0.5, 0.5, EMPTY, transform=ax.transAxes, ha="center", va="center", color=GREY, fontsize=12)
        return
    prepare(picture, ax)
    legend = draw_content(picture, ax) if dense is None else draw_overview(dense, picture, ax)
    remarks = picture.remarks()
    below = ax.get_window_extent().height / ax.figure.dpi  # axes height in inches: the legend keeps its distance
    if legend:
        ax.legend(
            handles=legend,
            loc="upper left",
            bbox_to_anchor=(0, -0.48 / below),
            ncols=min(len(legend), Picture.LEGEND_COLUMNS),
            frameon=False,
            fontsize=8,
            labelcolor=INK,
            handlelength=3.4,
            columnspacing=1.6,
            borderaxespad=0,
            borderpad=0,
        )
    if remarks:
        told = ax.text(
            0,
            -0.29 / below,
            "; ".join(remarks),
            transform=ax.transAxes,
            ha="left",
            va="center",
            fontsize=7.5,
            color=GREY,
        )
        as_it_is(told)


def draw_content(picture: Layout, ax: Axes) -> list[Artist]:
    """Draw a layout that has lanes into axes that are prepared, and return the handles of its legend."""
    spans = draw_spans(picture, ax)
    draw_lanes(picture, ax)
    draw_breaks(picture, ax)
    legend = [*spans, *_draw_bars(picture, ax), *draw_arrows(picture, ax), *_draw_symbols(picture, ax)]
    label_arrows(picture, ax)
    return legend


def draw_overview(dense: Density, picture: Layout, ax: Axes) -> list[Artist]:
    """Draw a density, and over it what happened to the processes and the few messages that stand out; return the
    handles of the legend."""
    spans = draw_spans(picture, ax)
    draw_lanes(picture, ax)
    draw_breaks(picture, ax)
    for arrow in picture.arrows:  # an arrow is hard to find where a whole run is shown
        ax.axvline(picture.axis.place(arrow.start), color=INK, linewidth=0.6, linestyle="dotted", zorder=2.6)
    return [*spans, *draw_density(dense, picture, ax), *draw_arrows(picture, ax), *_draw_symbols(picture, ax)]


def bar_box(bar: Bar, picture: Layout) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a handler's bar, in data coordinates."""
    # levels share what room a lane has, so that a busy lane does not grow into the next one
    step = min(_BAR * 0.62, 0.3 / picture.lanes[bar.lane].levels)
    top = bar.lane - _BAR / 2 + bar.level * step
    return picture.axis.place(bar.start), top, picture.axis.place(bar.end), top + _BAR


def _draw_bars(picture: Layout, ax: Axes) -> list[Artist]:
    legend: list[Artist] = []
    for outcome, look in BARS.items():
        bars = [bar for bar in picture.bars if bar.outcome == outcome]
        if not bars:
            continue
        for faint in (True, False):
            boxes, failures = [], []
            for bar in bars:
                if picture.is_faint(bar.message_id) == faint:
                    x0, top, x1, bottom = bar_box(bar, picture)
                    boxes.append([(x0, top), (x1, top), (x1, bottom), (x0, bottom)])
                    failures.append((x1, (top + bottom) / 2))
            if not boxes:
                continue
            drawn = PolyCollection(boxes, facecolor=look.face, edgecolor=look.edge, linewidths=1.0, zorder=2)
            drawn.set(hatch=look.hatch, linestyle=look.dashes, label=outcome, alpha=FAINT if faint else None)
            ax.add_collection(drawn, autolim=False)
            if outcome == FAILED:
                _scatter(ax, failures, MARKS[FAILED], 5, faint)
        shown = Patch(facecolor=look.face, edgecolor=look.edge, linewidth=1.0, label=look.legend)
        shown.set(hatch=look.hatch, linestyle=look.dashes)
        legend.append(shown)
    return legend


def _draw_symbols(picture: Layout, ax: Axes) -> list[Artist]:
    """The ends of arrows that did not arrive, and the marks on lanes."""
    places: dict[tuple[SymbolLook, bool], list[tuple[float, float]]] = {}
    for arrow in picture.arrows:
        if arrow.fate != "arrived":
            faint = picture.is_faint(arrow.message_id, arrow.kind)
            places.setdefault((FATES[arrow.fate], faint), []).append(ends(arrow, picture)[2:])
        elif arrow.estimated:
            x0, y0, x1, y1 = ends(arrow, picture)
            faint = picture.is_faint(arrow.message_id, arrow.kind)
            places.setdefault((ESTIMATED, faint), []).append((x0 + (x1 - x0) / 4, y0 + (y1 - y0) / 4))
    for symbol in mark_symbols(picture, ax):
        places.setdefault((symbol.look, symbol.is_faint), []).append((symbol.x, symbol.y))
        if len(symbol.marks) > 1:
            right = (0.6 * symbol.look.area**0.5, 0)  # points
            number = f"({len(symbol.marks)})"
            count = ax.annotate(number, (symbol.x, symbol.y), xytext=right, textcoords="offset points")
            count.set(va="center_baseline", fontsize=_COUNT_SIZE, color=INK, zorder=6)
            count.set(path_effects=[withStroke(linewidth=2.0, foreground=WHITE, alpha=0.85)])
            count.set(alpha=FAINT if symbol.is_faint else None)
    legend: list[Artist] = []
    explained = set()
    for (look, faint), points in places.items():
        is_seen = _scatter(ax, points, look, 5 if look in QUIET_MARKS.values() else 6, faint)
        if not is_seen or look in explained:
            continue
        explained.add(look)
        shown = Line2D([], [], linestyle="none", marker=look.marker, markersize=look.area**0.5, label=look.legend)
        shown.set(markerfacecolor=look.face, markeredgecolor=look.edge, markeredgewidth=_edge_width(look))
        legend.append(shown)
    return legend


def _scatter(ax: Axes, points: list[tuple[float, float]], look: SymbolLook, zorder: float, faint: bool) -> bool:
    """Draw symbols; False when none of them is within the picture. They may stand a little over its edge."""
    left, right = ax.get_xlim()
    points = [point for point in points if left <= point[0] <= right]
    if not points:
        return False
    xs, ys = zip(*points, strict=True)
    shown = ax.scatter(xs, ys, s=look.area, c=look.edge, marker=look.marker, zorder=zorder, clip_on=False)
    shown.set(facecolor=look.face, edgecolor=look.edge, linewidth=_edge_width(look), alpha=FAINT if faint else None)
    return True


def _edge_width(look: SymbolLook) -> float:
    if look.marker.startswith("$"):  # a glyph has its own strokes
        return 0.6
    return 2.0 if look.marker in ("x", "|") else 0.9
