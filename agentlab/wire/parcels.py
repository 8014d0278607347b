"""What travels between a host and its workers, as plain data.

A parcel is a message with its stamps: which message caused it, when it was sent. The host and the workers work with
these; `agentlab.wire.codec` and `agentlab.wire.frames` turn them into bytes and back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ..core.exceptions import BY_NAME, MessageDroppedException, RemoteHandlerError, UndeliverableException
from ..core.ids import AgentId
from ..core.topics import TopicId

ATTEMPT: Final = "agentlab-attempt"
"""The metadata of a request that may be sent again under the same message id: the number of the attempt, from 1."""


class WireError(ValueError):
    """What arrived is not a legal message of this protocol.

    Its text is short however long a text it complains about: it goes into logs, the journal and gRPC's headers.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text if len(text) <= 500 else f"{text[:500]}…")
        self.request_id = ""
        """Of a request that is illegal: its sender waits for an answer."""
        self.answers = ""
        """Of a reply that is illegal: the request whose sender waits for a better one, which will not come."""


class Payload(NamedTuple):
    """A message's content: bytes, and what they are."""

    type: str
    """The message type's name; empty, with no data, for a reply of None."""
    content_type: str
    """``application/json`` or ``application/x-protobuf``."""
    data: bytes
    """The serialized message."""


NOTHING = Payload("", "", b"")
"""The payload of a reply of None."""


@dataclass(slots=True)
class Failure:
    """Why a direct message has no reply, in a form that travels."""

    kind: str
    """The class name of an error of `agentlab.core.exceptions`."""
    text: str
    """What happened, to what, and what to do."""
    remote_type: str = ""
    """The class name of the exception that was raised in the other process."""
    traceback: str = ""
    """The traceback in the other process."""

    def exception(self) -> UndeliverableException | MessageDroppedException:
        """The error to raise at the sender."""
        if self.kind == MessageDroppedException.__name__:
            return MessageDroppedException(self.text)
        cls = BY_NAME.get(self.kind, UndeliverableException)
        if cls is RemoteHandlerError:
            return RemoteHandlerError(self.text, remote_type=self.remote_type, remote_traceback=self.traceback)
        return cls(self.text)


@dataclass(slots=True)
class Request:
    """A direct message on its way."""

    request_id: str
    """The sender's own on the way to the host, the session's on the way on."""
    target: AgentId
    payload: Payload
    sender: AgentId | None = None
    message_id: str = ""
    cause: str = ""
    sent_ns: int = 0
    """Nanoseconds since the epoch on the host's clock; 0 when the sender does not say."""
    lamport: int = 0
    deadline_s: float | None = None
    """Seconds from now; infinite for none; None when the sender does not say."""
    delivery_id: int = 0
    """What the receiver's reports refer to; given by the host."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Passed on as it is: W3C ``traceparent``, and what other languages add."""


@dataclass(slots=True)
class Response:
    """The reply to a direct message, or its failure, on its way."""

    request_id: str
    payload: Payload = NOTHING
    failure: Failure | None = None
    sent_ns: int = 0
    lamport: int = 0
    delivery_id: int = 0
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Event:
    """A published message on its way."""

    topic: TopicId
    payload: Payload
    sender: AgentId | None = None
    message_id: str = ""
    cause: str = ""
    sent_ns: int = 0
    lamport: int = 0
    recipients: list[tuple[AgentId, int]] = field(default_factory=list)
    """From the host: each receiver at this worker with its delivery id. From a host that does not say: empty, and the
    worker asks its own subscriptions."""
    attributes: dict[str, str] = field(default_factory=dict)
    """Passed on as they are: ``traceparent``, and what other languages add."""


Parcel = Request | Response | Event


@dataclass(slots=True)
class Cancel:
    """The sender of a direct message no longer waits."""

    request_id: str
    reason: str = ""


ReportFields = tuple[int, str, int, int, str, str]
"""The fields of a `Report`, in their order. A busy worker has very many, and a bare tuple is made in a tenth of the
time."""


class Report(NamedTuple):
    """What became of a delivered copy, told by the worker that has it."""

    delivery_id: int
    what: str
    """One of the journal's words: received, started, handled, unhandled, failed, dropped."""
    time_ns: int
    """On the host's clock."""
    lamport: int
    detail: str = ""
    trace: str = ""


HandledFields = tuple[int, int, int, int, int, int, int]
"""The fields of a `Handled`, in their order."""


class Handled(NamedTuple):
    """A copy of which nothing was told before its handler ended normally: three reports in one.

    Times are on the host's clock, in nanoseconds since the epoch.
    """

    delivery_id: int
    received_ns: int
    started_ns: int
    handled_ns: int
    received_lamport: int
    started_lamport: int
    handled_lamport: int


class LostMessage(NamedTuple):
    """A published message that never arrived, because the stream it was written to was lost: told by its sender's
    worker on its next stream."""

    message_id: str
    cause: str
    sender: str
    """``type/key``; empty when it was sent from outside any agent."""
    topic: str
    """``type/source``"""
    type: str
    size: int
    sent_ns: int
    """On the host's clock."""
    lamport: int
    detail: str = ""
    """How it was lost."""


@dataclass(slots=True)
class Hello:
    """A worker introduces itself."""

    name: str
    pid: int
    machine: str
    resume_token: str = ""
    """Of the connection that this one takes the place of."""
    version: str = ""


@dataclass(slots=True)
class Welcome:
    """The host introduces itself."""

    name: str
    """The worker's lane: another one than it asked for, if that is taken."""
    machine: str
    resume_token: str
    max_message_bytes: int
    version: str = ""
    taken: int | None = None
    """How many messages, cancellations and lost messages the host took from the connection that this one takes the
    place of; None when it does not know that connection."""


class ClockSample(NamedTuple):
    """One exchange of the clock estimate, in nanoseconds since the epoch on each side's own clock."""

    worker_sent_ns: int
    host_received_ns: int = 0
    host_sent_ns: int = 0


@dataclass(slots=True)
class Frame:
    """A batch: what queued up for the other side since the last one."""

    parcels: list[Parcel] = field(default_factory=list)
    cancels: list[Cancel] = field(default_factory=list)
    reports: list[ReportFields] = field(default_factory=list)
    handled: list[HandledFields] = field(default_factory=list)
    clock: ClockSample | None = None
    hello: Hello | None = None
    welcome: Welcome | None = None
    lost: list[LostMessage] = field(default_factory=list)
    goodbye: bool = False
    """The worker stops on purpose. A stream may end for other reasons, and look the same."""
    rejected: list[WireError] = field(default_factory=list)
    """What in this frame was no legal message."""
