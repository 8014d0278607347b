"""The timeline as plain text: for screens without pictures, logs and screen readers.

Read next: `agentlab.timeline.style`, to change how the picture looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agentlab.core.journal import HANDLED, JournalEvent
from agentlab.core.printable import printable

from .labels import shortened
from .placing import layout
from .shapes import EMPTY, RUNNING, Arrow, Fate, LaneKind, Layout, Style

_LINES: Final[dict[Style, str]] = {"request": "──", "response": "╌╌", "event": "··", "error": "══"}
_HEADS: Final[dict[Style, str]] = {"request": "▶", "response": "▷", "event": "▶", "error": "▶"}
_FATES: Final[dict[Fate, str]] = {
    "lost": "✕",
    "dropped": "⊘",
    "failed": "✕",
    "in flight": "○",
    "late": "⊘",
    "timed out": "✕",
}


def text(run_or_journal: Iterable[JournalEvent], width: int = 100, *, lanes: LaneKind | None = None) -> str:
    """List the timeline in order of time, a line for each hop, handler and mark, cut to `width` characters.

    A line gives the time since the first event, the lanes, the message type, and what is remarkable.
    """
    return listing(layout(run_or_journal, lanes=lanes, fold=False), width)


def listing(picture: Layout, width: int = 100, limit: int | None = None) -> str:
    """List a layout, and no more than `limit` hops, handlers and marks of it."""
    if not picture.lanes:
        return f"{EMPTY}\n"
    names = [shortened(lane.name, 16) for lane in picture.lanes]
    column = max(len(name) for name in names)
    rows: list[tuple[int, str]] = []
    for arrow in picture.arrows:
        rows.append((arrow.start, _hop(arrow, names, column, picture)))
    for bar in picture.bars:
        took = f"{picture.axis.shown(bar.end - bar.start):.4g} {picture.axis.unit}"
        outcome = {HANDLED: f"handled in {took}", RUNNING: f"still running after {took}"}.get(
            bar.outcome, f"{bar.outcome} after {took}"
        )
        what = f"{'  ' * bar.level}{outcome}"
        rows.append((bar.start, _row(names[bar.lane], "▆", bar.agent, column, bar.label, what, bar.detail)))
    for mark in picture.marks:
        rows.append((mark.at, _row(names[mark.lane], "●", "", column, mark.label, mark.what, mark.detail)))
    times = [f"{picture.axis.shown(at):.{_digits(picture)}f}" for at, _ in rows]
    margin = max((len(time) for time in times), default=1)
    listed = [
        f"{time:>{margin}}  {row}" for time, (_, row) in sorted(zip(times, rows, strict=True), key=lambda r: r[1][0])
    ]
    if limit is not None and len(listed) > limit:
        hidden = len(listed) - limit
        left_out = f"… {hidden} lines left out: agentlab.timeline.text(run) lists all …"
        listed = [*listed[: limit // 2], left_out, *listed[limit // 2 + hidden :]]
    head = f"{picture.axis.unit} since the first event; lanes: {', '.join(lane.name for lane in picture.lanes)}"
    return "\n".join(_cut(printable(line), width) for line in (head, *listed, *picture.remarks())) + "\n"


def _digits(picture: Layout) -> int:
    """Enough digits after the point to tell messages on one machine apart, which take tens of microseconds."""
    return {"µs": 1, "ms": 2, "s": 4}[picture.axis.unit]


def _hop(arrow: Arrow, names: list[str], column: int, picture: Layout) -> str:
    line = _LINES[arrow.style]
    head = _HEADS[arrow.style] if arrow.fate == "arrived" else _FATES[arrow.fate]
    target = "?" if arrow.to_lane is None else names[arrow.to_lane]
    took = f"{picture.axis.shown(arrow.end - arrow.start):.3g} {picture.axis.unit}"
    what: str = arrow.style if arrow.style != "event" else "published event"
    if arrow.fate != "arrived":
        what += f", {arrow.fate}"
    elif arrow.estimated:
        what += ", time estimated"
    else:
        what += f", {took}"
    return _row(names[arrow.from_lane], line + head, target, column, arrow.label, what, arrow.detail)


def _row(left: str, sign: str, right: str, column: int, label: str, what: str, detail: str) -> str:
    first_line = detail.partition("\n")[0]
    why = f": {first_line}" if first_line else ""
    return f"{left:>{column}} {sign:^3} {right:<{column}}  {label:<18} {what}{why}".rstrip()


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: max(0, width - 1)] + "…"
