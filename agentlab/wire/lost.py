"""Published messages that never arrived, as the frames tell of them. Read next: `agentlab.wire.frames`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .codec import cut, plausible_lamport, short
from .generated import agentlab_pb2 as lab_pb
from .parcels import LostMessage, WireError
from .rows import EVENT, Row, agent_of, topic_of

PUBLISHED: Final = EVENT
"""What a published message's row begins with."""


def lost_message(row: Row, detail: str) -> LostMessage:
    """What is told of the published message in a row."""
    _, _, topic, sender, type, _, data, _, sent_ns, lamport, message_id, cause, *_ = row
    return LostMessage(message_id, cause, sender, topic, type, len(data), sent_ns, lamport, detail)


def write_lost(lost: Sequence[LostMessage], into: lab_pb.Frame) -> None:
    """Add them to a frame."""
    for one in lost:
        into.lost.add(**one._replace(detail=cut(one.detail))._asdict())


def read_lost(raw: lab_pb.Frame, rejected: list[WireError]) -> list[LostMessage]:
    """Those of a frame; why one of them is illegal goes into `rejected`."""
    found = []
    for one in raw.lost:
        try:
            message_id, cause = short(one.message_id, "message id"), short(one.cause, "cause")
            sender = str(agent_of(one.sender)) if one.sender else ""
            type = short(one.type, "message type's name")
            lamport = plausible_lamport(one.lamport)
            found.append(
                LostMessage(
                    message_id, cause, sender, str(topic_of(one.topic)), type, one.size, one.sent_ns, lamport,
                    cut(one.detail),
                )
            )  # fmt: skip
        except WireError as error:
            rejected.append(error)
    return found
