"""Parcels as bytes and back in both dialects, and bytes that are nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf.any_pb2 import Any as PackedAny
from hypothesis import given, settings
from hypothesis import strategies as st

from agentlab import AgentId, TopicId
from agentlab.core import journal as j
from agentlab.core.exceptions import BY_NAME, MessageDroppedException, RemoteHandlerError, UndeliverableException
from agentlab.wire.codec import decode_plain, encode_plain
from agentlab.wire.columns import row_of, write_rows
from agentlab.wire.few import FEW
from agentlab.wire.frames import decode_frame, encode_frame
from agentlab.wire.generated import agent_worker_pb2 as agents_pb
from agentlab.wire.generated import agentlab_pb2 as lab_pb
from agentlab.wire.parcels import (
    Cancel,
    ClockSample,
    Event,
    Failure,
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
    st.lists(s.lost, max_size=3),
)
def test_a_frame_comes_back_as_it_was(
    parcels: list[Parcel], cancels: list[Cancel], reports: list[Report], lost: list[LostMessage]
) -> None:
    pieces = [row_of(parcel) for parcel in parcels] + cancels
    frame = decode_frame(encode_frame(pieces, reports=reports, lost=lost))
    assert frame.lost == lost
    assert frame.parcels == parcels
    assert frame.cancels == cancels
    assert frame.reports == reports
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


def _table(*parcels: Parcel) -> lab_pb.Frame:
    frame = lab_pb.Frame()
    write_rows([row_of(parcel) for parcel in parcels], frame.parcels)
    return frame


def _few(*parcels: Parcel) -> lab_pb.Frame:
    return lab_pb.Frame.FromString(encode_frame([row_of(parcel) for parcel in parcels]))


@pytest.mark.parametrize("count", [1, FEW, FEW + 1])
def test_few_messages_and_reports_and_many_arrive_alike(count: int) -> None:
    failed = Response("7", failure=Failure("RemoteHandlerError", "no", "ValueError", "trace"), lamport=3)
    sent: list[Parcel] = [REQUEST, replace(EVENT, recipients=[(AgentId("sky", "a"), 7)]), failed] * count
    reports = [Report(n, j.FAILED, 5, n, "why", "trace") for n in range(count)]
    read = decode_frame(encode_frame([row_of(parcel) for parcel in sent[:count]], reports=reports))
    assert (read.parcels, read.reports, read.rejected) == (sent[:count], reports, [])


def test_few_messages_come_before_those_of_the_table() -> None:
    frame = _few(REQUEST)
    frame.parcels.CopyFrom(_table(EVENT).parcels)
    assert decode_frame(frame.SerializeToString()).parcels == [REQUEST, EVENT]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", 0), ("kind", 9), ("id", ""), ("target", ""), ("target", "no such type/k"), ("sender", "no type!/k"),
        ("message_id", "x" * 100_000),
    ],
)  # fmt: skip
def test_an_illegal_one_of_few_messages_is_put_aside_and_the_others_are_taken(field: str, value: object) -> None:
    frame = _few(REQUEST, REQUEST, EVENT)
    setattr(frame.few_parcels[1], field, value)
    read = decode_frame(frame.SerializeToString())
    assert [type(parcel) for parcel in read.parcels] == [Request, Event]
    assert len(read.rejected) == 1
    assert read.rejected[0].request_id == ("" if field in {"kind", "id"} else "7")


def test_a_few_messages_with_very_many_receivers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentlab.wire.few.MOST_RECIPIENTS", 2)
    to = [(AgentId("sky", str(n)), n) for n in range(2)]
    assert decode_frame(_few(replace(EVENT, recipients=to)).SerializeToString()).parcels
    with pytest.raises(WireError, match="4 receivers"):
        decode_frame(_few(*[replace(EVENT, recipients=to)] * 2).SerializeToString())


@pytest.mark.parametrize(
    ("column", "value"),
    [("kind", 0), ("kind", 9), ("id", ""), ("target", ""), ("target", "no such type/k"), ("sender", "no type!/k")],
)
def test_an_illegal_message_in_a_frame_is_put_aside_and_the_others_are_taken(column: str, value: object) -> None:
    frame = _table(REQUEST, REQUEST, EVENT)
    getattr(frame.parcels, column)[1] = value
    read = decode_frame(frame.SerializeToString())
    assert [type(parcel) for parcel in read.parcels] == [Request, Event]
    assert len(read.rejected) == 1
    assert read.rejected[0].request_id == ("" if column in {"kind", "id"} else "7")


@pytest.mark.parametrize(("column", "value"), [("type", ""), ("target", "no topic!/s"), ("target", "")])
def test_an_illegal_event_in_a_frame_is_put_aside(column: str, value: str) -> None:
    frame = _table(EVENT)
    getattr(frame.parcels, column)[0] = value
    read = decode_frame(frame.SerializeToString())
    assert (read.parcels, len(read.rejected)) == ([], 1)


def test_a_response_in_a_frame_without_an_id_is_put_aside() -> None:
    frame = _table(Response("s1"))
    frame.parcels.id[0] = ""
    assert len(decode_frame(frame.SerializeToString()).rejected) == 1


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


@pytest.mark.parametrize("column", ["kind", "deadline_s", "message_id", "recipient"])
def test_columns_that_are_not_equally_long_are_no_table(column: str) -> None:
    frame = _table(REQUEST, replace(EVENT, recipients=[(AgentId("sky", "a"), 7)]))
    del getattr(frame.parcels, column)[-1]
    with pytest.raises(WireError):
        decode_frame(frame.SerializeToString())


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
    frame = _table(REQUEST)
    frame.parcels.lamport[0] = lamport
    frame.reports.delivery_id.append(1)
    frame.reports.what.append(lab_pb.Reports.HANDLED)
    frame.reports.time_ns.append(5)
    frame.reports.lamport.append(lamport)
    read = decode_frame(frame.SerializeToString())
    assert read.parcels[0].lamport == 0
    assert Report(*read.reports[0]).lamport == 0
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


def test_reports_of_unequal_columns_count_as_far_as_they_are_whole() -> None:
    frame = lab_pb.Frame()
    frame.reports.delivery_id.extend([1, 2, 3])
    frame.reports.what.extend([lab_pb.Reports.STARTED, 77, lab_pb.Reports.HANDLED])
    frame.reports.time_ns.extend([5, 6])
    frame.reports.lamport.extend([7, 8, 9])
    assert [Report(*report).delivery_id for report in decode_frame(frame.SerializeToString()).reports] == [1]


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
