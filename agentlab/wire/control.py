"""The control channel: questions about agents' states, and their answers, as plain data and as bytes.

Decoding raises `WireError` for anything illegal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.message import DecodeError, Message

from ..core.ids import AgentId
from .calls import parse
from .generated import agent_worker_pb2 as agents_pb
from .generated import agentlab_pb2 as lab_pb
from .parcels import WireError


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
    raw = parse(agents_pb.ControlMessage, data)
    return Control(raw.rpc_id, raw.destination, raw.respond_to, raw.rpcMessage.SerializeToString())


def _any(message: Message) -> bytes:
    packed = PackedAny()
    packed.Pack(message)
    return packed.SerializeToString()


def _unpack(body: bytes, classes: Iterable[type[Any]]) -> Any:
    packed = parse(PackedAny, body)
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
