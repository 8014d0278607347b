"""AutoGen's processes, ended whatever the test did. Ours come from the conftest.py above this one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest

from .peers import AUTOGEN_HOST, Peer, StartPeer


@pytest.fixture
async def start_peer(tmp_path: Path) -> AsyncIterator[StartPeer]:
    """Starts scripts as processes. None of them outlives the test."""
    numbers = count(1)
    async with AsyncExitStack() as stack:

        async def start(script: str | Path, *args: str) -> Peer:
            peer = await Peer.start(script, *args, log=tmp_path / f"{next(numbers)}-{Path(script).name}.log")
            stack.push_async_callback(peer.end)
            return peer

        yield start


@pytest.fixture
async def autogen_host(start_peer: StartPeer) -> Peer:
    """AutoGen's own host."""
    return await start_peer(AUTOGEN_HOST)
