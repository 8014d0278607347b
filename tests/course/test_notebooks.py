"""Every notebook runs from top to bottom, with real processes, and leaves none; every exercise tells right from wrong.

``pytest tests/course -k 03`` runs one notebook.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from agentlab.course.exercises import all_exercises, find

from .answers import SOLUTION, answers_of
from .executing import STUB, Execution, check_cells, execute_all, outputs, stub_cells, verdict_of
from .solved import EXERCISE, NOTEBOOKS, SOLUTIONS, notebooks, solved, text, with_first_cell

PATHS = notebooks()
LIMIT_S = 90
"""A notebook that takes longer without a reader has a cell that waits for nothing."""
REFRESH = "run: python -m tests.course.solved"
RUNNING = (
    "test_a_notebook_runs_from_top_to_bottom_and_checks_its_exercises",
    "test_a_solved_notebook_runs_from_top_to_bottom",
)
WITH_ANSWERS = [SOLUTIONS / "10_capstone.ipynb"]
"""Beside the exercises, these have cells that need the answers. Of the others, the tests run each cell already."""


def name(path: Path) -> str:
    """How a test of it is called."""
    return path.stem


each_notebook = pytest.mark.parametrize("path", PATHS, ids=name)


def cells_of(path: Path) -> list[Any]:
    cells: list[Any] = nbformat.read(path, as_version=4).cells
    return cells


def prose_of(path: Path) -> str:
    return "\n".join(cell.source for cell in cells_of(path) if cell.cell_type == "markdown")


@pytest.fixture(scope="module")
def executions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Execution]:
    """All notebooks that are asked for, executed several at a time."""
    wanted = [
        item.callspec.params["path"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname in RUNNING
    ]
    return asyncio.run(execute_all(wanted, tmp_path_factory.mktemp("course")))


@pytest.mark.timeout(600)
@each_notebook
def test_a_notebook_runs_from_top_to_bottom_and_checks_its_exercises(
    path: Path, executions: dict[Path, Execution]
) -> None:
    done = executions[path]
    assert not done.failure, done.failure
    assert not done.warnings
    assert done.seconds < LIMIT_S
    assert not [output for output in outputs(done.cells) if output.output_type == "error"]
    shown = [output.get("data", {}) for output in outputs(done.cells)]
    assert any("image/png" in data or "image/svg+xml" in data for data in shown)
    for number, answers in answers_of(path.stem).items():
        verdicts = done.verdicts[number]
        assert verdicts[SOLUTION]["passed"], verdicts[SOLUTION]["text"]
        for answer in (STUB, *answers.wrong):
            verdict = verdicts[answer]
            assert verdict["kind"] in {"wrong", "unanswered", "late"}, f"{answer}: {verdict['text']}"
            assert "expected" in verdict["text"] or verdict["kind"] == "unanswered", verdict["text"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", WITH_ANSWERS, ids=name)
def test_a_solved_notebook_runs_from_top_to_bottom(path: Path, executions: dict[Path, Execution]) -> None:
    done = executions[path]
    assert not done.failure, done.failure
    assert not done.warnings
    assert not [output for output in outputs(done.cells) if output.output_type == "error"]
    for number in answers_of(path.stem):
        (check,) = check_cells(done.cells, number)
        assert verdict_of(done.cells[check])["passed"], verdict_of(done.cells[check])["text"]


@each_notebook
def test_a_notebook_is_stored_clean(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not outputs(notebook.cells)
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.execution_count] == []
    ids = [cell.get("id") for cell in notebook.cells]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.keys() <= {"kernelspec", "language_info"}
    assert all(cell.source.strip() for cell in notebook.cells)
    assert {key for cell in notebook.cells for key in cell.metadata} <= {EXERCISE, "jupyter"}
    assert text(with_first_cell(notebook, path.stem)) == path.read_text(encoding="utf-8"), REFRESH


@each_notebook
def test_a_notebook_has_the_shape_of_all(path: Path) -> None:
    prose = prose_of(path)
    for part in ("**What you will see", "**Cast", "**Predict", "**Look", "Break it", "**Recap"):
        assert part in prose, part
    code = [cell.source for cell in cells_of(path) if cell.cell_type == "code"]
    if "Lab.start" in "\n".join(code):
        assert "lab.stop()" in code[-1]


@each_notebook
def test_every_exercise_has_a_stub_a_check_hints_and_answers(path: Path) -> None:
    cells, answers = cells_of(path), answers_of(path.stem)
    stubs = stub_cells(cells)
    registered = {e.number for e in all_exercises() if e.number.startswith(path.stem[:2])}
    assert stubs.keys() == registered == answers.keys()
    assert sum(EXERCISE in cell.metadata for cell in cells) == len(stubs)
    for number, answer in answers.items():
        (check,) = check_cells(cells, number)
        assert check > stubs[number]
        assert "check(" not in cells[stubs[number]].source
        assert f"**{number}" in prose_of(path)
        assert answer.solution
        assert len(answer.wrong) >= 2, number
        assert find(number).hints


@each_notebook
def test_the_solutions_are_up_to_date(path: Path) -> None:
    if answers_of(path.stem):
        made = text(solved(nbformat.read(path, as_version=4), path.stem))
        assert (SOLUTIONS / path.name).read_text(encoding="utf-8") == made, REFRESH


@pytest.mark.parametrize(
    "path", [*PATHS, *sorted(SOLUTIONS.glob("*.ipynb"))], ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose_of(path)):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_there_are_notebooks_in_an_order() -> None:
    numbers = [path.name[:2] for path in PATHS]
    assert numbers[:3] == ["00", "01", "02"]
    assert len(set(numbers)) == len(numbers)
    assert {path.name for path in SOLUTIONS.glob("*.ipynb")} <= {path.name for path in PATHS}
    assert NOTEBOOKS.is_dir()


@pytest.mark.parametrize("readme", [NOTEBOOKS / "README.md", NOTEBOOKS.parent / "README.md"], ids=str)
def test_the_readmes_list_every_notebook_and_lead_there(readme: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", readme.read_text(encoding="utf-8"))
    leading = {(readme.parent / target).resolve() for target in targets if not target.startswith("http")}
    assert {path for path in leading if not path.exists()} == set()
    assert set(PATHS) <= leading
