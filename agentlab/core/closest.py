"""Offering a known name where an unknown one was given."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

ALIKE = 0.5
"""How much alike two names must be, of 1, for one to be taken for the other, mistyped."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """What an error's text goes on with: `` Did you mean 'worker-1'?``, or nothing when no known name is close."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=ALIKE)
    return f" Did you mean {close[0]!r}?" if close else ""
