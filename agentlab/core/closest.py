"""Offering a known name where an unknown one was given."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

ALIKE = 0.5
"""How much alike two names must be, of 1, for one to be taken for the other, mistyped."""
LONGEST = 64
"""Characters of a name that is compared: the time grows with their square."""
MOST = 100
"""So many known names are compared. A host does this for whoever writes to nobody, and others wait meanwhile."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """What an error's text goes on with: `` Did you mean 'worker-1'?``, or nothing when no known name is close."""
    wanted = str(name)
    compared = islice((other for other in known if len(other) <= LONGEST), MOST if len(wanted) <= LONGEST else 0)
    close = difflib.get_close_matches(wanted, list(compared), n=1, cutoff=ALIKE)
    return f" Did you mean {close[0]!r}?" if close else ""
