"""The notebooks in the real browser, as a student sees them; the tour from first to last cell by clicks only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from agentlab.course.verdict import MIME

from .conftest import OpenNotebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PICTURES = Path(os.environ.get("AGENTLAB_TEST_PICTURES", "test-pictures"))
WAIT_MS = 60_000
NOTEBOOK = "window.jupyterapp.shell.currentWidget.content"


def outputs(page: Page) -> list[dict[str, Any]]:
    """All outputs of all cells."""
    found: list[dict[str, Any]] = page.evaluate(
        f"() => {NOTEBOOK}.widgets.filter(c => c.model.type === 'code').flatMap(c => c.model.outputs.toJSON())"
    )
    return found


def nothing_went_wrong(page: Page) -> None:
    shown = outputs(page)
    assert [output for output in shown if output["output_type"] == "error"] == []
    assert [output["text"] for output in shown if output.get("name") == "stderr"] == []
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 1


class Reader:
    """Somebody who reads a notebook and clicks ▶."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        PICTURES.mkdir(exist_ok=True)
        page.locator(".jp-NotebookPanel .jp-Cell").first.click()
        self.play = page.locator('.jp-NotebookPanel-toolbar [data-command="notebook:run-cell-and-select-next"]').first

    @property
    def here(self) -> int:
        """The number of the cell that is selected."""
        index: int = self.page.evaluate(f"() => {NOTEBOOK}.activeCellIndex")
        return index

    def source(self, index: int) -> str:
        text: str = self.page.evaluate(f"index => {NOTEBOOK}.widgets[index].model.sharedModel.getSource()", index)
        return text

    def run(self) -> str:
        """Click ▶ and wait until the cell has run; returns its source."""
        index = self.here
        self.play.click()
        self.page.wait_for_function(
            f"""index => {{
                const model = {NOTEBOOK}.widgets[index].model;
                return model.type !== 'code' || (model.executionCount && model.executionState !== 'running');
            }}""",
            arg=index,
            timeout=WAIT_MS,
        )
        return self.source(index)

    def picture(self, name: str) -> None:
        self.page.screenshot(path=str(PICTURES / f"{self.name}-{name}.png"))


def test_the_tour_is_followed_from_first_to_last_cell_by_clicks_only(open_notebook: OpenNotebook) -> None:
    page = open_notebook("00_tour.ipynb")
    reader = Reader(page, "tour")
    reader.picture("opened")
    dashboard = page.locator(".jp-OutputArea .agentlab-panel").first
    last = page.evaluate(f"() => {NOTEBOOK}.widgets.length") - 1
    while True:
        here = reader.here
        source = reader.run()
        if here % 4 == 0:
            reader.picture(f"{here:02d}")
        if source.startswith("# With the dashboard"):
            dashboard.locator(".agentlab-kill-worker-1").click()
            dashboard.get_by_text("✖ killed").wait_for(timeout=WAIT_MS)
            dashboard.locator(".agentlab-restart-worker-1").click()
            dashboard.get_by_text("worker-1 was restarted.").wait_for(timeout=WAIT_MS)
            reader.picture("by-buttons")
            page.locator(".jp-CodeCell", has_text='check("00.2"').locator(".jp-InputPrompt").click()  # back to reading
        if here == last:
            break
    nothing_went_wrong(page)
    data = [output["data"][MIME] for output in outputs(page) if MIME in output.get("data", {})]
    passed = {verdict["exercise"]: verdict["passed"] for verdict in data}
    assert passed == {"00.1": False, "00.2": True, "00.3": False}
    page.get_by_text("✓ 00.2 Down and up: well done").scroll_into_view_if_needed()
    reader.picture("end")


@pytest.mark.parametrize("name", ["01_agents_and_messages.ipynb", "02_host_and_workers.ipynb"])
def test_a_notebook_runs_from_first_to_last_cell_and_shows_its_pictures(open_notebook: OpenNotebook, name: str) -> None:
    page = open_notebook(name)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    page.wait_for_function(
        f"""() => {{
            const cells = {NOTEBOOK}.widgets.filter(cell => cell.model.type === 'code');
            return cells.every(cell => cell.model.executionCount && cell.model.executionState !== 'running');
        }}""",
        timeout=120_000,
    )
    nothing_went_wrong(page)
    PICTURES.mkdir(exist_ok=True)
    cells = page.locator(".jp-NotebookPanel .jp-Cell")
    for place, index in enumerate(range(0, cells.count(), 4)):
        cells.nth(index).scroll_into_view_if_needed()
        page.screenshot(path=str(PICTURES / f"{name.removesuffix('.ipynb')}-{place:02d}.png"))
