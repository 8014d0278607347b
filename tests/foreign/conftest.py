"""A lab without workers, for foreign ones to join."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from agentlab import Lab, try_get_known_serializers_for_type

from .messages import Shout

SCRIPTS: Final = Path(__file__).parent / "scripts"
WORKERS: Final = Path(__file__).parents[2] / "notebooks" / "workers"


@pytest.fixture(scope="module")
def running_lab() -> Iterator[Lab]:
    """One lab for all tests of a file, without tokens: AutoGen's worker cannot present one."""
    lab = asyncio.run(Lab.start(workers=0, keepalive_s=2, token=None))
    assert lab._notebook is not None
    lab._notebook.add_message_serializer(try_get_known_serializers_for_type(Shout))
    yield lab
    asyncio.run(lab.stop())


@pytest.fixture
async def lab(running_lab: Lab) -> AsyncIterator[Lab]:
    """That lab, left as it was found."""
    yield running_lab
    for name in list(running_lab.workers):
        await running_lab.remove_worker(name)
