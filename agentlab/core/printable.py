"""Text from other processes, as it may stand on a line: without what would steer a terminal or turn the line around."""

from __future__ import annotations

import html
import re
from typing import Final

_STEERING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, among them the one that begins a command to a terminal; and those that turn a line around."""

_BUT_LINES: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

NO_MATH: Final = "mathjax_ignore"
"""The class of HTML in which a notebook leaves dollars what they are, and typesets nothing between them."""


def printable(line: str) -> str:
    """One line, each character that would not be seen replaced by one that is."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", line)


def escaped(value: object) -> str:
    """Text of any number of lines as HTML, in which it is seen as it is, and nothing in it does anything."""
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")
    return html.escape(_BUT_LINES.sub("\N{REPLACEMENT CHARACTER}", text))
