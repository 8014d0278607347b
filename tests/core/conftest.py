"""A runtime that runs, and is closed whatever the test did; properties without a clock over them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import hypothesis
import pytest

from agentlab import SingleThreadedAgentRuntime

# How long one example takes says something of the machine, not of the code.
hypothesis.settings.register_profile("core", deadline=None)
hypothesis.settings.load_profile("core")


@pytest.fixture
async def runtime() -> AsyncIterator[SingleThreadedAgentRuntime]:
    """A started standalone runtime."""
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    yield runtime
    await runtime.close()
