"""The dashboard in a real kernel that no browser looks at: what is stored in the notebook, and what is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

CELLS = [
    "from agentlab import Lab\nfrom agentlab.gallery.debate import Judge",
    "lab = await Lab.start(workers=1)",
    "await lab.register('worker-1', 'judge', Judge)",
    "lab.dashboard()",
    "lab",
    "import time\nbefore = lab.dashboard().topology.facts\ntime.sleep(1)\nlab.dashboard().topology.facts is not before",
    "from ipywidgets.widgets.widget import _instances\nopen_ones = len(_instances)",
    "lab.dashboard().close()\nlen(_instances) < open_ones / 10",
    "await lab.stop()",
    "import threading\n[thread.name for thread in threading.enumerate() if thread.name.startswith('agentlab')]",
]


def run(folder: Path) -> list[dict[str, Any]]:
    """The data that each cell showed last."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    NotebookClient(book, timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
    errors = [one for cell in book.cells for one in cell.outputs if one.get("name") == "stderr"]
    assert errors == []
    return [cell.outputs[-1].get("data", {}) if cell.outputs else {} for cell in book.cells]


def test_a_stored_notebook_shows_the_processes_as_text_and_table_beside_the_widget(tmp_path: Path) -> None:
    shown = run(tmp_path)
    for data in shown[3:5]:
        assert "worker-1" in data["text/plain"]
        assert "● running" in data["text/html"]
        assert data["application/vnd.jupyter.widget-view+json"] == shown[3]["application/vnd.jupyter.widget-view+json"]
    assert shown[5]["text/plain"] == "True"  # it followed while a cell blocked
    assert shown[7]["text/plain"] == "True"
    assert shown[9]["text/plain"] == "[]"
