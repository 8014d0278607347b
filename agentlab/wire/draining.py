"""The calls by which agents of shared types keep or change their places, as plain data and as bytes.

Decoding raises `WireError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ..core.ids import AgentId
from .calls import parse
from .codec import agent_id
from .generated import agentlab_pb2 as lab_pb
from .parcels import WireError

KEEP_CHARACTERS: Final = 100_000
"""Of names in one call: about a millisecond's work for the host."""

KEEP_BYTES: Final = 512 * 1024
"""The largest such call: with names of one character it has five times as many bytes as characters."""


def encode_keep(agents: Iterable[AgentId]) -> Iterator[bytes]:
    """What `KeepAgents` is asked: about these agents, which the worker has; in several calls when they are many."""
    request = lab_pb.KeepAgentsRequest()
    size = 0
    for agent in agents:
        request.agents.add(type=agent.type, key=agent.key)
        size += len(agent.type) + len(agent.key)
        if size > KEEP_CHARACTERS:
            yield request.SerializeToString()
            request, size = lab_pb.KeepAgentsRequest(), 0
    if request.agents:
        yield request.SerializeToString()


def decode_keep(data: bytes) -> list[AgentId]:
    """The agents."""
    return [agent_id(agent.type, agent.key) for agent in parse(lab_pb.KeepAgentsRequest, data).agents]


def encode_leave(leaves: bool) -> bytes:
    """What `Leave` is asked: that the worker is about to leave, or stays after all."""
    return lab_pb.LeaveRequest(leaves=leaves).SerializeToString()


def decode_leave(data: bytes) -> bool:
    """Whether it leaves."""
    return parse(lab_pb.LeaveRequest, data).leaves


def encode_wait_idle(agent: AgentId | None) -> bytes:
    """What `WaitIdle` is asked: about one agent, or all."""
    request = lab_pb.WaitIdleRequest()
    if agent is not None:
        request.agent_id.type, request.agent_id.key = agent.type, agent.key
    return request.SerializeToString()


def decode_wait_idle(data: bytes) -> AgentId | None:
    """The agent, or None for all."""
    request = parse(lab_pb.WaitIdleRequest, data)
    return agent_id(request.agent_id.type, request.agent_id.key) if request.HasField("agent_id") else None


def encode_hand_over(agent: AgentId, state: Mapping[str, Any] | None) -> bytes:
    """What `HandOver` is asked. Raises ValueError for a state that is not JSON."""
    request = lab_pb.HandOverRequest()
    request.agent_id.type, request.agent_id.key = agent.type, agent.key
    if state is not None:
        try:
            request.state = json.dumps(dict(state))
        except (TypeError, ValueError) as error:
            raise ValueError(f"save_state of {agent} should return a mapping that JSON can hold: {error}") from error
    return request.SerializeToString()


def decode_hand_over(data: bytes) -> tuple[AgentId, dict[str, Any] | None]:
    """The agent, and its state if it has one."""
    request = parse(lab_pb.HandOverRequest, data)
    agent = agent_id(request.agent_id.type, request.agent_id.key)
    if not request.HasField("state"):
        return agent, None
    try:
        state = json.loads(request.state)
    except (ValueError, RecursionError) as error:
        raise WireError(f"The state is no JSON: {error}") from error
    if not isinstance(state, dict):
        raise WireError(f"A state is a JSON object, not {type(state).__name__}.")
    return agent, state


def encode_handed_over(worker: str) -> bytes:
    """What `HandOver` answers: the name of the worker that has the agent now."""
    return lab_pb.HandOverResponse(worker=worker).SerializeToString()


def decode_handed_over(data: bytes) -> str:
    """The worker's name."""
    return parse(lab_pb.HandOverResponse, data).worker
