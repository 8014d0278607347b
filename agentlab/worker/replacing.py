"""Replacing the agents of a type in a running worker."""

from __future__ import annotations

from typing import Any

from ..core.agents import Agent, BaseAgent
from ..core.catalog import Catalog, Factory, close_agents
from ..core.handling import Deliveries
from ..core.ids import AgentId


async def replace_agents(
    catalog: Catalog, deliveries: Deliveries, agent_type: str, factory: Factory, expected_class: type[Any] | None
) -> int:
    """Put new agents in the place of a type's old ones, with their state; return how many.

    Messages that come meanwhile wait and go to the new agents; handlers that run end on the old ones. When a new agent
    cannot be made, or does not take on the state, the old ones stay, and the error is raised.
    """
    if agent_type not in catalog:
        raise LookupError(f"Agent with name {agent_type} not found.")
    deliveries.hold(agent_type)
    try:
        old = {agent_id: agent for agent_id, agent in catalog.agents.items() if agent_id.type == agent_type}
        new: dict[AgentId, Agent] = {}
        for agent_id, agent in old.items():
            new[agent_id] = await catalog.make(agent_id, factory, expected_class)
            if keeps_state(agent) and keeps_state(new[agent_id]) and (state := await agent.save_state()):
                await new[agent_id].load_state(state)
        catalog.swap(agent_type, factory, expected_class, new)
    finally:
        deliveries.release(agent_type)
    await close_agents(list(old.values()))
    return len(new)


def keeps_state(agent: Agent) -> bool:
    """Whether the agent's class says how to save and load its state."""
    cls: Any = type(agent)
    return cls.save_state is not BaseAgent.save_state and cls.load_state is not BaseAgent.load_state
