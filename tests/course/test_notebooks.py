"""Every notebook runs from top to bottom, with real processes, and leaves none."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from until import until

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LIMIT_S = 90
"""A notebook that takes longer without a reader has a cell that waits for nothing."""


def name(path: Path) -> str:
    """How a test of it is called."""
    return path.stem


def outputs(notebook: Any) -> list[Any]:
    """All outputs of all cells."""
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_there_are_notebooks_in_an_order() -> None:
    numbers = [path.name[:2] for path in NOTEBOOKS]
    assert numbers[:3] == ["00", "01", "02"]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.timeout(LIMIT_S + 30)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
async def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    monkeypatch.setenv("JUPYTER_PATH", str(Path(sys.prefix) / "share" / "jupyter"))
    copy = shutil.copytree(FOLDER, tmp_path / "notebooks") / path.name
    notebook = nbformat.read(copy, as_version=4)
    client = NotebookClient(
        notebook, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(copy.parent)}}
    )
    began = time.monotonic()
    await client.async_execute()  # raises for a cell that fails
    assert time.monotonic() - began < LIMIT_S
    assert not [output for output in outputs(notebook) if output.output_type == "error"]
    assert not [output.text for output in outputs(notebook) if output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) or "image/svg+xml" in output.get("data", {})
               for output in outputs(notebook))  # fmt: skip
    await until(lambda: not [p for p in psutil.process_iter(["cmdline"]) if _is_of(p, tmp_path)], 10)


def _is_of(process: psutil.Process, folder: Path) -> bool:
    """Whether a process runs in the notebook's folder: its kernel, and the lab's processes."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder)
    except psutil.Error:
        return False


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_is_stored_clean(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not outputs(notebook)
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.execution_count] == []
    ids = [cell.get("id") for cell in notebook.cells]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.keys() <= {"kernelspec", "language_info"}
    assert all(cell.source.strip() for cell in notebook.cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_has_the_shape_of_all(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for part in ("**What you will see", "**Cast", "**Predict", "Break it", "**Recap"):
        assert part in prose, part
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    if "Lab.start" in code:
        last = [cell.source for cell in cells if cell.cell_type == "code"][-1]
        assert "lab.stop()" in last


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_links_between_notebooks_lead_somewhere(path: Path) -> None:
    import re

    prose = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
        if not target.startswith("http"):
            assert (FOLDER / target).exists(), target
