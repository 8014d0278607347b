"""The course's exercises: what checks an answer, and gives a hint.

One module a notebook (`n03` for ``03_direct_messages.ipynb``) holds its exercises: a check each, with the hints beside
it. Read in this order: `verdict`, `expecting`, `exercises`, `checking`, then any of the notebooks' modules.
"""

from __future__ import annotations

from .checking import check, hint
from .exercises import Exercise, UnknownExerciseError, exercise
from .expecting import Wrong, attempt, eventually, expect, rejected
from .verdict import Hint, Verdict

__all__ = [
    "Exercise",
    "Hint",
    "UnknownExerciseError",
    "Verdict",
    "Wrong",
    "attempt",
    "check",
    "eventually",
    "exercise",
    "expect",
    "hint",
    "rejected",
]
