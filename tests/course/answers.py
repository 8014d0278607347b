"""The answers to the exercises, right and wrong: one file a notebook, ``answers/03.py``, in cells.

A cell begins with ``# %% 03.2 solution`` or ``# %% 03.2 wrong: what is wrong with it``, and is what a student could
have written into the exercise's cell. It runs in the notebook's kernel, after the notebook itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "answers"
_HEAD = re.compile(r"# %% (?P<number>\d\d\.\d+) (?:solution|wrong: (?P<wrong>.+))")


SOLUTION = "solution"


@dataclass
class Answers:
    """The answers to one exercise."""

    cells: dict[str, str] = field(default_factory=dict)
    """In the order in which they run: ``solution``, and wrong ones by what is wrong with them."""

    @property
    def solution(self) -> str:
        """The right answer; empty when there is none."""
        return self.cells.get(SOLUTION, "")

    @property
    def wrong(self) -> dict[str, str]:
        """Plausible wrong answers."""
        return {name: source for name, source in self.cells.items() if name != SOLUTION}


def answers_of(stem: str) -> dict[str, Answers]:
    """All answers for a notebook, given as ``03_direct_messages``, by the exercises' numbers."""
    path = FOLDER / f"{stem[:2]}.py"
    return parse(path.read_text(encoding="utf-8")) if path.exists() else {}


def parse(text: str) -> dict[str, Answers]:
    """Raises ValueError for a cell with a head that is none."""
    found: dict[str, Answers] = {}
    for cell in re.split(r"^(?=# %%)", text, flags=re.MULTILINE):
        head, _, source = cell.partition("\n")
        if not head.startswith("# %%"):
            continue  # the file's own docstring
        match = _HEAD.fullmatch(head.strip())
        if match is None:
            raise ValueError(f"A cell begins with '# %% 03.2 solution' or '# %% 03.2 wrong: why', not with {head!r}.")
        answers = found.setdefault(match["number"], Answers())
        answers.cells[match["wrong"] or SOLUTION] = source.strip()
    return found
