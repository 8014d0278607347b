"""What a worker tells of the copies it was sent: all at once of those it has handled, and step by step of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from agentlab.core import journal as j
from agentlab.wire.frames import decode_frame
from agentlab.wire.parcels import Frame
from agentlab.worker.delivered import Delivered
from agentlab.worker.outbox import FRAME_REPORTS, REPORT_WAIT_S, Outbox


@pytest.fixture
async def outbox() -> AsyncIterator[Outbox]:
    """An outbox that has a timer, as one in a running event loop has."""
    outbox = Outbox()
    yield outbox
    outbox.clear()


def next_frame(outbox: Outbox) -> Frame:
    return decode_frame(outbox.next_frame(None))


def received(outbox: Outbox, delivery_id: int = 7) -> Delivered:
    copy = Delivered(delivery_id, 0, 10, 1)
    outbox.received(copy)
    return copy


async def test_a_copy_that_was_handled_is_told_of_in_one_row(outbox: Outbox) -> None:
    copy = received(outbox)
    copy.started_ns, copy.started_lamport = 11, 2
    outbox.handled(copy, 12, 3)
    frame = next_frame(outbox)
    assert (frame.handled, frame.reports) == ([(7, 10, 11, 12, 1, 2, 3)], [])
    assert not outbox.waiting


async def test_a_copy_that_is_being_handled_is_told_of_step_by_step(outbox: Outbox) -> None:
    first, second = received(outbox, 1), received(outbox, 2)  # by a worker that wrote nothing for a while: at once
    second.started_ns, second.started_lamport = 11, 2
    frame = next_frame(outbox)
    told = [(1, j.RECEIVED, 10, 1), (2, j.RECEIVED, 10, 1), (2, j.STARTED, 11, 2)]
    assert [report[:4] for report in frame.reports] == told
    assert (frame.handled, first.waits, second.waits) == ([], False, False)


async def test_a_busy_worker_tells_of_a_copy_when_it_was_handled_or_a_while_has_passed(outbox: Outbox) -> None:
    next_frame(outbox)  # it is busy
    slow, quick = received(outbox, 1), received(outbox, 2)
    slow.started_ns, slow.started_lamport = 11, 2
    quick.started_ns, quick.started_lamport = 12, 3
    outbox.handled(quick, 13, 4)
    frame = next_frame(outbox)
    assert (frame.handled, frame.reports) == ([(2, 10, 12, 13, 1, 3, 4)], [])
    assert not outbox.waiting
    outbox.wake.clear()
    await asyncio.wait_for(outbox.wake.wait(), 20)
    assert [report[:2] for report in next_frame(outbox).reports] == [(1, j.RECEIVED), (1, j.STARTED)]
    assert not slow.waits
    assert not outbox.waiting


async def test_of_a_copy_that_fails_the_steps_before_come_first(outbox: Outbox) -> None:
    copy = received(outbox)
    copy.started_ns, copy.started_lamport = 11, 2
    outbox.part(copy)
    outbox.report((7, j.FAILED, 12, 3, "no", "trace"))
    frame = next_frame(outbox)
    assert [report[1] for report in frame.reports] == [j.RECEIVED, j.STARTED, j.FAILED]
    assert frame.handled == []
    assert not outbox.waiting


async def test_very_many_copies_are_told_of_in_several_frames(outbox: Outbox) -> None:
    for number in range(2 * FRAME_REPORTS + 1):
        outbox.handled(received(outbox, number + 1), 12, 3)
    assert [len(next_frame(outbox).handled) for _ in range(3)] == [FRAME_REPORTS, FRAME_REPORTS, 1]
    assert not outbox.waiting


async def test_nothing_is_told_of_what_came_over_a_stream_that_was_lost(outbox: Outbox) -> None:
    received(outbox)
    outbox.give_up("lost")
    assert not outbox.waiting


async def test_autogens_host_is_not_told_of_copies(outbox: Outbox) -> None:
    received(outbox)
    assert outbox.next_plain() == b""
    assert not outbox.waiting


async def test_a_copy_is_told_of_at_once_by_a_worker_that_wrote_nothing_for_a_while_and_soon_by_another(
    outbox: Outbox,
) -> None:
    received(outbox)
    assert outbox.wake.is_set()
    next_frame(outbox)
    outbox.wake.clear()
    await asyncio.sleep(2 * REPORT_WAIT_S)  # its timer has run out, and there was nothing to tell
    assert not outbox.wake.is_set()
    received(outbox)
    assert outbox.wake.is_set()
    next_frame(outbox)
    outbox.wake.clear()
    received(outbox)
    assert not outbox.wake.is_set()
    await asyncio.wait_for(outbox.wake.wait(), 20)


async def test_waiting_until_all_is_written_lets_all_be_told_that_is_known(outbox: Outbox) -> None:
    next_frame(outbox)
    outbox.all_written()
    received(outbox)
    assert not outbox.waiting
    waiting = asyncio.ensure_future(outbox.wait_written())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert [report[1] for report in next_frame(outbox).reports] == [j.RECEIVED]
    outbox.all_written()
    await asyncio.wait_for(waiting, 20)


async def test_waiting_until_all_is_written_waits_for_the_frame_that_is_being_written(outbox: Outbox) -> None:
    await asyncio.wait_for(outbox.wait_written(), 20)  # nothing waits, and nothing is being written
    received(outbox)
    next_frame(outbox)
    waiting = asyncio.ensure_future(outbox.wait_written())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.all_written()
    await asyncio.wait_for(waiting, 20)
