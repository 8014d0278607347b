"""Requests that wait for a reply, and how long they may."""

from __future__ import annotations

import asyncio

import pytest

from agentlab import AgentId
from agentlab.wire.parcels import Response
from agentlab.worker.calls import PendingCalls

SKY = AgentId("sky", "a")


async def test_a_call_that_gets_no_reply_in_time_ends_and_the_others_go_on() -> None:
    calls = PendingCalls()
    slow, in_time = calls.open(SKY), calls.open(SKY)
    patient = calls.open(SKY)
    calls.limit(patient[0], 60)
    calls.limit(in_time[0], 0.01)
    calls.limit(slow[0], 0.02)
    assert calls.answer(Response(in_time[0]))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(slow[1], 30)
    assert in_time[1].result() == Response(in_time[0])
    assert not patient[1].done()
    assert calls.answer(Response(patient[0]))


async def test_deadlines_of_calls_that_ended_do_not_pile_up() -> None:
    calls = PendingCalls()
    for _ in range(5000):
        request_id, _ = calls.open(SKY)
        calls.limit(request_id, 60)
        calls.close(request_id)
    assert len(calls._due) < 1100
    calls.lose_all("the test is over")
    assert calls._timer is None


async def test_a_call_without_any_time_left_ends_at_once() -> None:
    calls = PendingCalls()
    request_id, reply = calls.open(SKY)
    calls.limit(request_id, 0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reply, 30)
    assert not calls.answer(Response(request_id))
