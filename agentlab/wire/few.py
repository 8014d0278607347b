"""A few messages or reports of a frame, each as a protobuf object of its own.

Measured: a table (`agentlab.wire.columns`) of one row costs 60 µs to write and read, an object a fifth of that; from
about eight on the table costs less. One or two in a frame is what a worker sends that is not busy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from .codec import LARGEST_ENVELOPE, LONGEST_NAME
from .columns import MOST_RECIPIENTS, Row, agent_of, check_envelope, check_names, read_rest, read_row, write_rest
from .generated import agentlab_pb2 as lab_pb
from .parcels import Event, Parcel, WireError

FEW: Final = 6
"""So many messages, or reports, are written as objects; more as a table."""


def write_few(rows: Iterable[Row], into: Any) -> None:
    """Add the rows to a frame, as objects."""
    for row in rows:
        (
            kind, id, target, sender, type, content_type, data, delivery_id, sent_ns, lamport, message_id, cause,
            deadline_s, rest, recipients,
        ) = row  # fmt: skip
        one = into.add(
            kind=kind, id=id, target=target, sender=sender, type=type, content_type=content_type, data=data,
            delivery_id=delivery_id, sent_ns=sent_ns, lamport=lamport, message_id=message_id, cause=cause,
            deadline_s=deadline_s,
        )  # fmt: skip
        if rest is not None:
            write_rest(rest[0], rest[1], one.rest)
        for agent, recipient_id in recipients:
            one.recipients.add(agent=str(agent), delivery_id=recipient_id)


def read_few(raw: Sequence[lab_pb.Parcel], size: int, rejected: list[WireError]) -> list[Parcel]:
    """The parcels; why one of them is illegal goes into `rejected`. `size` is the frame's, in bytes. Raises WireError
    when they name too many receivers."""
    parcels: list[Parcel] = []
    receivers = 0
    for one in raw:
        cells = (
            one.kind, one.id, one.target, one.sender, one.type, one.content_type, one.data, one.delivery_id,
            one.sent_ns, one.lamport, one.message_id, one.cause, one.deadline_s,
        )  # fmt: skip
        try:
            if size - len(one.data) > LONGEST_NAME:  # else no name can be too long
                check_names(cells)
            parcel = read_row(*cells)
            has_rest = one.HasField("rest")
            if size > LARGEST_ENVELOPE:  # before a map of many small entries is read
                check_envelope(cells, one.rest.ByteSize() if has_rest else 0)
            if has_rest:
                read_rest(one.rest, parcel)
            if isinstance(parcel, Event) and one.recipients:
                receivers += len(one.recipients)
                if receivers > MOST_RECIPIENTS:
                    break
                parcel.recipients = [(agent_of(to.agent), to.delivery_id) for to in one.recipients]
            parcels.append(parcel)
        except WireError as error:
            error.request_id = one.id if one.kind == lab_pb.Parcels.REQUEST else ""
            error.answers = one.id if one.kind == lab_pb.Parcels.RESPONSE else ""
            rejected.append(error)
    if receivers > MOST_RECIPIENTS:
        raise WireError(f"The frame's messages name {receivers:,} receivers or more; {MOST_RECIPIENTS:,} may be.")
    return parcels
