"""A runtime, and an `llm` that knows the models of these tests, by its own plugin mechanism."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import llm
import pytest

from agentlab import (
    HostService,
    Journal,
    SingleThreadedAgentRuntime,
    WorkerRuntime,
    try_get_known_serializers_for_type,
)
from agentlab.delegates import Answer

from . import models


@pytest.fixture(autouse=True)
def _own_llm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the user's: no keys, no aliases."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    llm.load_plugins()
    llm.pm.register(models, "models of the tests")
    yield
    llm.pm.unregister(models)


@pytest.fixture
async def runtime() -> AsyncIterator[SingleThreadedAgentRuntime]:
    """A standalone runtime that keeps a journal."""
    runtime = SingleThreadedAgentRuntime(journal=Journal())
    runtime.start()
    yield runtime
    with suppress(RuntimeError):  # the test stopped it
        await runtime.stop()


@pytest.fixture
async def pair(cast: Any, host: HostService) -> tuple[WorkerRuntime, WorkerRuntime]:
    """A notebook that reads answers, and a worker, on one host."""
    notebook, worker = await cast.worker(host, "notebook"), await cast.worker(host, "worker")
    notebook.add_message_serializer(try_get_known_serializers_for_type(Answer))
    return notebook, worker
