"""Parcels as bytes and back in both dialects, and bytes that are nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as PackedAny
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack

from agentlab import AgentId, TopicId
from agentlab.core import journal as j
from agentlab.core.exceptions import BY_NAME, MessageDroppedException, RemoteHandlerError, UndeliverableException
from agentlab.wire.codec import decode_plain, encode_plain
from agentlab.wire.frames import decode_frame, encode_frame
from agentlab.wire.generated import agent_worker_pb2 as agents_pb
from agentlab.wire.generated import agentlab_pb2 as lab_pb
from agentlab.wire.parcels import (
    Cancel,
    ClockSample,
    Event,
    Failure,
    Handled,
    Hello,
    LostMessage,
    Parcel,
    Payload,
    Report,
    Request,
    Response,
    Welcome,
    WireError,
)
from agentlab.wire.rows import row_of

from . import strategies as s


@given(s.parcels)
def test_a_plain_message_comes_back_as_it_was(parcel: Parcel) -> None:
    back = decode_plain(encode_plain(parcel))
    if isinstance(parcel, Event):
        expected: Parcel = replace(parcel, recipients=[])  # AutoGen's format has no place for these
    else:
        expected = replace(parcel, delivery_id=0)
    assert back == expected


@given(
    st.lists(s.parcels, max_size=4),
    st.lists(s.cancels, max_size=2),
    st.lists(s.reports, max_size=4),
    st.lists(s.handled, max_size=4),
    st.lists(s.lost, max_size=3),
)
def test_a_frame_comes_back_as_it_was(
    parcels: list[Parcel], cancels: list[Cancel], reports: list[Report], handled: list[Handled], lost: list[LostMessage]
) -> None:
    pieces = [row_of(parcel) for parcel in parcels] + cancels
    frame = decode_frame(encode_frame(pieces, reports=reports, handled=handled, lost=lost))
    assert frame.lost == lost
    assert frame.parcels == parcels
    assert frame.cancels == cancels
    assert frame.reports == reports
    assert frame.handled == handled
    assert frame.rejected == []


@given(s.hellos, s.welcomes, s.clocks)
def test_introductions_and_clock_samples_come_back_as_they_were(
    hello: Hello, welcome: Welcome, clock: ClockSample
) -> None:
    frame = decode_frame(encode_frame(hello=hello, welcome=welcome, clock=clock))
    assert (frame.hello, frame.welcome, frame.clock) == (hello, welcome, clock)


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_bytes_that_are_no_message_raise_a_wire_error_and_nothing_else(data: bytes) -> None:
    for decode in (decode_plain, decode_frame):
        try:
            decode(data)
        except WireError:
            continue


@given(s.parcels, st.data())
@settings(max_examples=300)
def test_a_message_with_bytes_turned_over_raises_a_wire_error_and_nothing_else(
    parcel: Parcel, data: st.DataObject
) -> None:
    for written, decode in (
        (encode_plain(parcel), decode_plain),
        (encode_frame([row_of(parcel)]), decode_frame),
    ):
        broken = bytearray(written)
        for _ in range(data.draw(st.integers(1, 4))):
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
        try:
            again = decode(bytes(broken))
        except WireError:
            continue
        # What was let in can be written again: a host that passes it on does not fail.
        for piece in [again] if not hasattr(again, "parcels") else again.parcels:
            encode_plain(piece), row_of(piece)


def _cloud_event() -> agents_pb.Message:
    event = Event(TopicId("weather", "north"), Payload("Rain", "application/json", b"{}"))
    return agents_pb.Message.FromString(encode_plain(event))


def _request() -> agents_pb.Message:
    request = Request("7", AgentId("sky", "a"), Payload("Ask", "application/json", b"{}"))
    return agents_pb.Message.FromString(encode_plain(request))


def _illegal() -> dict[str, agents_pb.Message]:
    illegal: dict[str, agents_pb.Message] = {"empty": agents_pb.Message()}
    illegal["request without an id"] = _request()
    illegal["request without an id"].request.request_id = ""
    illegal["illegal target type"] = _request()
    illegal["illegal target type"].request.target.type = "no such/type"
    illegal["no target"] = _request()
    illegal["no target"].request.ClearField("target")
    illegal["response without an id"] = agents_pb.Message(response=agents_pb.RpcResponse(error="x"))
    illegal["no message type"] = _cloud_event()
    del illegal["no message type"].cloudEvent.attributes["dataschema"]
    illegal["illegal topic"] = _cloud_event()
    illegal["illegal topic"].cloudEvent.type = "no topic!"
    illegal["illegal sender"] = _cloud_event()
    illegal["illegal sender"].cloudEvent.attributes["agagentsendertype"].ce_string = "no type!"
    illegal["illegal sender"].cloudEvent.attributes["agagentsenderkey"].ce_string = "k"
    illegal["a time that no calendar has"] = _cloud_event()
    illegal["a time that no calendar has"].cloudEvent.attributes["x"].ce_timestamp.seconds = 2**62
    illegal["JSON called protobuf"] = _cloud_event()
    illegal["JSON called protobuf"].cloudEvent.attributes["datacontenttype"].ce_string = "application/x-protobuf"
    illegal["protobuf called JSON"] = _cloud_event()
    illegal["protobuf called JSON"].cloudEvent.proto_data.Pack(agents_pb.AgentId(type="a"))
    return illegal


@pytest.mark.parametrize("case", _illegal())
def test_an_illegal_message_is_refused_by_name(case: str) -> None:
    message = _illegal()[case]
    with pytest.raises(WireError) as refused:
        decode_plain(message.SerializeToString())
    assert len(str(refused.value)) > 10


REQUEST = Request("7", AgentId("sky", "a"), Payload("Ask", "application/json", b"{}"))
EVENT = Event(TopicId("weather", "north"), Payload("Rain", "application/json", b"{}"))


def _frame(rows: Sequence[Any] = (), reports: Sequence[Any] = (), handled: Sequence[Any] = ()) -> bytes:
    """A frame with a batch of whatever is given."""
    return lab_pb.Frame(batch=msgpack.encode((rows, reports, handled))).SerializeToString()


def _changed(parcel: Parcel, cell: int, value: object) -> tuple[Any, ...]:
    """The parcel as a row with another value in one cell."""
    row = row_of(parcel)
    return (*row[:cell], value, *row[cell + 1 :])


ID, TARGET, SENDER, TYPE, DATA, DELIVERY_ID, LAMPORT, MESSAGE_ID, DEADLINE_S, REST = 1, 2, 3, 4, 6, 7, 9, 10, 12, 13
"""The places of cells in a row."""


@pytest.mark.parametrize("count", [1, 2, 40, 1000])
def test_few_messages_and_reports_and_many_arrive_alike(count: int) -> None:
    failed = Response("7", failure=Failure("RemoteHandlerError", "no", "ValueError", "trace"), lamport=3)
    sent: list[Parcel] = [REQUEST, replace(EVENT, recipients=[(AgentId("sky", "a"), 7)]), failed] * count
    reports = [Report(n, j.FAILED, 5, n, "why", "trace") for n in range(count)]
    data = encode_frame([row_of(parcel) for parcel in sent[:count]], reports=reports)
    read = decode_frame(data)
    assert (read.parcels, read.reports, read.rejected) == (sent[:count], reports, [])
    # What was put together without protobuf is what protobuf would have made of it.
    assert lab_pb.Frame.FromString(data).SerializeToString() == data


def test_a_batch_beside_something_else_is_read_like_one_alone() -> None:
    read = decode_frame(encode_frame([row_of(REQUEST), Cancel("7", "no")], clock=ClockSample(5)))
    assert (read.parcels, read.cancels, read.clock) == ([REQUEST], [Cancel("7", "no")], ClockSample(5))


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (0, 0), (0, 9), (ID, ""), (TARGET, ""), (TARGET, "no such type/k"), (SENDER, "no type!/k"),
        (MESSAGE_ID, "x" * 100_000),
    ],
)  # fmt: skip
def test_an_illegal_message_in_a_frame_is_put_aside_and_the_others_are_taken(cell: int, value: object) -> None:
    read = decode_frame(_frame([row_of(REQUEST), _changed(REQUEST, cell, value), row_of(EVENT)]))
    assert [type(parcel) for parcel in read.parcels] == [Request, Event]
    assert len(read.rejected) == 1
    assert read.rejected[0].request_id == ("" if cell in {0, ID} else "7")


@pytest.mark.parametrize(("cell", "value"), [(TYPE, ""), (TARGET, "no topic!/s"), (TARGET, "")])
def test_an_illegal_event_in_a_frame_is_put_aside(cell: int, value: str) -> None:
    read = decode_frame(_frame([_changed(EVENT, cell, value)]))
    assert (read.parcels, len(read.rejected)) == ([], 1)


def test_a_response_in_a_frame_without_an_id_is_put_aside() -> None:
    (rejected,) = decode_frame(_frame([_changed(Response("s1"), ID, "")])).rejected
    assert "request_id" in str(rejected)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (0, "request"), (ID, 7), (ID, None), (DATA, "text"), (DELIVERY_ID, -1), (DELIVERY_ID, 0.5), (LAMPORT, -1),
        (DEADLINE_S, "soon"), (REST, ()), (REST, ({"x": 1}, None)), (REST, ({}, ("kind",))), (14, [("a/k",)]),
        (14, [("a/k", -1)]), (14, None),
    ],
)  # fmt: skip
def test_what_is_no_row_makes_the_whole_batch_illegal(cell: int, value: object) -> None:
    with pytest.raises(WireError, match="no batch"):
        decode_frame(_frame([row_of(REQUEST), _changed(REQUEST, cell, value)]))


@pytest.mark.parametrize(
    "batch",
    [
        b"\xc1", b"\x93\x90\x90", b"\x92\x90\x90", b"\x93\x90\x90\x90\x00", b"\x93\xdd\xff\xff\xff\xff",
        b"\x93\x90\x91\x96\x01\xa1\xff", b"\x80", b"\xc6\xff\xff\xff\xff",
    ],
)  # fmt: skip
def test_bytes_that_are_no_batch_are_refused_alone_and_beside_something_else(batch: bytes) -> None:
    for frame in (lab_pb.Frame(batch=batch), lab_pb.Frame(batch=batch, goodbye=True)):
        with pytest.raises(WireError, match="no batch"):
            decode_frame(frame.SerializeToString())


@pytest.mark.parametrize("data", [b"\x1a", b"\x1a\x80", b"\x1a\x05\x93", b"\x1a" + b"\xff" * 12])
def test_a_frame_that_ends_too_early_is_none(data: bytes) -> None:
    with pytest.raises(WireError, match="no agentlab frame"):
        decode_frame(data)


def test_messages_with_very_many_receivers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentlab.wire.rows.MOST_RECIPIENTS", 3)
    row = row_of(replace(EVENT, cause="x" * 300, recipients=[(AgentId("sky", str(n)), n) for n in range(2)]))
    assert decode_frame(encode_frame([row])).parcels
    with pytest.raises(WireError, match="receivers"):
        decode_frame(encode_frame([row, row]))


def test_a_message_in_a_frame_with_an_envelope_beyond_all_measure_is_put_aside() -> None:
    read = decode_frame(encode_frame([row_of(REQUEST), row_of(replace(REQUEST, cause="x" * 300_000))]))
    assert (len(read.parcels), len(read.rejected)) == (1, 1)
    read = decode_frame(encode_frame([row_of(replace(REQUEST, metadata={"x": "x" * 300_000}))]))
    assert (len(read.parcels), len(read.rejected)) == (0, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("topic", "no topic"),
        ("sender", "no agent"),
        ("message_id", "x" * 1000),
        ("cause", "x" * 1000),
        ("type", "x" * 1000),
    ],
)
def test_an_illegal_word_of_a_lost_message_is_put_aside_and_the_others_are_taken(field: str, value: str) -> None:
    lost = [LostMessage(f"m-{n}", "", "a/k", "t/k", "Text", 2, 5, 5) for n in range(3)]
    raw = lab_pb.Frame.FromString(encode_frame(lost=lost))
    setattr(raw.lost[1], field, value)
    read = decode_frame(raw.SerializeToString())
    assert read.lost == [lost[0], lost[2]]
    assert len(read.rejected) == 1


def test_half_a_character_is_refused_to_whoever_sends_it_and_replaced_in_an_error() -> None:
    with pytest.raises(UnicodeEncodeError):
        row_of(replace(REQUEST, target=AgentId("sky", "\ud800")))
    failed = Response("7", failure=Failure("RemoteHandlerError", "half: \ud800", "ValueError", "\ud800"))
    (read,) = decode_frame(encode_frame([row_of(failed)])).parcels
    assert isinstance(read, Response)
    assert read.failure == Failure("RemoteHandlerError", "half: ?", "ValueError", "?")
    assert isinstance(decode_plain(encode_plain(failed)), Response)


def test_a_refusal_does_not_repeat_a_text_of_any_length() -> None:
    message = _request()
    message.request.target.type = "!" * 100_000
    with pytest.raises(WireError) as refused:
        decode_plain(message.SerializeToString())
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("lamport", [2**64 - 1, 2**63])
def test_a_logical_time_that_nobody_could_count_to_is_worth_nothing(lamport: int) -> None:
    """It would soon be more than the wire can hold, and with it every message of everybody."""
    read = decode_frame(_frame([_changed(REQUEST, LAMPORT, lamport)], [(1, j.HANDLED, 5, lamport, "", "")]))
    assert read.parcels[0].lamport == 0
    assert Report(*read.reports[0]).lamport == 0
    with pytest.raises(WireError, match="no batch"):
        decode_frame(_frame(handled=[(1, 5, 5, 5, 6, 7, lamport)]))
    plain = _request()
    plain.request.metadata["agentlab-lamport"] = str(lamport)
    assert decode_plain(plain.SerializeToString()).lamport == 0


@pytest.mark.parametrize("text", ["", "soon", "1e999999x", "nan", "-", "٣"])
def test_stamps_that_are_no_numbers_are_worth_nothing(text: str) -> None:
    message = _request()
    for name in ("agentlab-sent-ns", "agentlab-lamport", "agentlab-deadline-s"):
        message.request.metadata[name] = text
    read = decode_plain(message.SerializeToString())
    assert isinstance(read, Request)
    assert (read.sent_ns, read.lamport) == (0, 0)
    assert read.deadline_s is None or text == "٣"  # float() reads every script's digits


def test_a_deadline_of_minus_infinity_is_one_that_has_passed() -> None:
    message = _request()
    message.request.metadata["agentlab-deadline-s"] = "-inf"
    read = decode_plain(message.SerializeToString())
    assert isinstance(read, Request)
    assert read.deadline_s == 0


def test_autogens_unknown_sender_is_nobody() -> None:
    message = _cloud_event()
    message.cloudEvent.attributes["agagentsendertype"].ce_string = "unknown"
    message.cloudEvent.attributes["agagentsenderkey"].ce_string = "unknown"
    read = decode_plain(message.SerializeToString())
    assert read.sender is None  # type: ignore[union-attr]


def test_a_report_of_what_nobody_knows_is_passed_over() -> None:
    rows = [(n, what, 5, n, "", "") for n, what in enumerate([j.STARTED, "dreamt of", j.HANDLED])]
    assert [Report(*report).delivery_id for report in decode_frame(_frame(reports=rows)).reports] == [0, 2]


def test_a_protobuf_payload_rides_in_proto_data_both_ways() -> None:
    packed = PackedAny()
    packed.Pack(agents_pb.AgentId(type="a", key="b"))
    event = Event(
        TopicId("t", "s"),
        Payload("agents.AgentId", "application/x-protobuf", packed.SerializeToString(deterministic=True)),
    )
    assert decode_plain(encode_plain(event)) == event


@pytest.mark.parametrize("name", [*BY_NAME, "MessageDroppedException"])
def test_an_error_travels_by_its_name(name: str) -> None:
    read = decode_plain(encode_plain(Response("7", failure=Failure(name, "why", "KeyError", "the traceback"))))
    assert isinstance(read, Response)
    assert read.failure is not None
    error = read.failure.exception()
    assert type(error).__name__ == name
    assert "why" in str(error)
    if isinstance(error, RemoteHandlerError):
        assert (error.remote_type, error.remote_traceback) == ("KeyError", "the traceback")


def test_an_error_of_an_unknown_kind_is_an_undeliverable_message() -> None:
    assert type(Failure("FutureError", "why").exception()) is UndeliverableException


def test_an_error_text_of_a_worker_that_knows_nothing_of_ours_is_its_handlers() -> None:
    message = agents_pb.Message(response=agents_pb.RpcResponse(request_id="7", error="bad luck"))
    read = decode_plain(message.SerializeToString())
    assert isinstance(read, Response)
    assert read.failure == Failure("RemoteHandlerError", "bad luck")


def test_a_dropped_message_is_no_undeliverable_one() -> None:
    assert isinstance(Failure("MessageDroppedException", "x").exception(), MessageDroppedException)
