"""The exercises, by number: each notebook's module registers its own with a decorator."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

CHECK_LIMIT_S: Final = 20.0
"""How long a check takes at most, unless it says otherwise: a student looks at it all the while."""

Check = Callable[..., Awaitable[str]]
"""Takes what the student made; returns what it did well, or raises `Wrong`."""

_NUMBER = re.compile(r"(\d\d)\.(\d+)")


class UnknownExerciseError(LookupError):
    """There is no exercise of this number."""


@dataclass(frozen=True)
class Exercise:
    """An exercise: its number and title, what checks an answer to it, and hints from the first nudge to nearly all."""

    number: str
    """``03.2``: the second exercise of notebook 03."""
    title: str
    hints: tuple[str, ...]
    check: Check
    limit_s: float

    @property
    def call(self) -> str:
        """How its check is called: ``await check("03.2", lab)``."""
        return f"await check({', '.join([_quoted(self.number), *inspect.signature(self.check).parameters])})"


_known: dict[str, Exercise] = {}


def exercise(number: str, title: str, *hints: str, limit_s: float = CHECK_LIMIT_S) -> Callable[[Check], Check]:
    """Register the decorated async function as the check of an exercise.

    Its parameters are what the student passes to `check` after the number. It looks at behaviour (replies, the
    journal, what is raised), and returns a sentence on what it saw; it raises `Wrong` for an answer that falls short.
    """
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"An exercise is called like 03.2, not {number!r}.")
    if not hints:
        raise ValueError(f"Exercise {number} needs a hint.")

    def register(function: Check) -> Check:
        _known[number] = Exercise(number, title, hints, function, limit_s)
        return function

    return register


def all_exercises() -> list[Exercise]:
    """The exercises of all notebooks, in their order."""
    for module in _modules():
        importlib.import_module(f"{_PACKAGE}.{module}")
    return sorted(_known.values(), key=lambda e: tuple(map(int, e.number.split("."))))


def find(number: object) -> Exercise:
    """Raises UnknownExerciseError, with the closest number there is, of the same notebook if it has exercises."""
    if isinstance(number, str):
        if (module := f"n{number[:2]}") in _modules():
            importlib.import_module(f"{_PACKAGE}.{module}")
        if number in _known:
            return _known[number]
    titles = {e.number: e.title for e in all_exercises()}
    text = f"There is no exercise {number!r}."
    here = [known for known in titles if known[:2] == str(number)[:2]]  # who mistypes is seldom in another notebook
    if close := difflib.get_close_matches(str(number), here or titles, n=1, cutoff=0.5):
        text += f" Did you mean {_quoted(close[0])} ({titles[close[0]]})?"
    notebooks = sorted({known[:2] for known in titles})
    raise UnknownExerciseError(f"{text} Notebooks with exercises: {', '.join(notebooks)}.")


_PACKAGE: Final = __name__.rpartition(".")[0]


def _modules() -> list[str]:
    """The modules with a notebook's exercises: n03 for notebook 03."""
    names = [module.name for module in pkgutil.iter_modules(importlib.import_module(_PACKAGE).__path__)]
    return [name for name in names if re.fullmatch(r"n\d\d", name)]


def _quoted(number: str) -> str:
    return f'"{number}"'
