"""The calls of the wire beside the message streams: paths, and what is asked and answered as plain data.

Who serves and who asks are in `agentlab.host` and `agentlab.worker`; both take the bytes from here. Decoding raises
`WireError` for anything illegal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from google.protobuf.message import DecodeError, Message

from ..core.ids import AgentId
from ..core.journal import FIELDS, JournalEvent
from ..core.subscriptions import Subscription, TypePrefixSubscription, TypeSubscription
from .generated import agent_worker_pb2 as agents_pb
from .generated import agentlab_pb2 as lab_pb
from .parcels import WireError

M = TypeVar("M", bound=Message)

AGENT_RPC: Final = "agents.AgentRpc"
"""AutoGen's service."""
LINK: Final = "agentlab.v1.Link"
"""What agentlab adds."""

CLIENT_ID: Final = "client-id"
"""The gRPC metadata that every call carries: the worker's own name for itself."""
WORKER_NAME: Final = "agentlab-name"
"""Optional gRPC metadata of a plain worker: the name of its lane."""


def _parse(cls: type[M], data: bytes) -> M:
    message = cls()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise WireError(f"These bytes are no {cls.DESCRIPTOR.full_name}: {error}") from error
    return message


# Registering


def encode_register_agent(agent_type: str) -> bytes:
    """What `RegisterAgent` is asked."""
    return agents_pb.RegisterAgentTypeRequest(type=agent_type).SerializeToString()


def decode_register_agent(data: bytes) -> str:
    """The agent type's name (not checked: the host answers an illegal one)."""
    return _parse(agents_pb.RegisterAgentTypeRequest, data).type


def encode_withdraw_agent(agent_type: str) -> bytes:
    """What `WithdrawAgent` is asked."""
    return lab_pb.WithdrawAgentRequest(type=agent_type).SerializeToString()


def decode_withdraw_agent(data: bytes) -> str:
    """The agent type's name."""
    return _parse(lab_pb.WithdrawAgentRequest, data).type


def _write_subscription(subscription: Subscription) -> agents_pb.Subscription:
    out = agents_pb.Subscription(id=subscription.id)
    if isinstance(subscription, TypeSubscription):
        out.typeSubscription.topic_type = subscription.topic_type
        out.typeSubscription.agent_type = subscription.agent_type
    elif isinstance(subscription, TypePrefixSubscription):
        out.typePrefixSubscription.topic_type_prefix = subscription.topic_type_prefix
        out.typePrefixSubscription.agent_type = subscription.agent_type
    else:
        raise ValueError(
            f"A {type(subscription).__name__} cannot travel to a host: use TypeSubscription or TypePrefixSubscription."
        )
    return out


def _read_subscription(raw: agents_pb.Subscription) -> TypeSubscription | TypePrefixSubscription:
    try:
        match raw.WhichOneof("subscription"):
            case "typeSubscription":
                exact = raw.typeSubscription
                return TypeSubscription(exact.topic_type, exact.agent_type, raw.id or None)
            case "typePrefixSubscription":
                prefix = raw.typePrefixSubscription
                return TypePrefixSubscription(prefix.topic_type_prefix, prefix.agent_type, raw.id or None)
    except ValueError as error:
        raise WireError(str(error)) from error
    raise WireError("The subscription is empty: it should be a typeSubscription or a typePrefixSubscription.")


def encode_add_subscription(subscription: Subscription) -> bytes:
    """What `AddSubscription` is asked. Raises ValueError for a kind of subscription that has no wire form."""
    return agents_pb.AddSubscriptionRequest(subscription=_write_subscription(subscription)).SerializeToString()


def decode_add_subscription(data: bytes) -> TypeSubscription | TypePrefixSubscription:
    """The subscription."""
    return _read_subscription(_parse(agents_pb.AddSubscriptionRequest, data).subscription)


def encode_remove_subscription(id: str) -> bytes:
    """What `RemoveSubscription` is asked."""
    return agents_pb.RemoveSubscriptionRequest(id=id).SerializeToString()


def decode_remove_subscription(data: bytes) -> str:
    """The subscription's id."""
    return _parse(agents_pb.RemoveSubscriptionRequest, data).id


def encode_subscriptions(subscriptions: Iterable[Subscription]) -> bytes:
    """What `GetSubscriptions` answers."""
    listed = [_write_subscription(subscription) for subscription in subscriptions]
    return agents_pb.GetSubscriptionsResponse(subscriptions=listed).SerializeToString()


def decode_subscriptions(data: bytes) -> list[TypeSubscription | TypePrefixSubscription]:
    """The subscriptions."""
    return [_read_subscription(raw) for raw in _parse(agents_pb.GetSubscriptionsResponse, data).subscriptions]


# The control channel


@dataclass(frozen=True)
class SaveState:
    """Asks for an agent's state."""

    agent: AgentId


@dataclass(frozen=True)
class LoadState:
    """Asks an agent to take on a state."""

    agent: AgentId
    state: Mapping[str, Any]


@dataclass(frozen=True)
class Describe:
    """Asks what an agent tells about itself."""

    agent: AgentId


Question = SaveState | LoadState | Describe


@dataclass(frozen=True)
class Answer:
    """The answer to any of them."""

    value: Any = None
    """The state, or the description; None for `LoadState`."""
    error: str = ""
    """Why there is none."""


@dataclass(frozen=True)
class Control:
    """A control message: a question on its way to an agent, or the answer on its way back."""

    rpc_id: str
    destination: str
    """``agentid=TYPE/KEY`` or ``clientid=ID``."""
    respond_to: str
    """``clientid=ID`` of a question; empty of an answer."""
    body: bytes = field(repr=False)
    """The question or the answer, packed in a protobuf ``Any``."""

    def target(self) -> AgentId | str:
        """The agent, or the client id, that this is for. Raises WireError for a malformed destination."""
        kind, equals, rest = self.destination.partition("=")
        if equals and kind == "clientid":
            return rest
        if equals and kind == "agentid":
            try:
                return AgentId.from_str(rest)
            except ValueError as error:
                raise WireError(str(error)) from error
        raise WireError(f"{self.destination!r:.200} is no destination: it should be agentid=TYPE/KEY or clientid=ID.")


def encode_control(control: Control) -> bytes:
    """One gRPC message of `OpenControlChannel`."""
    out = agents_pb.ControlMessage(rpc_id=control.rpc_id, destination=control.destination)
    if control.respond_to:
        out.respond_to = control.respond_to
    out.rpcMessage.ParseFromString(control.body)
    return out.SerializeToString()


def decode_control(data: bytes) -> Control:
    """Raises WireError."""
    raw = _parse(agents_pb.ControlMessage, data)
    return Control(raw.rpc_id, raw.destination, raw.respond_to, raw.rpcMessage.SerializeToString())


def _any(message: Message) -> bytes:
    from google.protobuf.any_pb2 import Any as PackedAny

    packed = PackedAny()
    packed.Pack(message)
    return packed.SerializeToString()


def _unpack(body: bytes, classes: Iterable[type[Any]]) -> Any:
    from google.protobuf.any_pb2 import Any as PackedAny

    packed = _parse(PackedAny, body)
    for cls in classes:
        if packed.Is(cls.DESCRIPTOR):
            message = cls()
            try:
                packed.Unpack(message)
            except DecodeError as error:
                raise WireError(f"These bytes are no {cls.DESCRIPTOR.full_name}: {error}") from error
            return message
    raise WireError(f"Unexpected control message: {packed.TypeName() or 'an empty one'}.")


def encode_question(question: Question) -> bytes:
    """The body of a control message. Raises ValueError for a state that is not JSON."""
    agent = agents_pb.AgentId(type=question.agent.type, key=question.agent.key)
    match question:
        case SaveState():
            return _any(agents_pb.SaveStateRequest(agentId=agent))
        case LoadState():
            return _any(agents_pb.LoadStateRequest(agentId=agent, state=_json(question.state)))
        case Describe():
            return _any(lab_pb.MetadataRequest(agent_id=agent))


def decode_question(body: bytes) -> Question:
    """Raises WireError."""
    raw = _unpack(body, (agents_pb.SaveStateRequest, agents_pb.LoadStateRequest, lab_pb.MetadataRequest))
    try:
        if isinstance(raw, agents_pb.SaveStateRequest):
            return SaveState(AgentId(raw.agentId.type, raw.agentId.key))
        if isinstance(raw, agents_pb.LoadStateRequest):
            return LoadState(AgentId(raw.agentId.type, raw.agentId.key), _state(raw.state))
        return Describe(AgentId(raw.agent_id.type, raw.agent_id.key))
    except (ValueError, RecursionError) as error:
        raise WireError(str(error)) from error


def encode_answer(question: Question, answer: Answer) -> bytes:
    """The body of the control message that answers `question`. Raises ValueError for a state that is not JSON."""
    error = answer.error or None
    match question:
        case SaveState():
            return _any(agents_pb.SaveStateResponse(state="" if error else _json(answer.value), error=error))
        case LoadState():
            return _any(agents_pb.LoadStateResponse(error=error))
        case Describe():
            return _any(lab_pb.MetadataResponse(description=str(answer.value or ""), error=error))


def decode_answer(body: bytes) -> Answer:
    """Raises WireError."""
    raw = _unpack(body, (agents_pb.SaveStateResponse, agents_pb.LoadStateResponse, lab_pb.MetadataResponse))
    if raw.error:
        return Answer(error=raw.error)
    if isinstance(raw, agents_pb.SaveStateResponse):
        try:
            return Answer(_state(raw.state))
        except (ValueError, RecursionError) as error:
            raise WireError(f"The state is no JSON object: {error}") from error
    return Answer(raw.description if isinstance(raw, lab_pb.MetadataResponse) else None)


def _json(state: Any) -> str:
    try:
        return json.dumps(dict(state))
    except (TypeError, ValueError) as error:
        raise ValueError(f"save_state should return a mapping that JSON can hold: {error}") from error


def _state(text: str) -> dict[str, Any]:
    state = json.loads(text)
    if not isinstance(state, dict):
        raise WireError(f"A state is a JSON object, not {type(state).__name__}.")
    return state


# Watching


@dataclass(frozen=True)
class JournalBatch:
    """Some journal events, in order."""

    journal: str
    """Names the journal: a restarted host begins another."""
    events: list[JournalEvent]
    missed: int
    """Events before these that the host had to let go."""


_wire_event: Callable[..., Any] = lab_pb.JournalEvent


def encode_journal_batch(batch: JournalBatch) -> bytes:
    """One gRPC message of `Watch`."""
    events = [_wire_event(**{name: getattr(event, name) for name in FIELDS}) for event in batch.events]
    return lab_pb.JournalBatch(journal=batch.journal, events=events, missed=batch.missed).SerializeToString()


def decode_journal_batch(data: bytes) -> JournalBatch:
    """Raises WireError."""
    raw = _parse(lab_pb.JournalBatch, data)
    events = [JournalEvent(*(getattr(event, name) for name in FIELDS)) for event in raw.events]
    return JournalBatch(raw.journal, events, raw.missed)


def encode_watch(after: int, follow: bool) -> bytes:
    """What `Watch` is asked."""
    return lab_pb.WatchRequest(after=after, follow=follow).SerializeToString()


def decode_watch(data: bytes) -> tuple[int, bool]:
    """``(after, follow)``."""
    raw = _parse(lab_pb.WatchRequest, data)
    return raw.after, raw.follow


def encode_note_process(process: str, what: str, detail: str) -> bytes:
    """What `NoteProcess` is asked."""
    return lab_pb.NoteProcessRequest(process=process, what=what, detail=detail).SerializeToString()


def decode_note_process(data: bytes) -> tuple[str, str, str]:
    """``(process, what, detail)``."""
    raw = _parse(lab_pb.NoteProcessRequest, data)
    return raw.process, raw.what, raw.detail


@dataclass(frozen=True)
class WorkerInfo:
    """A connected worker, as the host sees it."""

    name: str
    client_id: str
    pid: int
    """0 when it did not say."""
    address: str
    """gRPC's name for the other end of the connection."""
    reports: bool
    """Whether it reports what becomes of messages."""
    queued: int
    """Messages that wait at the host for it."""
    types: list[str]
    """The agent types it advertises."""
    subscriptions: list[TypeSubscription | TypePrefixSubscription]


@dataclass(frozen=True)
class SessionInfo:
    """An open session: a direct message without a reply so far."""

    id: str
    message_id: str
    sender: str
    """The sending agent as ``type/key``; empty for none."""
    sender_worker: str
    target: str
    target_worker: str
    type: str
    """The message type's name."""
    age_s: float
    remaining_s: float | None
    """Seconds to its deadline; None for none."""


@dataclass(frozen=True)
class Snapshot:
    """What the host knows at one moment."""

    workers: list[WorkerInfo]
    sessions: list[SessionInfo]
    journal_seq: int
    journal_let_go: int
    counters: dict[str, int]
    """How many messages were refused or dropped, by reason."""


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """What `Snapshot` answers."""
    out = lab_pb.SnapshotResponse(journal_seq=snapshot.journal_seq, journal_let_go=snapshot.journal_let_go)
    for worker in snapshot.workers:
        out.workers.add(
            name=worker.name,
            client_id=worker.client_id,
            pid=worker.pid,
            address=worker.address,
            reports=worker.reports,
            queued=worker.queued,
            types=worker.types,
            subscriptions=[_write_subscription(subscription) for subscription in worker.subscriptions],
        )
    for session in snapshot.sessions:
        out.sessions.add(
            id=session.id,
            message_id=session.message_id,
            sender=session.sender,
            sender_worker=session.sender_worker,
            target=session.target,
            target_worker=session.target_worker,
            type=session.type,
            age_s=session.age_s,
            remaining_s=session.remaining_s,
        )
    out.counters.update(snapshot.counters)
    return out.SerializeToString()


def decode_snapshot(data: bytes) -> Snapshot:
    """Raises WireError."""
    raw = _parse(lab_pb.SnapshotResponse, data)
    workers = [
        WorkerInfo(
            w.name, w.client_id, w.pid, w.address, w.reports, w.queued, list(w.types),
            [_read_subscription(subscription) for subscription in w.subscriptions],
        )
        for w in raw.workers
    ]  # fmt: skip
    sessions = [
        SessionInfo(
            s.id, s.message_id, s.sender, s.sender_worker, s.target, s.target_worker, s.type, s.age_s,
            s.remaining_s if s.HasField("remaining_s") else None,
        )
        for s in raw.sessions
    ]  # fmt: skip
    return Snapshot(workers, sessions, raw.journal_seq, raw.journal_let_go, dict(raw.counters))
