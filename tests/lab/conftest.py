"""A notebook without a kernel, and labs that always end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from until import until

from agentlab import Lab

from .cells import Notebook
from .processes import alive

StartLab = Callable[..., Awaitable[Lab]]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """Cells, run as a kernel runs them: what they define belongs to `__main__`."""
    notebook = Notebook()
    monkeypatch.setitem(sys.modules, "__main__", notebook.main)
    return notebook


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One lab with three workers for all tests of a file: they use agent types of their own, and kill nobody."""
    lab = asyncio.run(Lab.start(workers=3))
    pids = [row["pid"] for row in lab.processes]
    yield lab
    asyncio.run(lab.stop())
    assert not [pid for pid in pids if alive(pid)]


@pytest.fixture
async def start_lab() -> AsyncIterator[StartLab]:
    """Starts labs that a test may break as it likes; they are stopped after it."""
    labs: list[Lab] = []

    async def start(workers: Any = 1, **options: Any) -> Lab:
        labs.append(await Lab.start(workers, **options))
        return labs[-1]

    yield start
    for lab in labs:
        pids = [row["pid"] for row in lab.processes if row["pid"]]
        await lab.stop()
        await until(lambda pids=pids: not [pid for pid in pids if alive(pid)], 5)
