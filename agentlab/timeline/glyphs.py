"""Text from other processes, made fit for drawing: names may hold anything that a message can carry.

A dollar sign is no formula, a line break no second line, and what the font cannot draw is a box.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text

_BOX: Final = "□"


@cache
def _known() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())


def drawable(text: str) -> str:
    """The text with a box for everything that matplotlib's own font cannot draw on one line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() and ord(c) in _known() else _BOX for c in text)


def as_it_is(text: Text) -> None:
    """Let a text be drawn as it is, without formulas."""
    text.set_parse_math(False)
    text.set_text(drawable(text.get_text()))
