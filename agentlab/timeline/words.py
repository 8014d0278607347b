"""Words that a live picture says again: drawn once, and kept as pixels.

Of a frame's time matplotlib takes most for its words, glyph by glyph (measured: 20 of 39 ms), and from frame to frame
they are nearly all the same.

matplotlib also reads a font's file for every letter, and each time another thread may take its turn: beside a cell that
computes without a pause, a picture took seconds. So the fonts are kept in memory.
Read next: `agentlab.timeline.pixels`, which uses this.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font

_KEPT: Final = 512
"""Words that are kept, of a few kilobytes each."""
_MARGIN: Final = 3
"""Pixels around a word that is drawn to be kept: a slanted letter leaves the box that is said to hold it."""

_Word = tuple[Any, int, int]
"""The pixels of red, green, blue and opacity, from below; how far right and down of the word's beginning they begin."""

_words: dict[tuple[Any, ...], _Word] = {}


class _Paper(RendererAgg):
    """A renderer whose fonts are in memory. If a later matplotlib asks for them in another way, it draws as before."""

    def __init__(self, width: float, height: float, dpi: float, fonts: dict[str, FT2Font] | None = None) -> None:
        super().__init__(width, height, dpi)  # type: ignore[no-untyped-call]  # matplotlib has no types there
        self._fonts: dict[str, FT2Font] = {} if fonts is None else fonts

    def _prepare_font(self, font_prop: FontProperties) -> FT2Font:
        path = findfont(font_prop)
        font = self._fonts.get(path)
        if font is None:
            font = self._fonts[path] = FT2Font(BytesIO(_contents(path)))
        font.clear()
        font.set_size(font_prop.get_size_in_points(), self.dpi)
        return font


@cache
def _contents(path: str) -> bytes:
    return Path(path).read_bytes()


class _Renderer(_Paper):
    """Draws level words from what is kept of them, on whole pixels."""

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, ismath: Any = False, mtext: Any = None
    ) -> None:
        """Draw a word that begins at `x`, on the line `y` pixels below the upper edge."""
        if angle or ismath or not s.strip():
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)  # type: ignore[no-untyped-call]
            return
        pixels, right, down = self._word(gc, s, prop, mtext)
        top = round(y) + down
        self.draw_image(gc, round(x) + right, self.height - top - len(pixels), pixels)

    def _word(self, gc: Any, s: str, prop: Any, mtext: Any) -> _Word:
        key = (s, hash(prop), gc.get_rgb(), gc.get_alpha(), self.dpi)
        word = _words.get(key)
        if word is None:
            if len(_words) >= _KEPT:
                _words.clear()
            word = _words[key] = self._drawn(gc, s, prop, mtext)
        return word

    def _drawn(self, gc: Any, s: str, prop: Any, mtext: Any) -> _Word:
        width, height, below = self.get_text_width_height_descent(s, prop, False)  # type: ignore[no-untyped-call]
        line = ceil(height - below) + _MARGIN
        paper = _Paper(ceil(width) + 2 * _MARGIN, line + ceil(below) + _MARGIN, self.dpi, self._fonts)
        pen = paper.new_gc()
        pen.copy_properties(gc)
        pen.set_clip_rectangle(None)
        pen.set_clip_path(None)
        paper.draw_text(pen, _MARGIN, line, s, prop, 0, False, mtext)  # type: ignore[no-untyped-call]
        upwards = np.array(paper.buffer_rgba())[::-1]  # type: ignore[no-untyped-call]  # as images are given
        return np.ascontiguousarray(upwards), -_MARGIN, -line


class Canvas(FigureCanvasAgg):
    """The canvas of a figure, with its renderer: the next time, that knows how wide its words are."""

    _own: _Renderer | None = None

    def get_renderer(self) -> RendererAgg:
        """The one renderer of this figure."""
        if self._own is None:
            self._own = _Renderer(*self.get_width_height(physical=True), self.figure.dpi)
        return self._own
