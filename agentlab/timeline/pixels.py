"""Pixels into a PNG, quickly: what a live picture needs five times a second.

Pillow tries five filters on every row and takes twice as long, for a file of the same size: flat colours need none.
The format is RFC 2083's: a signature, then chunks of length, name, data and checksum.

matplotlib reads a font's file for every letter, and each time another thread may take its turn: beside a cell that
computes without a pause, a picture took seconds. So the fonts are kept in memory.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font

Image: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
"""Rows of pixels of red, green and blue."""

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_RGB: Final = 2
_QUICK: Final = 1


class _Renderer(RendererAgg):
    """A renderer whose fonts are in memory. If a later matplotlib asks for them in another way, it draws as before."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__(width, height, dpi)  # type: ignore[no-untyped-call]  # matplotlib has no types there
        self._fonts: dict[str, FT2Font] = {}

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


class _Canvas(FigureCanvasAgg):
    """The canvas of a figure, with its renderer: the next time, that knows how wide its words are."""

    _own: _Renderer | None = None

    def get_renderer(self) -> RendererAgg:
        if self._own is None:
            self._own = _Renderer(*self.get_width_height(physical=True), self.figure.dpi)
        return self._own


def drawn(figure: Figure) -> Image:
    """The figure as pixels. Between two times, it must not change its size."""
    canvas = figure.canvas if isinstance(figure.canvas, _Canvas) else _Canvas(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib has no types there, nor in the next line
    image: Image = np.asarray(canvas.buffer_rgba())[:, :, :3]  # type: ignore[no-untyped-call]
    return image


def png(*images: Image) -> bytes:
    """Images of one width as a PNG file, one below the other."""
    height, width = sum(len(image) for image in images), images[0].shape[1]
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row begins with its filter: 0 is none
    at = 0
    for image in images:
        rows[at : at + len(image), 1:].reshape(len(image), width, 3)[:] = image
        at += len(image)
    head = struct.pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 0)
    data = zlib.compress(rows, _QUICK)  # type: ignore[arg-type]  # an array is a buffer, which zlib takes
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
