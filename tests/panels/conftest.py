"""Labs to show, and a check that no widget outlives its test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import ipywidgets
import pytest

from agentlab import Lab
from agentlab.panels.panel import Panel

StartLab = Callable[..., Awaitable[Lab]]


def living_widgets() -> set[str]:
    """The ids of all widgets that have a comm: a closed one has none."""
    return set(ipywidgets.widgets.widget._instances)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One lab with two workers for the tests of a file that break nothing."""
    lab = asyncio.run(Lab.start(workers=2))
    yield lab
    asyncio.run(lab.stop())


@pytest.fixture
async def start_lab() -> AsyncIterator[StartLab]:
    """Starts labs that a test may break as it likes."""
    labs: list[Lab] = []

    async def start(workers: Any = 1, **options: Any) -> Lab:
        labs.append(await Lab.start(workers, **options))
        return labs[-1]

    yield start
    for lab in labs:
        await lab.stop()


@pytest.fixture
def opened() -> Iterator[Callable[[Panel], Any]]:
    """Closes panels after the test, and looks that nothing is left of them."""
    before = living_widgets()
    panels: list[Panel] = []

    def keep(panel: Panel) -> Any:
        panels.append(panel)
        return panel

    yield keep
    for panel in panels:
        panel.close()
    assert living_widgets() <= before
