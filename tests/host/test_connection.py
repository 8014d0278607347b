"""What waits at the host for one worker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentlab import AgentId
from agentlab.host.connection import Connection, Copy, Delivery, Limits
from agentlab.wire.codec import decode_plain
from agentlab.wire.frames import FRAME_BYTES, decode_frame, encode_frame, piece_bytes
from agentlab.wire.parcels import Cancel, Payload, Request

COPY = Copy("request", "m", "", "", "sky/k", "", "Text", 3)


def connection(limits: Limits | None = None, *, reports: bool = True) -> Connection:
    return Connection("client", "w", limits or Limits(), reports=reports)


def request(n: int, size: int = 3) -> Request:
    return Request(str(n), AgentId("sky", "k"), Payload("Text", "application/json", b"x" * size), delivery_id=n)


@given(st.lists(st.integers(0, FRAME_BYTES * 2), max_size=12))
def test_what_is_put_is_taken_in_order_in_frames_of_bounded_size(sizes: list[int]) -> None:
    worker = connection()
    for n, size in enumerate(sizes, 1):
        worker.put(request(n, size), Delivery(n, COPY))
    taken: list[str] = []
    told: list[int] = []
    while True:
        pieces, deliveries = worker.take()
        if not pieces:
            break
        assert len(pieces) == 1 or sum(map(piece_bytes, pieces)) <= FRAME_BYTES
        taken += [parcel.request_id for parcel in decode_frame(encode_frame(pieces)).parcels]  # type: ignore[union-attr]
        told += [delivery.id for delivery in deliveries]
    assert taken == [str(n) for n in range(1, len(sizes) + 1)]
    assert told == list(range(1, len(sizes) + 1))
    assert len(worker) == 0
    assert worker._queued_bytes == 0


def test_a_plain_worker_gets_one_message_at_a_time() -> None:
    worker = connection(reports=False)
    for n in (1, 2):
        worker.put(request(n), Delivery(n, COPY))
    pieces, deliveries = worker.take()
    assert [decode_plain(piece).request_id for piece in pieces] == ["1"]  # type: ignore[union-attr]
    assert [delivery.id for delivery in deliveries] == [1]


def test_a_plain_worker_is_not_told_of_cancellations() -> None:
    worker = connection(reports=False)
    worker.put_cancel(Cancel("s1"))
    assert worker.take() == ([], [])
    ours = connection()
    ours.put_cancel(Cancel("s1", "why"))
    assert decode_frame(encode_frame(ours.take()[0])).cancels == [Cancel("s1", "why")]


def test_there_is_room_until_the_number_of_messages_is_reached() -> None:
    worker = connection(Limits(queue_messages=2))
    for n in (1, 2):
        assert worker.has_room()
        worker.put(request(n), Delivery(n, COPY))
    assert not worker.has_room()
    worker.take()
    assert worker.has_room()


def test_there_is_room_until_the_number_of_bytes_is_reached() -> None:
    worker = connection(Limits(queue_bytes=1000))
    worker.put(request(1, 2000), Delivery(1, COPY))
    assert not worker.has_room()
    worker.take()
    assert worker.has_room()


def test_there_is_no_room_for_a_worker_that_never_says_what_became_of_things() -> None:
    worker = connection(Limits(outstanding=2))
    for n in (1, 2):
        worker.put(request(n), Delivery(n, COPY))
    worker.take()
    assert not worker.has_room()
    del worker.outstanding[1]
    assert worker.has_room()


def test_the_first_reason_for_closing_counts() -> None:
    woken: list[int] = []
    worker = Connection("client", "w", Limits(), reports=True, wake=lambda: woken.append(1))
    worker.close("first")
    worker.close("second")
    assert worker.closed == "first"
    assert woken
