"""When a writer waits for a reader that is behind."""

from __future__ import annotations

import asyncio

import pytest

from agentlab.wire import pace
from agentlab.wire.pace import UNANSWERED, Pace


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, each time, in seconds."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return waited


async def test_a_conversation_in_turns_is_never_delayed(pauses: list[float]) -> None:
    ours = Pace()
    for _ in range(100):
        await ours.turn()
        ours.heard()
    assert pauses == []


async def test_who_writes_and_hears_nothing_waits_before_each_further_frame_but_not_for_ever(
    pauses: list[float],
) -> None:
    ours = Pace()
    for _ in range(UNANSWERED + 3):
        await ours.turn()
    assert pauses == [pace.PAUSE_S] * 3


async def test_what_was_heard_before_anything_was_written_counts_for_nothing(pauses: list[float]) -> None:
    ours = Pace()
    for _ in range(10):
        ours.heard()
    for _ in range(UNANSWERED + 1):
        await ours.turn()
    assert len(pauses) == 1
