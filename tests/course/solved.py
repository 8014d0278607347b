"""Makes ``notebooks/solutions/``: each notebook with its exercises solved, by ``python -m tests.course.solved``.

Nothing is written twice: the cells are the notebook's own, the solutions those that the tests run. It also sees to it
that each notebook begins with the cell for Colab.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import nbformat

from agentlab.course.colab import FIRST_CELL

from .answers import answers_of

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SOLUTIONS = NOTEBOOKS / "solutions"
EXERCISE = "exercise"
"""The key in the metadata of a code cell that holds a stub; the value is the exercise's number."""

_RELATIVE_LINK = re.compile(r"\]\((?!https?:|#)")
_RELATIVE_PATH = re.compile(r'"(?=(?:runs|workers|pictures)/)')


def notebooks() -> list[Path]:
    """The course's notebooks, in their order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def solved(notebook: Any, stem: str) -> Any:
    """The notebook with its exercises solved; paths and links lead one folder up."""
    answers = answers_of(stem)
    done = copy.deepcopy(notebook)
    for cell in done.cells:
        number = cell.metadata.get(EXERCISE)
        if number in answers:
            cell.source = answers[number].solution
        pattern, up = (_RELATIVE_LINK, "](../") if cell.cell_type == "markdown" else (_RELATIVE_PATH, '"../')
        cell.source = pattern.sub(up, cell.source)
    note = f"*This is [the notebook](../{stem}.ipynb) with its exercises solved. There are other right answers.*"
    head = nbformat.v4.new_markdown_cell(note, id=f"{stem[:2]}-solved")
    done.cells.insert(0, head)
    return done


def with_first_cell(notebook: Any, stem: str) -> Any:
    """The notebook with the cell for Colab as its first code cell, folded away."""
    done = copy.deepcopy(notebook)
    cells = [cell for cell in done.cells if not cell.id.endswith("-colab")]
    first = next(index for index, cell in enumerate(cells) if cell.cell_type == "code")
    folded = {"jupyter": {"source_hidden": True}}
    cells.insert(first, nbformat.v4.new_code_cell(FIRST_CELL, id=f"{stem[:2]}-colab", metadata=folded))
    done.cells = cells
    return done


def text(notebook: Any) -> str:
    """How a notebook is stored."""
    written: str = nbformat.writes(notebook, indent=1, ensure_ascii=False)
    return written.rstrip("\n") + "\n"


def main() -> None:
    """Write all of them."""
    SOLUTIONS.mkdir(exist_ok=True)
    for path in notebooks():
        notebook = with_first_cell(nbformat.read(path, as_version=4), path.stem)
        path.write_text(text(notebook), encoding="utf-8")
        if answers_of(path.stem):
            (SOLUTIONS / path.name).write_text(text(solved(notebook, path.stem)), encoding="utf-8")
            print(SOLUTIONS / path.name)


if __name__ == "__main__":
    main()
