"""Parcels as AutoGen's messages and back.

On AutoGen's `OpenChannel` (the *plain* dialect) one such message is one gRPC message, with our stamps in its metadata.
agentlab's own dialect, in which they travel in batches, is in `agentlab.wire.frames`. Decoding is where the network's
input is checked: what is not legal raises `WireError` and goes no further.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from ..core.ids import AgentId
from ..core.serialization import JSON_DATA_CONTENT_TYPE, PROTOBUF_DATA_CONTENT_TYPE
from ..core.topics import TopicId
from .counting import MESSAGE, check_fields
from .generated import agent_worker_pb2 as agents_pb
from .parcels import (
    NOTHING,
    Event,
    Failure,
    Parcel,
    Payload,
    Request,
    Response,
    WireError,
)

LONGEST_TEXT: Final = 16 * 1024
"""Characters of an error's text or traceback that travel: enough to read, and no message becomes too large by it."""

LONGEST_NAME: Final = 512
"""Characters of an id, a key or a name: longer than any in use, and short enough to be kept in a journal."""

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


def short(name: str, what: str) -> str:
    """Return a name, an id or a key. Raises WireError for one that is longer than may travel."""
    if len(name) > LONGEST_NAME:
        raise WireError(f"A {what} has {len(name):,} characters; {LONGEST_NAME} may be: {name[:30]!r}…")
    return name


@lru_cache(maxsize=8192)
def agent_id(agent_type: str, key: str) -> AgentId:
    """Raises WireError for an illegal type, and for a name that is too long."""
    short(agent_type, "agent type")
    short(key, "agent's key")
    try:
        return AgentId(agent_type, key)
    except ValueError as error:
        raise WireError(str(error)) from error


@lru_cache(maxsize=4096)
def topic_id(topic_type: str, source: str) -> TopicId:
    """Raises WireError for an illegal type, and for a name that is too long."""
    short(topic_type, "topic type")
    short(source, "topic source")
    try:
        return TopicId(topic_type, source)
    except ValueError as error:
        raise WireError(str(error)) from error


def _integer(text: str) -> int:
    """A stamp that another language may have got wrong: then it is worth nothing, and harms nothing."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


_HIGHEST_LAMPORT: Final = 2**53
"""Nobody counts to this; and everybody's clock would follow to where the wire cannot write it."""


def plausible_lamport(number: int) -> int:
    """A Lamport clock as it is, or 0 for one that no honest process can have reached."""
    return number if number <= _HIGHEST_LAMPORT else 0


# Messages: what the two dialects share


def write_message(parcel: Parcel, message: agents_pb.Message) -> None:
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
            response.error = cut(failure.text) or f"{failure.kind} without a text"
            response.metadata[_ERROR] = cut(failure.kind)
            if failure.remote_type:
                response.metadata[_ERROR_TYPE] = cut(failure.remote_type)
            if failure.traceback:
                response.metadata[_TRACEBACK] = cut(failure.traceback)
    else:
        _write_event(parcel, message)


def cut(text: str) -> str:
    """The text as the wire can hold it, without its middle when it is very long."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()  # an exception's text may hold anything, also half a character
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


def read_message(message: agents_pb.Message) -> Parcel:
    """Raises WireError."""
    try:
        _check_envelope(message)  # before anything in it is read: a map of many small entries takes long
        match message.WhichOneof("message"):
            case "request":
                return _read_request(message.request)
            case "response":
                return _read_response(message.response)
            case "cloudEvent":
                return _read_event(message.cloudEvent)
        raise WireError("The message is empty: it should be a request, a response or a cloudEvent.")
    except WireError as error:
        error.request_id, error.answers = message.request.request_id, message.response.request_id
        raise


def _check_envelope(message: agents_pb.Message) -> None:
    size = message.ByteSize()
    if size <= LARGEST_ENVELOPE:
        return
    match message.WhichOneof("message"):
        case "request":
            data = len(message.request.payload.data)
        case "response":
            data = len(message.response.payload.data)
        case _:
            event: Any = message.cloudEvent
            data = len(event.binary_data) or event.proto_data.ByteSize() or len(event.text_data)
    if size - data > LARGEST_ENVELOPE:
        raise WireError(f"The message has {size - data:,} bytes beside its payload; {LARGEST_ENVELOPE:,} are allowed.")


def _read_payload(payload: agents_pb.Payload) -> Payload:
    content_type = short(payload.data_content_type, "content type")
    return Payload(short(payload.data_type, "message type's name"), content_type, payload.data)


def _read_request(request: agents_pb.RpcRequest) -> Request:
    if not request.request_id:
        raise WireError("A request needs a request_id.")
    short(request.request_id, "request id")
    sender = agent_id(request.source.type, request.source.key) if request.HasField("source") else None
    parcel = Request(
        request.request_id, agent_id(request.target.type, request.target.key), _read_payload(request.payload), sender
    )
    if request.metadata:
        metadata = dict(request.metadata)
        parcel.message_id = short(metadata.pop(_MESSAGE_ID, ""), "message id")
        parcel.cause = short(metadata.pop(_CAUSE, ""), "cause")
        parcel.sent_ns = _integer(metadata.pop(_SENT_NS, ""))
        parcel.lamport = plausible_lamport(_integer(metadata.pop(_LAMPORT, "")))
        parcel.deadline_s = _deadline(metadata.pop(_DEADLINE_S, None))
        parcel.metadata = metadata
    return parcel


def _deadline(text: str | None) -> float | None:
    try:
        return None if text is None else stated_seconds(float(text))
    except ValueError:
        return None


def stated_seconds(seconds: float) -> float | None:
    """A deadline: none that is no number, and none that would be infinite in the past."""
    if math.isnan(seconds):
        return None
    return 0.0 if seconds == -math.inf else seconds


def _read_response(response: agents_pb.RpcResponse) -> Response:
    if not response.request_id:
        raise WireError("A response needs a request_id.")
    short(response.request_id, "request id")
    metadata = dict(response.metadata)
    parcel = Response(response.request_id, _read_payload(response.payload) if response.HasField("payload") else NOTHING)
    if metadata:
        parcel.sent_ns = _integer(metadata.pop(_SENT_NS, ""))
        parcel.lamport = plausible_lamport(_integer(metadata.pop(_LAMPORT, "")))
    kind, remote_type, trace = (metadata.pop(name, "") for name in (_ERROR, _ERROR_TYPE, _TRACEBACK))
    if response.error:
        # A worker that knows nothing of ours says only a text: its handler failed.
        short(kind, "kind of error")
        parcel.failure = Failure(kind or "RemoteHandlerError", cut(response.error), cut(remote_type), cut(trace))
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
        sender = agent_id(attributes[_SENDER_TYPE], attributes[_SENDER_KEY])
    return Event(
        topic_id(event.type, event.source),
        Payload(short(attributes[_SCHEMA], "message type's name"), short(named, "content type"), data),
        None if sender == _NOBODY else sender,
        short(event.id, "message id"),
        short(attributes.get(_EVENT_CAUSE, ""), "cause"),
        _integer(attributes.get(_EVENT_SENT_NS, "")),
        plausible_lamport(_integer(attributes.get(_EVENT_LAMPORT, ""))),
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
    write_message(parcel, message)
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


def encode_bare_error(request_id: str, error: str) -> bytes:
    """A reply with an error's text and nothing else, as a worker sends it that knows AutoGen's wire alone."""
    return agents_pb.Message(response=agents_pb.RpcResponse(request_id=request_id, error=error)).SerializeToString()


def decode_plain(data: bytes) -> Parcel:
    """Raises WireError."""
    check_fields(data, MESSAGE)
    try:
        message = agents_pb.Message.FromString(data)
    except DecodeError as error:
        wrong = WireError(f"These bytes are no agents.Message: {error}")
        wrong.request_id, wrong.answers = _id_inside(data, 1), _id_inside(data, 2)
        raise wrong from error
    return read_message(message)


def _id_inside(data: bytes, kind: int) -> str:
    """The request id of a broken request (1) or response (2), as far as the bytes hold together; else empty.

    A single text that is no UTF-8 breaks a message. Its sender need not wait for its deadline because of that.
    """
    try:
        for field in _fields(data):
            if field.field_number == kind and isinstance(field.data, bytes):
                for inner in _fields(field.data):
                    if inner.field_number == 1 and isinstance(inner.data, bytes):
                        return inner.data.decode()
    except (DecodeError, UnicodeDecodeError):
        return ""
    return ""


def _fields(data: bytes) -> Iterator[Any]:
    """What a message has, whatever message it is: to one that has no fields, all are unknown."""
    fields: Any = UnknownFieldSet(Empty.FromString(data))  # its stub does not know that it can be iterated
    return iter(fields)
