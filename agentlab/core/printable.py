"""Text from other processes, as it may stand on a line: without what would steer a terminal or turn the line around."""

from __future__ import annotations

import re
from typing import Final

_STEERING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, among them the one that begins a command to a terminal; and those that turn a line around."""


def printable(line: str) -> str:
    """One line, each character that would not be seen replaced by one that is."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", line)
