"""Messages as rows: how each message of a frame is written, and what is read of it and checked.

Measured: a row costs its writer 0.3 µs and its reader 0.6 µs, an object of protobuf's for each message 3 and 6 µs, and
five times as much in a process that was asleep, as one is that waits for its turn in a conversation.
Read next: `agentlab.wire.frames`, of which this is the largest part.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Final

from msgspec import Meta

from ..core.ids import AgentId
from ..core.topics import TopicId
from .codec import LARGEST_ENVELOPE, LONGEST_NAME, agent_id, cut, plausible_lamport, short, stated_seconds, topic_id
from .parcels import NOTHING, Event, Failure, Parcel, Payload, Request, Response, WireError

REQUEST: Final = 1
RESPONSE: Final = 2
EVENT: Final = 3
"""What a row begins with."""

MOST_RECIPIENTS: Final = 100_000
"""Receivers that the published messages of one frame may have."""

Natural = Annotated[int, Meta(ge=0)]
"""A number that is not negative: fewer than 2**64, or it could not be written."""

FailureFields = tuple[str, str, str, str]
"""The fields of a `Failure`, in their order."""

Rest = tuple[dict[str, str], FailureFields | None]
"""What few messages have: metadata, and of some replies why there is none."""

Row = tuple[
    int,  # REQUEST, RESPONSE or EVENT
    str,  # request id: the sender's own on the way to the host, the session's on the way on
    str,  # type/key of the agent, or type/source of the topic
    str,  # the sender, type/key; empty when it was sent from outside any agent
    str,  # the payload's type,
    str,  # content type
    bytes,  # and data
    Natural,  # delivery id, from the host: what reports about this copy refer to
    Natural,  # sent_ns: nanoseconds since the epoch, on the host's clock
    Natural,  # Lamport time
    str,  # message id
    str,  # cause: the id of the message that was being handled when this one was sent
    float | None,  # deadline: seconds from now; infinite: none; None: not said
    Rest | None,
    Annotated[list[tuple[str, Natural]], Meta(max_length=MOST_RECIPIENTS)],  # from the host: type/key, delivery id
]
"""A message as it is written."""

_ID: Final = 1
_DATA: Final = 6
_REST: Final = 13
_RECIPIENTS: Final = 14
"""Where in a row its id, its payload's bytes, its metadata and failure, and its recipients are."""

_BESIDE: Final = 256
"""About as many bytes as a row has beside its payload, its metadata and its recipients."""

_A_RECIPIENT: Final = 32
"""About as many bytes as one has."""

_NONE: Final[list[Any]] = []


def row_bytes(row: Row) -> int:
    """About how many bytes a row has."""
    size = len(row[_DATA]) + _BESIDE
    if row[_REST] is not None:
        size += _rest_bytes(row[_REST])
    return size + len(row[_RECIPIENTS]) * _A_RECIPIENT if row[_RECIPIENTS] else size


def _rest_bytes(rest: Rest) -> int:
    metadata, failure = rest
    return sum(len(name) + len(text) for name, text in metadata.items()) + sum(map(len, failure or ()))


# Writing


def row_of(parcel: Parcel) -> Row:
    """The parcel as a row. Raises UnicodeEncodeError or TypeError for a text that cannot be written: now, to whoever
    sends it, and not when the frame is written, which has others' messages in it, too."""
    payload_type, content_type, data = parcel.payload
    if isinstance(parcel, Request):
        request_id, sender = parcel.request_id, "" if parcel.sender is None else name_text(parcel.sender)
        target, message_id, cause = name_text(parcel.target), parcel.message_id, parcel.cause
        _check((request_id, target, sender, payload_type, content_type, message_id, cause))
        return (
            REQUEST, request_id, target, sender, payload_type, content_type, data, parcel.delivery_id, parcel.sent_ns,
            parcel.lamport, message_id, cause, parcel.deadline_s,
            _rest(parcel.metadata, None) if parcel.metadata else None, _NONE,
        )  # fmt: skip
    if isinstance(parcel, Response):
        _check((parcel.request_id, payload_type, content_type))
        return (
            RESPONSE, parcel.request_id, "", "", payload_type, content_type, data, parcel.delivery_id, parcel.sent_ns,
            parcel.lamport, "", "", None,
            _rest(parcel.metadata, parcel.failure) if parcel.metadata or parcel.failure is not None else None, _NONE,
        )  # fmt: skip
    topic, sender = name_text(parcel.topic), "" if parcel.sender is None else name_text(parcel.sender)
    _check((topic, sender, payload_type, content_type, parcel.message_id, parcel.cause))
    return (
        EVENT, "", topic, sender, payload_type, content_type, data, 0, parcel.sent_ns,
        parcel.lamport, parcel.message_id, parcel.cause, None,
        _rest(parcel.attributes, None) if parcel.attributes else None,
        [(name_text(agent), delivery_id) for agent, delivery_id in parcel.recipients],
    )  # fmt: skip


@lru_cache(maxsize=8192)
def name_text(name: AgentId | TopicId) -> str:
    """The name as it is written: one string for all messages, since the journal keeps very many of them."""
    return str(name)


def _rest(metadata: dict[str, str], failure: Failure | None) -> Rest:
    _check((*metadata.keys(), *metadata.values()))
    if failure is None:
        return metadata, None
    return metadata, (cut(failure.kind), cut(failure.text), cut(failure.remote_type), cut(failure.traceback))


def _check(texts: tuple[str, ...]) -> None:
    joined = "".join(texts)
    if not joined.isascii():
        joined.encode()


# Reading


def read_rows(rows: list[Row], size: int, rejected: list[WireError]) -> list[Parcel]:
    """The rows' parcels; why one of them is illegal goes into `rejected`.

    `size` is the frame's, in bytes. Raises WireError when the rows name too many receivers.
    """
    beside = size
    if size > LONGEST_NAME:  # else there can be neither a long name nor very many receivers
        beside -= sum([len(row[_DATA]) for row in rows])
        if sum([len(row[_RECIPIENTS]) for row in rows]) > MOST_RECIPIENTS:
            raise WireError(f"The frame's messages name more than {MOST_RECIPIENTS:,} receivers, which is too many.")
    parcels: list[Parcel] = []
    for row in rows:
        try:
            if beside > LONGEST_NAME:
                _check_names(row)
                if beside > LARGEST_ENVELOPE:
                    _check_envelope(row)
            parcels.append(_read_row(row))
        except WireError as error:
            error.request_id = row[_ID] if row[0] == REQUEST else ""
            error.answers = row[_ID] if row[0] == RESPONSE else ""
            rejected.append(error)
    return parcels


def _read_row(row: Row) -> Parcel:
    (
        kind, id, target, sender, type, content_type, data, delivery_id, sent_ns, lamport, message_id, cause,
        deadline_s, rest, recipients,
    ) = row  # fmt: skip
    payload = Payload(type, content_type, data)
    lamport = plausible_lamport(lamport)
    if kind == RESPONSE:
        if not id:
            raise WireError("A response needs a request_id.")
        response = Response(id, payload if type else NOTHING, None, sent_ns, lamport, delivery_id)
        if rest is not None:
            response.metadata = rest[0]
            response.failure = None if rest[1] is None else _read_failure(rest[1])
        return response
    source = agent_of(sender) if sender else None
    if kind == REQUEST:
        if not id:
            raise WireError("A request needs a request_id.")
        deadline = None if deadline_s is None else stated_seconds(deadline_s)
        request = Request(
            id, agent_of(target), payload, source, message_id, cause, sent_ns, lamport, deadline, delivery_id
        )  # fmt: skip
        if rest is not None:
            request.metadata = rest[0]
        return request
    if kind == EVENT:
        if not type:
            raise WireError("A published message needs the name of its type.")
        event = Event(topic_of(target), payload, source, message_id, cause, sent_ns, lamport)
        if recipients:
            event.recipients = [(agent_of(agent), recipient_id) for agent, recipient_id in recipients]
        if rest is not None:
            event.attributes = rest[0]
        return event
    raise WireError(f"A message of kind {kind} is none: it should be a request, a response or an event.")


def _read_failure(fields: FailureFields) -> Failure:
    kind, text, remote_type, traceback = fields
    kind = kind or "RemoteHandlerError"
    text = text or f"{kind} without a text"
    return Failure(short(kind, "kind of error"), cut(text), cut(remote_type), cut(traceback))


def _check_names(row: Row) -> None:
    _, id, _, _, type, content_type, _, _, _, _, message_id, cause, *_ = row
    most = LONGEST_NAME
    if len(id) > most or len(type) > most or len(content_type) > most or len(message_id) > most or len(cause) > most:
        short(id, "request id")
        short(type, "message type's name")
        short(content_type, "content type")
        short(message_id, "message id")
        short(cause, "cause")


def _check_envelope(row: Row) -> None:
    beside = sum(len(cell) for cell in row if isinstance(cell, str))
    beside += 0 if row[_REST] is None else _rest_bytes(row[_REST])
    if beside > LARGEST_ENVELOPE:
        raise WireError(f"The message has {beside:,} bytes beside its payload; {LARGEST_ENVELOPE:,} are allowed.")


@lru_cache(maxsize=8192)
def agent_of(text: str) -> AgentId:
    """Raises WireError for what is no ``type/key``."""
    agent_type, _, key = text.partition("/")
    return agent_id(agent_type, key)


@lru_cache(maxsize=4096)
def topic_of(text: str) -> TopicId:
    """Raises WireError for what is no ``type/source``."""
    topic_type, _, source = text.partition("/")
    return topic_id(topic_type, source)
