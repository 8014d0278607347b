"""What is kept of published messages until the host is known to have them."""

from __future__ import annotations

import pytest

from agentlab import TopicId
from agentlab.core import journal as j
from agentlab.wire.frames import decode_frame
from agentlab.wire.parcels import Cancel, ClockSample, Event, LostMessage, Payload, Report
from agentlab.wire.rows import Row, row_of
from agentlab.worker import unconfirmed
from agentlab.worker.outbox import Outbox
from agentlab.worker.unconfirmed import UNKNOWN, Unconfirmed

TEXT = Payload("Text", "application/json", b'{"text": "hi"}')


def event(n: int) -> Event:
    return Event(TopicId("t", "k"), TEXT, None, f"m-{n}", "cause", 1000 + n, n)


def row(n: int) -> Row:
    return row_of(event(n))


def ids(lost: list[LostMessage]) -> list[str]:
    return [message.message_id for message in lost]


class Asks:
    """Counts how often the host should be asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


async def test_what_the_host_did_not_take_is_lost() -> None:
    kept = Unconfirmed(Asks())
    kept.keep(0, row(1))
    kept.keep(2, row(2))  # behind a request
    kept.wrote(3)
    kept.keep(0, row(3))
    kept.wrote(1)
    kept.lose("the cable was cut")
    (lost, *more) = kept.settle(2)
    assert lost == LostMessage("m-2", "cause", "", "t/k", "Text", len(TEXT.data), 1002, 2, lost.detail)
    assert "the cable was cut" in lost.detail
    assert ids(more) == ["m-3"]
    assert kept.settle(0) == []


async def test_a_host_that_does_not_know_the_connection_leaves_all_of_it_in_doubt() -> None:
    kept = Unconfirmed(Asks())
    kept.keep(0, row(1))
    kept.wrote(1)
    kept.lose("the host ended")
    assert [message.detail for message in kept.settle(None)] == [UNKNOWN]


async def test_what_was_answered_twice_is_kept_no_longer() -> None:
    kept = Unconfirmed(Asks())
    kept.keep(0, row(1))
    kept.wrote(1)
    kept.asked(ClockSample(10))
    kept.keep(0, row(2))
    kept.wrote(1)
    kept.answered(ClockSample(10))
    kept.asked(ClockSample(20))
    assert len(kept) == 2
    kept.answered(ClockSample(20))
    assert len(kept) == 1
    kept.lose("the host ended")
    assert ids(kept.settle(None)) == ["m-2"]


async def test_an_answer_to_what_was_not_asked_confirms_nothing() -> None:
    kept = Unconfirmed(Asks())
    kept.keep(0, row(1))
    kept.wrote(1)
    for _ in range(3):
        kept.answered(ClockSample(10))
    assert len(kept) == 1
    kept.clear()


async def test_with_many_unconfirmed_the_host_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unconfirmed, "MOST", 3)
    asks = Asks()
    kept = Unconfirmed(asks)
    for n in range(3):
        kept.keep(0, row(n))
        kept.wrote(1)
    assert asks.count == 0
    kept.keep(0, row(4))
    kept.wrote(1)
    assert asks.count == 1
    kept.clear()


async def test_a_loss_that_could_not_be_told_is_told_on_the_next_stream() -> None:
    outbox = Outbox()
    outbox.put(event(1))
    assert len(decode_frame(outbox.next_frame(None)).parcels) == 1
    outbox.give_up("cut")
    outbox.settle(0)
    assert ids(decode_frame(outbox.next_frame(None)).lost) == ["m-1"]
    outbox.give_up("cut again")
    outbox.settle(0)  # this host did not take the word of the loss
    frame = decode_frame(outbox.next_frame(None))
    assert ids(frame.lost) == ["m-1"]
    assert "(cut)" in frame.lost[0].detail
    outbox.give_up("and again")
    outbox.settle(1)  # this one did
    assert not outbox.waiting
    outbox.clear()


@pytest.mark.parametrize(("taken", "lost"), [(1, ["m-2"]), (2, [])])
async def test_a_place_counts_a_frames_messages_before_its_cancellations_and_no_reports(
    taken: int, lost: list[str]
) -> None:
    outbox = Outbox()
    outbox.put(event(1))
    outbox._in_flight.add("r")
    outbox.forget("r", "cancelled")
    outbox.put(event(2))
    outbox.report(Report(1, j.HANDLED, 5, 5))
    frame = decode_frame(outbox.next_frame(None))
    assert frame.cancels == [Cancel("r", "cancelled")]
    outbox.give_up("cut")
    outbox.settle(taken)
    assert ids(decode_frame(outbox.next_frame(None)).lost) == lost
    outbox.clear()


async def test_autogens_dialect_has_no_word_for_it() -> None:
    outbox = Outbox()
    outbox.put(event(1))
    outbox.next_frame(None)
    outbox.give_up("cut")
    outbox.settle(0)
    assert outbox.next_plain() == b""
    assert not outbox.waiting
