"""What waits in the standalone runtime's queue: messages with what the runtime must know about them.

Read next: `agentlab.core.backlog`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from . import journal as j
from .contexts import MessageContext
from .ids import AgentId
from .serialization import message_type_name


@dataclass(slots=True)
class Request:
    """A direct message in the queue."""

    message: Any
    recipient: AgentId
    context: MessageContext
    reply: asyncio.Future[Any]
    cause: str


@dataclass(slots=True)
class Event:
    """A published message in the queue."""

    message: Any
    context: MessageContext
    cause: str
    open: int = 0
    """Handlers that have not ended yet."""


@dataclass(slots=True)
class Reply:
    """A reply in the queue."""

    message: Any
    request: Request


Envelope = Request | Event | Reply


def journal_fields(envelope: Envelope, recipient: AgentId | None) -> tuple[str, ...]:
    """How the journal names the message copy: from `kind` to `topic`. `recipient` is whose copy of an event it is."""
    match envelope:
        case Request(_, receiver, context, _, cause):
            return j.REQUEST, context.message_id, cause, _text(context.sender), str(receiver), ""
        case Reply(_, request):
            context = request.context
            return j.RESPONSE, context.message_id, context.message_id, str(request.recipient), _text(context.sender), ""
        case Event(_, context, cause):
            return j.EVENT, context.message_id, cause, _text(context.sender), _text(recipient), str(context.topic_id)


def message_name(envelope: Envelope) -> str:
    """The message type's name, as the journal has it."""
    return message_type_name(envelope.message)


def _text(agent: AgentId | None) -> str:
    return "" if agent is None else str(agent)
