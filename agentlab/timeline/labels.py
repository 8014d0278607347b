"""Where the labels of arrows go: beside the arrow, and never over another label.

Pure geometry in pixels; a label for which there is no free place is left out, because a picture with some
labels reads better than one with overlapping ones. Read next: `agentlab.timeline.draw`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

CHARACTER_WIDTH: Final = 0.6
"""Mean width of a character in font sizes: measured on DejaVu Sans, matplotlib's own font, rounded up."""
_PLACES: Final = (0.5, 0.38, 0.62, 0.28, 0.72, 0.18, 0.82)
"""Where on its arrow a label may stand, best first, from 0 (the tail) to 1 (the head)."""


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two share any area."""
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )

    def crossed_by(self, line: Line) -> bool:
        """Whether a straight line passes through the box (Liang and Barsky's clipping)."""
        x0, y0, x1, y1 = line
        enter, leave = 0.0, 1.0
        for delta, low, high in (
            (x1 - x0, self.left - x0, self.right - x0),
            (y1 - y0, self.bottom - y0, self.top - y0),
        ):
            if delta == 0:
                if low > 0 or high < 0:
                    return False
                continue
            first, last = sorted((low / delta, high / delta))
            enter, leave = max(enter, first), min(leave, last)
        return enter < leave


Line = tuple[float, float, float, float]
"""A straight line in pixels: x and y of its tail, x and y of its head."""


def place_labels(
    wanted: Sequence[tuple[str, Line]], size: float, frame: Box, lines: Iterable[Line], needed: int
) -> list[tuple[float, float] | None]:
    """Find a place for each label beside its line: the middle left point of its text, or None.

    `size` is the font size in pixels, `frame` is where labels may stand, and `lines` are those that labels
    should not cover. First come, first served. A place that no line crosses is preferred; the first `needed`
    labels may also hide a bit of an arrow, the others are rather left out.
    """
    obstacles = list(lines)
    taken: list[Box] = []
    places: list[tuple[float, float] | None] = []
    for number, (text, line) in enumerate(wanted):
        free = [
            box
            for box in _boxes(text, line, size)
            if frame.left <= box.left and box.right <= frame.right and not any(map(box.overlaps, taken))
        ]
        clear = next((box for box in free if not any(map(box.crossed_by, obstacles))), None)
        best = clear
        if not clear and number < needed:
            best = min(free, key=lambda box: sum(map(box.crossed_by, obstacles)), default=None)
        if best:
            taken.append(best)
        places.append((best.left, (best.bottom + best.top) / 2) if best else None)
    return places


def _boxes(text: str, line: Line, size: float) -> Iterable[Box]:
    x0, y0, x1, y1 = line
    width, half, gap = len(text) * size * CHARACTER_WIDTH, size * 0.62, size * 0.45
    if abs(y1 - y0) < half:  # nearly level: over or under the line instead of beside it
        for place in _PLACES:
            left = x0 + (x1 - x0) * place - width / 2
            for middle in (max(y0, y1) + half + gap / 3, min(y0, y1) - half - gap / 3):
                yield Box(left, middle - half, left + width, middle + half)
        return
    for place in _PLACES:
        x, y = x0 + (x1 - x0) * place, y0 + (y1 - y0) * place
        # beside a slanted line the text must stay clear of it over its whole height
        slant = abs((x1 - x0) / (y1 - y0)) * half
        yield Box(x + gap + slant, y - half, x + gap + slant + width, y + half)
        yield Box(x - gap - slant - width, y - half, x - gap - slant, y + half)


def shortened(name: str, limit: int = 24) -> str:
    """A name cut to at most `limit` characters, in the middle: what tells names apart is mostly at their ends."""
    if len(name) <= limit:
        return name
    tail = (limit - 1) // 2
    return f"{name[: limit - 1 - tail]}…{name[len(name) - tail :]}"
