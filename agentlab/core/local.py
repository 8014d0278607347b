"""What every runtime with agents of its own has: a catalog, deliveries, subscriptions, and what they answer.

The standalone runtime is this with a queue, a worker this with a connection to a host.
Read next: `agentlab.core.standalone`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from .agents import Agent
from .catalog import Catalog
from .clock import LamportClock
from .handling import Deliveries
from .ids import AgentId, AgentMetadata, AgentType
from .interventions import InterventionHandler, Interventions
from .runtime import AgentRuntime
from .serialization import MessageSerializer, SerializationRegistry
from .subscriptions import Subscription, SubscriptionTable

T = TypeVar("T", bound=Agent)


class LocalRuntime(AgentRuntime):
    """A local runtime: makes agents, keeps them, and answers for them."""

    def __init__(
        self, intervention_handlers: Sequence[InterventionHandler] | None, default_deadline_s: float | None
    ) -> None:
        self._interventions = Interventions(intervention_handlers)
        self._default_deadline_s = default_deadline_s
        self._clock = LamportClock()
        self._catalog = Catalog(self)
        self._deliveries = Deliveries(self._catalog)
        self._subscriptions = SubscriptionTable()
        self._serializers = SerializationRegistry()

    @property
    def agent_types(self) -> list[str]:
        """The types registered here."""
        return self._catalog.types

    def subscriptions_of(self, agent_type: str) -> list[Subscription]:
        """The subscriptions here that are for agents of a type."""
        return [s for s in self._subscriptions if getattr(s, "agent_type", None) == agent_type]

    def _forget_type(self, agent_type: str) -> list[Agent]:
        """Remove a type and its subscriptions from the tables; return its agents, which are still to be closed.

        Raises LookupError for an unknown type.
        """
        agents = self._catalog.remove(agent_type)
        for subscription in self.subscriptions_of(agent_type):
            self._subscriptions.remove(subscription.id)
        return agents

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[T] = Agent) -> T:  # type: ignore[assignment]
        """The agent's own object. Raises LookupError for an unknown type, TypeError for another class."""
        instance: T = await self._catalog.instance(id, type)
        return instance

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """The id of an agent; with ``lazy=False`` the agent is made now, here, if it was not yet."""
        return await self._catalog.get(id_or_type, key, lazy)

    async def save_state(self) -> Mapping[str, Any]:
        """The states of all agents made here so far, by agent id as text."""
        return await self._catalog.save_state()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Give agents here the states that `save_state` returned. Unknown types are left out."""
        await self._catalog.load_state(state)

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """What the agent tells about itself. Raises LookupError for an unknown type."""
        return await self._catalog.metadata(agent)

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """The agent's state. Raises LookupError for an unknown type."""
        return await (await self._catalog.agent(agent)).save_state()

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Give the agent a state. Raises LookupError for an unknown type."""
        await (await self._catalog.agent(agent)).load_state(state)

    def add_message_serializer(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """Teach this process to read and write messages of a type. (Inside one process they are handed over as they
        are.)"""
        self._serializers.add_serializer(serializer)
