"""Handing the course out: a copy of the notebooks for a class, without the solutions.

``python -m agentlab.course.handout https://github.com/you/agentlab our-course`` writes them into the folder
``our-course``; the address is where Colab installs agentlab from.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from ..lab.jupyter import notebooks_folder
from .colab import REPOSITORY


def hand_out(folder: Path, repository: str, *, solutions: bool = False) -> list[Path]:
    """Copy the course into a folder that is not there yet; returns the notebooks. Raises FileExistsError."""
    ignored = shutil.ignore_patterns(
        "__pycache__", ".ipynb_checkpoints", "node_modules", *(() if solutions else ("solutions",))
    )
    shutil.copytree(notebooks_folder(), folder, ignore=ignored)
    notebooks = sorted(folder.rglob("*.ipynb"))
    for path in notebooks:
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(REPOSITORY, repository), encoding="utf-8")
    return notebooks


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Copy the course's notebooks for a class.")
    parser.add_argument("repository", help="where students can install agentlab from: https://github.com/you/agentlab")
    parser.add_argument("folder", type=Path, help="where the notebooks go; it must not be there yet")
    parser.add_argument("--solutions", action="store_true", help="with the solutions")
    wanted = parser.parse_args()
    try:
        notebooks = hand_out(wanted.folder, wanted.repository, solutions=wanted.solutions)
    except FileExistsError:
        parser.error(f"{wanted.folder} is there already: take another name.")
    print(f"{len(notebooks)} notebooks in {wanted.folder}")


if __name__ == "__main__":
    main()
