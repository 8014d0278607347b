"""Parcels as bytes and back, in the two dialects of the wire.

*Plain* is AutoGen's `OpenChannel`: one `agents.Message` a gRPC message, our stamps in its metadata. *Link* is
agentlab's own: a frame with many parcels, each with its stamps beside it.

Decoding is where the network's input is checked: what is not legal raises `WireError` and goes no further.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from google.protobuf.message import DecodeError

from ..core import journal as j
from ..core.ids import AgentId
from ..core.serialization import JSON_DATA_CONTENT_TYPE, PROTOBUF_DATA_CONTENT_TYPE
from ..core.topics import TopicId
from .generated import agent_worker_pb2 as agents_pb
from .generated import agentlab_pb2 as lab_pb
from .parcels import (
    NOTHING,
    Cancel,
    ClockSample,
    Event,
    Failure,
    Frame,
    Hello,
    Parcel,
    Payload,
    Report,
    Request,
    Response,
    Welcome,
    WireError,
)

LONGEST_TEXT: Final = 16 * 1024
"""Characters of an error's text or traceback that travel: enough to read, and no message becomes too large by it."""

LARGEST_ENVELOPE: Final = 256 * 1024
"""Bytes of a message beside its payload: far more than any use of ids, keys and metadata, and an error's texts."""

# Metadata of requests and responses.
_MESSAGE_ID: Final = "agentlab-message-id"
_CAUSE: Final = "agentlab-cause"
_SENT_NS: Final = "agentlab-sent-ns"
_LAMPORT: Final = "agentlab-lamport"
_DEADLINE_S: Final = "agentlab-deadline-s"
_ERROR: Final = "agentlab-error"
_ERROR_TYPE: Final = "agentlab-error-type"
_TRACEBACK: Final = "agentlab-traceback"

# Attributes of CloudEvents, whose names are lower-case letters and digits only.
_CONTENT_TYPE: Final = "datacontenttype"
_SCHEMA: Final = "dataschema"
_SENDER_TYPE: Final = "agagentsendertype"
_SENDER_KEY: Final = "agagentsenderkey"
_KIND: Final = "agmsgkind"
_EVENT_CAUSE: Final = "agentlabcause"
_EVENT_SENT_NS: Final = "agentlabsentns"
_EVENT_LAMPORT: Final = "agentlablamport"
_OWN_ATTRIBUTES: Final = frozenset(
    {_CONTENT_TYPE, _SCHEMA, _SENDER_TYPE, _SENDER_KEY, _KIND, _EVENT_CAUSE, _EVENT_SENT_NS, _EVENT_LAMPORT}
)

_NOBODY: Final = AgentId("unknown", "unknown")
"""How AutoGen's workers write "no sender"."""

_WHAT_TO_WIRE: Final = {
    j.RECEIVED: lab_pb.Reports.RECEIVED,
    j.STARTED: lab_pb.Reports.STARTED,
    j.HANDLED: lab_pb.Reports.HANDLED,
    j.UNHANDLED: lab_pb.Reports.UNHANDLED,
    j.FAILED: lab_pb.Reports.FAILED,
    j.DROPPED: lab_pb.Reports.DROPPED,
}
_WHAT_FROM_WIRE: Final = {number: what for what, number in _WHAT_TO_WIRE.items()}


@lru_cache(maxsize=8192)
def _agent_id(agent_type: str, key: str) -> AgentId:
    try:
        return AgentId(agent_type, key)
    except ValueError as error:
        raise WireError(str(error)) from error


@lru_cache(maxsize=4096)
def _topic_id(topic_type: str, source: str) -> TopicId:
    try:
        return TopicId(topic_type, source)
    except ValueError as error:
        raise WireError(str(error)) from error


def _integer(text: str) -> int:
    """A stamp that another language may have got wrong: then it is worth nothing, and harms nothing."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


_HIGHEST_LAMPORT: Final = 2**53
"""Nobody counts to this; and everybody's clock would follow to where the wire cannot write it."""


def _lamport(number: int) -> int:
    return number if number <= _HIGHEST_LAMPORT else 0


# Messages: what the two dialects share


def _write(parcel: Parcel, message: agents_pb.Message) -> None:
    """Fill in `message`, without our stamps."""
    if isinstance(parcel, Request):
        request = message.request
        request.request_id = parcel.request_id
        request.target.type, request.target.key = parcel.target.type, parcel.target.key
        if parcel.sender is not None:
            request.source.type, request.source.key = parcel.sender.type, parcel.sender.key
        _write_payload(parcel.payload, request.payload)
        if parcel.metadata:
            request.metadata.update(parcel.metadata)
    elif isinstance(parcel, Response):
        response = message.response
        response.request_id = parcel.request_id
        if parcel.payload.type or parcel.failure is None:
            response.payload.SetInParent()  # also of None: what has neither payload nor error is no reply
            _write_payload(parcel.payload, response.payload)
        if parcel.metadata:
            response.metadata.update(parcel.metadata)
        if parcel.failure is not None:
            failure = parcel.failure
            response.error = _cut(failure.text) or f"{failure.kind} without a text"
            response.metadata[_ERROR] = _cut(failure.kind)
            if failure.remote_type:
                response.metadata[_ERROR_TYPE] = _cut(failure.remote_type)
            if failure.traceback:
                response.metadata[_TRACEBACK] = _cut(failure.traceback)
    else:
        _write_event(parcel, message)


def _cut(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    half = LONGEST_TEXT // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


def _write_payload(payload: Payload, into: agents_pb.Payload) -> None:
    into.data_type, into.data_content_type, into.data = payload


def _write_event(parcel: Event, message: agents_pb.Message) -> None:
    event = message.cloudEvent
    event.id = parcel.message_id
    event.spec_version = "1.0"
    event.type, event.source = parcel.topic.type, parcel.topic.source
    attributes = event.attributes
    for name, text in parcel.attributes.items():
        attributes[name].ce_string = text
    attributes[_CONTENT_TYPE].ce_string = parcel.payload.content_type
    attributes[_SCHEMA].ce_string = parcel.payload.type
    attributes[_KIND].ce_string = "publish"
    if parcel.sender is not None:
        attributes[_SENDER_TYPE].ce_string = parcel.sender.type
        attributes[_SENDER_KEY].ce_string = parcel.sender.key
    if parcel.payload.content_type == PROTOBUF_DATA_CONTENT_TYPE:
        event.proto_data.ParseFromString(parcel.payload.data)
    else:
        event.binary_data = parcel.payload.data


def _read(message: agents_pb.Message) -> Parcel:
    """Raises WireError."""
    parcel: Parcel
    try:
        match message.WhichOneof("message"):
            case "request":
                parcel = _read_request(message.request)
            case "response":
                parcel = _read_response(message.response)
            case "cloudEvent":
                parcel = _read_event(message.cloudEvent)
            case _:
                raise WireError("The message is empty: it should be a request, a response or a cloudEvent.")
        beside = message.ByteSize() - len(parcel.payload.data)
        if beside > LARGEST_ENVELOPE:
            raise WireError(f"The message has {beside:,} bytes beside its payload; {LARGEST_ENVELOPE:,} are allowed.")
    except WireError as error:
        error.request_id = message.request.request_id
        raise
    return parcel


def _read_payload(payload: agents_pb.Payload) -> Payload:
    return Payload(payload.data_type, payload.data_content_type, payload.data)


def _read_request(request: agents_pb.RpcRequest) -> Request:
    if not request.request_id:
        raise WireError("A request needs a request_id.")
    sender = _agent_id(request.source.type, request.source.key) if request.HasField("source") else None
    parcel = Request(
        request.request_id, _agent_id(request.target.type, request.target.key), _read_payload(request.payload), sender
    )
    if request.metadata:
        metadata = dict(request.metadata)
        parcel.message_id = metadata.pop(_MESSAGE_ID, "")
        parcel.cause = metadata.pop(_CAUSE, "")
        parcel.sent_ns = _integer(metadata.pop(_SENT_NS, ""))
        parcel.lamport = _lamport(_integer(metadata.pop(_LAMPORT, "")))
        parcel.deadline_s = _deadline(metadata.pop(_DEADLINE_S, None))
        parcel.metadata = metadata
    return parcel


def _deadline(text: str | None) -> float | None:
    try:
        return None if text is None else _seconds(float(text))
    except ValueError:
        return None


def _seconds(seconds: float) -> float | None:
    """A deadline: none that is no number, and none that would be infinite in the past."""
    if math.isnan(seconds):
        return None
    return 0.0 if seconds == -math.inf else seconds


def _read_response(response: agents_pb.RpcResponse) -> Response:
    if not response.request_id:
        raise WireError("A response needs a request_id.")
    metadata = dict(response.metadata)
    parcel = Response(response.request_id, _read_payload(response.payload) if response.HasField("payload") else NOTHING)
    if metadata:
        parcel.sent_ns = _integer(metadata.pop(_SENT_NS, ""))
        parcel.lamport = _lamport(_integer(metadata.pop(_LAMPORT, "")))
    kind, remote_type, trace = (metadata.pop(name, "") for name in (_ERROR, _ERROR_TYPE, _TRACEBACK))
    if response.error:
        # A worker that knows nothing of ours says only a text: its handler failed.
        parcel.failure = Failure(kind or "RemoteHandlerError", response.error, remote_type, trace)
    elif not response.HasField("payload"):
        # What AutoGen's worker sends when the exception's text is empty. It cannot send a None.
        parcel.failure = Failure("RemoteHandlerError", "The handler raised an exception that has no text.")
    parcel.metadata = metadata
    return parcel


def _read_event(event: Any) -> Event:
    attributes = {name: _attribute(value) for name, value in event.attributes.items()}
    match event.WhichOneof("data"):
        case "proto_data":
            content_type, data = PROTOBUF_DATA_CONTENT_TYPE, event.proto_data.SerializeToString()
        case "text_data":
            content_type, data = JSON_DATA_CONTENT_TYPE, event.text_data.encode()
        case _:
            content_type, data = JSON_DATA_CONTENT_TYPE, event.binary_data
    if not attributes.get(_SCHEMA):
        raise WireError("A CloudEvent needs the attribute dataschema: the message type's name.")
    named = attributes.get(_CONTENT_TYPE) or content_type
    if (named == PROTOBUF_DATA_CONTENT_TYPE) != (content_type == PROTOBUF_DATA_CONTENT_TYPE):
        raise WireError(f"A CloudEvent says that its data is {named:.100}, and it is {content_type}.")
    sender = None
    if _SENDER_TYPE in attributes and _SENDER_KEY in attributes:
        sender = _agent_id(attributes[_SENDER_TYPE], attributes[_SENDER_KEY])
    return Event(
        _topic_id(event.type, event.source),
        Payload(attributes[_SCHEMA], named, data),
        None if sender == _NOBODY else sender,
        event.id,
        attributes.get(_EVENT_CAUSE, ""),
        _integer(attributes.get(_EVENT_SENT_NS, "")),
        _lamport(_integer(attributes.get(_EVENT_LAMPORT, ""))),
        attributes={name: text for name, text in attributes.items() if name not in _OWN_ATTRIBUTES},
    )


def _attribute(value: Any) -> str:
    match value.WhichOneof("attr"):
        case None:
            return ""
        case "ce_bytes":
            return str(value.ce_bytes.hex())
        case "ce_timestamp":
            try:
                return str(value.ce_timestamp.ToJsonString())
            except ValueError as error:
                raise WireError(str(error)) from error
        case name:
            return str(getattr(value, name))


# The plain dialect


def encode_plain(parcel: Parcel) -> bytes:
    """One gRPC message of AutoGen's `OpenChannel`."""
    message = agents_pb.Message()
    _write(parcel, message)
    if isinstance(parcel, Event):
        stamps = {
            _EVENT_CAUSE: parcel.cause,
            _EVENT_SENT_NS: str(parcel.sent_ns or ""),
            _EVENT_LAMPORT: str(parcel.lamport or ""),
        }
        for name, text in stamps.items():
            if text:
                message.cloudEvent.attributes[name].ce_string = text
        return message.SerializeToString()
    stamps = {_SENT_NS: str(parcel.sent_ns or ""), _LAMPORT: str(parcel.lamport or "")}
    metadata = message.response.metadata
    if isinstance(parcel, Request):
        metadata = message.request.metadata
        stamps |= {_MESSAGE_ID: parcel.message_id, _CAUSE: parcel.cause}
        if parcel.deadline_s is not None:
            stamps[_DEADLINE_S] = str(parcel.deadline_s)
    metadata.update({name: text for name, text in stamps.items() if text})
    return message.SerializeToString()


def decode_plain(data: bytes) -> Parcel:
    """Raises WireError."""
    try:
        message = agents_pb.Message.FromString(data)
    except DecodeError as error:
        raise WireError(f"These bytes are no agents.Message: {error}") from error
    return _read(message)


# The link dialect


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field. The fields of one message may simply be joined, so a frame is put together
    from parcels that were encoded one by one when they were sent, without parsing or copying them again."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


_PARCELS: Final = lab_pb.Frame.PARCELS_FIELD_NUMBER
_CANCELS: Final = lab_pb.Frame.CANCELS_FIELD_NUMBER


def encode_parcel(parcel: Parcel) -> bytes:
    """A piece of a frame."""
    out = lab_pb.Parcel()
    _write(parcel, out.message)
    out.sent_ns, out.lamport = parcel.sent_ns, parcel.lamport
    if isinstance(parcel, Event):
        out.message_id, out.cause = parcel.message_id, parcel.cause
        for agent, delivery_id in parcel.recipients:
            out.recipients.add(type=agent.type, key=agent.key)
            out.delivery_ids.append(delivery_id)
    else:
        out.delivery_id = parcel.delivery_id
        if isinstance(parcel, Request):
            out.message_id, out.cause = parcel.message_id, parcel.cause
            if parcel.deadline_s is not None:
                out.deadline_s = parcel.deadline_s
    return _field(_PARCELS, out.SerializeToString())


def encode_cancel(cancel: Cancel) -> bytes:
    """A piece of a frame."""
    return _field(_CANCELS, lab_pb.Cancel(request_id=cancel.request_id, reason=cancel.reason).SerializeToString())


def encode_frame(
    pieces: Iterable[bytes] = (),
    *,
    reports: Iterable[Report] = (),
    clock: ClockSample | None = None,
    hello: Hello | None = None,
    welcome: Welcome | None = None,
    goodbye: bool = False,
) -> bytes:
    """A frame of pieces made by `encode_parcel` and `encode_cancel`, and of what there is one of."""
    rest = lab_pb.Frame()
    if hello is not None:
        rest.hello.name, rest.hello.pid, rest.hello.machine = hello.name, hello.pid, hello.machine
        rest.hello.resume_token, rest.hello.version = hello.resume_token, hello.version
    if welcome is not None:
        rest.welcome.name, rest.welcome.machine = welcome.name, welcome.machine
        rest.welcome.resume_token, rest.welcome.version = welcome.resume_token, welcome.version
        rest.welcome.max_message_bytes = welcome.max_message_bytes
    if clock is not None:
        rest.clock.worker_sent_ns, rest.clock.host_received_ns, rest.clock.host_sent_ns = clock
    if reports:
        _write_reports(reports, rest.reports)
    rest.goodbye = goodbye
    return b"".join((rest.SerializeToString(), *pieces))


def _write_reports(reports: Iterable[Report], into: lab_pb.Reports) -> None:
    columns = list(zip(*reports, strict=True))
    into.delivery_id.extend(columns[0])
    into.what.extend([_WHAT_TO_WIRE[what] for what in columns[1]])
    into.time_ns.extend(columns[2])
    into.lamport.extend(columns[3])
    for row, (text, trace) in enumerate(zip(columns[4], columns[5], strict=True)):
        if text or trace:
            into.details[row].text, into.details[row].traceback = _cut(text), _cut(trace)


def decode_frame(data: bytes) -> Frame:
    """Raises WireError when the bytes are no frame; what is illegal in it is put aside in `Frame.rejected`."""
    try:
        raw = lab_pb.Frame.FromString(data)
    except DecodeError as error:
        raise WireError(f"These bytes are no agentlab frame: {error}") from error
    frame = Frame()
    for piece in raw.parcels:
        try:
            frame.parcels.append(_read_parcel(piece))
        except WireError as error:
            frame.rejected.append((piece.message.request.request_id, str(error)))
    if raw.cancels:
        frame.cancels = [Cancel(cancel.request_id, cancel.reason) for cancel in raw.cancels]
    if raw.HasField("reports"):
        frame.reports = _read_reports(raw.reports)
    if raw.HasField("clock"):
        clock = raw.clock
        frame.clock = ClockSample(clock.worker_sent_ns, clock.host_received_ns, clock.host_sent_ns)
    frame.goodbye = raw.goodbye
    if raw.HasField("hello"):
        hello = raw.hello
        frame.hello = Hello(hello.name, hello.pid, hello.machine, hello.resume_token, hello.version)
    if raw.HasField("welcome"):
        w = raw.welcome
        frame.welcome = Welcome(w.name, w.machine, w.resume_token, w.max_message_bytes, w.version)
    return frame


def _read_parcel(piece: lab_pb.Parcel) -> Parcel:
    parcel = _read(piece.message)
    parcel.sent_ns, parcel.lamport = piece.sent_ns, _lamport(piece.lamport)
    if isinstance(parcel, Event):
        parcel.message_id, parcel.cause = piece.message_id, piece.cause
        if piece.recipients:
            agents = [_agent_id(agent.type, agent.key) for agent in piece.recipients]
            if len(agents) != len(piece.delivery_ids):
                raise WireError("A published message needs one delivery id for each recipient.")
            parcel.recipients = list(zip(agents, piece.delivery_ids, strict=True))
    else:
        parcel.delivery_id = piece.delivery_id
        if isinstance(parcel, Request):
            parcel.message_id, parcel.cause = piece.message_id, piece.cause
            if piece.HasField("deadline_s"):
                parcel.deadline_s = _seconds(piece.deadline_s)
    return parcel


def _read_reports(raw: lab_pb.Reports) -> list[Report]:
    details: Mapping[int, Any] = raw.details
    reports = []
    # Columns of unequal length can only come from a broken worker: the rows that are whole count.
    for row, (delivery_id, number, time_ns, lamport) in enumerate(
        zip(raw.delivery_id, raw.what, raw.time_ns, raw.lamport, strict=False)
    ):
        what = _WHAT_FROM_WIRE.get(number)
        if what is not None:
            text, trace = (details[row].text, details[row].traceback) if row in details else ("", "")
            reports.append(Report(delivery_id, what, time_ns, _lamport(lamport), text, trace))
    return reports
