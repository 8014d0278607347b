"""The tour in the real browser, as a student sees it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import OpenNotebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PICTURES = Path(os.environ.get("AGENTLAB_TEST_PICTURES", "test-pictures"))


@pytest.mark.parametrize("name", ["00_tour.ipynb", "01_agents_and_messages.ipynb", "02_host_and_workers.ipynb"])
def test_a_notebook_runs_from_first_to_last_cell_and_shows_its_pictures(open_notebook: OpenNotebook, name: str) -> None:
    page = open_notebook(name)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    page.wait_for_function(
        """() => {
            const cells = window.jupyterapp.shell.currentWidget.content.widgets.filter(c => c.model.type === 'code');
            return cells.every(c => c.model.executionCount && c.model.executionState !== 'running');
        }""",
        timeout=120_000,
    )
    outputs = page.evaluate(
        """() => window.jupyterapp.shell.currentWidget.content.widgets
            .filter(cell => cell.model.type === 'code').flatMap(cell => cell.model.outputs.toJSON())"""
    )
    assert [output for output in outputs if output["output_type"] == "error"] == []
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 1
    PICTURES.mkdir(exist_ok=True)
    cells = page.locator(".jp-NotebookPanel .jp-Cell")
    for place, index in enumerate(range(0, cells.count(), 4)):
        cells.nth(index).scroll_into_view_if_needed()
        page.screenshot(path=str(PICTURES / f"{name.removesuffix('.ipynb')}-{place:02d}.png"))
