"""Executes notebooks, several at a time: first from top to bottom with the stubs, then every answer to every exercise.

One kernel a notebook: the cells up to the last one run as they are; then each exercise's cell is run again with the
wrong answers and with the solution (in the order of their file), its check after each; then the last cell, which stops
the lab.
"""

from __future__ import annotations

import asyncio
import copy
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbclient import NotebookClient
from until import until

from agentlab.course.verdict import MIME

from .answers import SOLUTION, Answers, answers_of
from .solved import EXERCISE, NOTEBOOKS, SOLUTIONS

CELL_LIMIT_S = 90
AT_A_TIME = 3
"""They mostly wait for each other's processes, on any number of processors."""

STUB = "stub"


@dataclass
class Execution:
    """What executing a notebook showed."""

    cells: list[Any] = field(default_factory=list)
    """Its cells, with the outputs of the way from top to bottom."""
    seconds: float = 0.0
    """How long that way took."""
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By exercise: what its check said of the stub, of the solution, and of each wrong answer."""
    warnings: list[str] = field(default_factory=list)
    failure: str = ""
    """Why it did not get to its end."""


def stub_cells(cells: Sequence[Any]) -> dict[str, int]:
    """Where the exercises' cells are, by number."""
    return {cell.metadata[EXERCISE]: index for index, cell in enumerate(cells) if EXERCISE in cell.metadata}


def check_cells(cells: Sequence[Any], number: str) -> list[int]:
    """Where an exercise is checked."""
    call = f'check("{number}"'
    return [index for index, cell in enumerate(cells) if cell.cell_type == "code" and call in cell.source]


def outputs(cells: Sequence[Any]) -> list[Any]:
    """All outputs of all cells."""
    return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]


async def execute_all(paths: Sequence[Path], folder: Path) -> dict[Path, Execution]:
    """Execute notebooks, solved ones, too, each in a copy of the course's folder below `folder`."""
    room = asyncio.Semaphore(AT_A_TIME)

    async def one(path: Path) -> Execution:
        async with room:
            return await execute(path, folder / path.parent.name / path.stem)

    return dict(zip(paths, await asyncio.gather(*map(one, paths)), strict=True))


async def execute(path: Path, folder: Path) -> Execution:
    """Execute one notebook, and wait until none of its processes is left."""
    copied = shutil.copytree(NOTEBOOKS, folder / "notebooks") / path.relative_to(NOTEBOOKS)
    done = Execution()
    try:
        await _execute(copied, folder, done)
    except Exception as error:  # told by the test of this notebook; the others go on
        done.failure = f"{type(error).__name__}: {error}"
    try:
        await until(lambda: not _processes_of(folder), 15)
    except AssertionError:
        done.failure = f"{done.failure}\nIt left processes: {[p.cmdline() for p in _processes_of(folder)]}"
    return done


async def _execute(path: Path, folder: Path, done: Execution) -> None:
    notebook = nbformat.read(path, as_version=4)
    last = max(index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    client = NotebookClient(
        notebook, timeout=CELL_LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    places = {name: str(folder / name.lower()) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR")}
    began = time.monotonic()
    async with client.async_setup_kernel(
        env=os.environ | places | {"JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter")}
    ):
        for index, cell in enumerate(notebook.cells[:last]):
            await client.async_execute_cell(cell, index)  # raises for a cell that fails
        done.seconds = time.monotonic() - began
        done.cells = copy.deepcopy(notebook.cells[: last + 1])
        if path.parent.name != SOLUTIONS.name:
            for number, answers in answers_of(path.stem).items():
                await _answer(client, number, answers, done)
        await client.async_execute_cell(notebook.cells[last], last)
        done.cells[last] = notebook.cells[last]
    printed = [o.text for o in outputs(done.cells) if o.get("name") == "stderr"]
    done.warnings += [f"{path.name}: {text}" for text in printed]


async def _answer(client: NotebookClient, number: str, answers: Answers, done: Execution) -> None:
    stub, checks = stub_cells(client.nb.cells).get(number), check_cells(client.nb.cells, number)
    if stub is None or not checks:
        return  # told by the test of the stored notebook
    verdicts = done.verdicts.setdefault(number, {})
    verdicts[STUB] = verdict_of(client.nb.cells[checks[0]])
    for name, source in answers.cells.items():
        right = name == SOLUTION
        client.allow_errors = not right  # a wrong answer may raise in its own cell already
        cells = []
        for index in (stub, checks[0]):
            cells.append(copy.deepcopy(client.nb.cells[index]))
            if index == stub:
                cells[-1].source = source
            await client.async_execute_cell(cells[-1], index)
        verdicts[name] = verdict_of(cells[1])
        if right:
            done.warnings += [o.text for o in outputs(cells) if o.get("name") == "stderr"]
    client.allow_errors = False


def verdict_of(cell: Any) -> dict[str, Any]:
    """What a check's cell shows: the verdict's data and its text; of a cell that shows none, its outputs."""
    for output in cell.outputs:
        if MIME in output.get("data", {}):
            data: dict[str, Any] = output.data[MIME]
            return data | {"text": output.data["text/plain"]}
    return {"passed": None, "kind": "none", "text": str(cell.outputs)}


def _processes_of(folder: Path) -> list[psutil.Process]:
    """The processes that run in a notebook's folder: its kernel, and its lab's."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
        except psutil.Error:
            continue
    return found
