"""The host's table: which worker holds an agent type, and all subscriptions.

Pure: no gRPC, no asyncio. Read next: `agentlab.host.connection`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from ..core.ids import AgentId, checked_type
from ..core.subscriptions import Subscription, SubscriptionTable
from ..core.topics import TopicId

PENDING_CLIENTS: Final = 256
"""A worker may register a moment before its channel opens. This many such are remembered; a client that never opens
a channel is pushed out by later ones, and meanwhile locks nothing."""

PENDING_WISHES: Final = 1000
"""Types and subscriptions that one client may register before its channel opens."""


@dataclass(slots=True)
class _Wishes:
    types: list[str] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)


class Directory:
    """A directory: agent type → worker, and topic → agents, for the workers that are connected.

    Workers are named by their client id. What a client registers before its channel opens is kept aside, and takes
    effect when it opens, unless somebody else was faster.
    """

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}
        self._subscriptions = SubscriptionTable()
        self._owners: dict[str, str] = {}
        self._connected: set[str] = set()
        self._pending: OrderedDict[str, _Wishes] = OrderedDict()

    @property
    def types(self) -> list[str]:
        """All advertised types."""
        return list(self._holders)

    @property
    def subscriptions(self) -> list[Subscription]:
        """All subscriptions."""
        return list(self._subscriptions)

    def types_of(self, client_id: str) -> list[str]:
        """What one worker advertises."""
        return [agent_type for agent_type, holder in self._holders.items() if holder == client_id]

    def subscriptions_of(self, client_id: str) -> list[Subscription]:
        """What one worker subscribed."""
        return [s for s in self._subscriptions if self._owners[s.id] == client_id]

    def holder(self, agent_type: str) -> str | None:
        """The client id of the worker that holds the type, or None."""
        return self._holders.get(agent_type)

    def recipients(self, topic: TopicId) -> list[AgentId]:
        """The agents that a message sent to `topic` goes to, each once."""
        return self._subscriptions.recipients(topic)

    def connect(self, client_id: str) -> list[str]:
        """A client's channel opened: what it registered before takes effect. Returns what could not, and why."""
        wishes = self._pending.pop(client_id, _Wishes())
        self._connected.add(client_id)
        refused = []
        for agent_type in wishes.types:
            try:
                self.register(client_id, agent_type)
            except ValueError as error:
                refused.append(str(error))
        for subscription in wishes.subscriptions:
            try:
                self.subscribe(client_id, subscription)
            except ValueError as error:
                refused.append(str(error))
        return refused

    def disconnect(self, client_id: str) -> list[str]:
        """A client's channel ended: nothing of it stays. Returns the types it held."""
        self._connected.discard(client_id)
        types = self.types_of(client_id)
        for agent_type in types:
            del self._holders[agent_type]
        for subscription in self.subscriptions_of(client_id):
            self._remove(subscription.id)
        return types

    def register(self, client_id: str, agent_type: str) -> bool:
        """Advertise a type; False when that waits for the client's channel to open.

        Raises ValueError when the type is illegal, or held by a connected worker.
        """
        checked_type(agent_type)
        holder = self._holders.get(agent_type)
        if holder is not None:
            raise ValueError(f"Agent type {agent_type} already registered with client {holder}.")
        if client_id in self._connected:
            self._holders[agent_type] = client_id
            return True
        types = self._wishes(client_id).types
        if agent_type not in types:
            types.append(agent_type)
        return False

    def withdraw(self, client_id: str, agent_type: str) -> None:
        """Give up a type, and the subscriptions for it. Raises ValueError when the client does not hold it."""
        if self._holders.get(agent_type) != client_id:
            raise ValueError(f"Agent type {agent_type} is not registered with client {client_id}.")
        del self._holders[agent_type]
        for subscription in self.subscriptions_of(client_id):
            if getattr(subscription, "agent_type", None) == agent_type:
                self._remove(subscription.id)

    def subscribe(self, client_id: str, subscription: Subscription) -> None:
        """Raises ValueError when an equal one exists."""
        if client_id not in self._connected:
            self._wishes(client_id).subscriptions.append(subscription)
            return
        self._subscriptions.add(subscription)
        self._owners[subscription.id] = client_id

    def unsubscribe(self, client_id: str, id: str) -> None:
        """Raises ValueError for an unknown id, PermissionError for another worker's subscription."""
        owner = self._owners.get(id)
        if owner is None:
            raise ValueError(f"Subscription does not exist: {id}.")
        if owner != client_id:
            raise PermissionError(f"The subscription {id} belongs to another worker.")
        self._remove(id)

    def _remove(self, id: str) -> None:
        self._subscriptions.remove(id)
        del self._owners[id]

    def _wishes(self, client_id: str) -> _Wishes:
        wishes = self._pending.setdefault(client_id, _Wishes())
        if len(wishes.types) + len(wishes.subscriptions) >= PENDING_WISHES:
            raise ValueError("Open a channel first: too much was registered without one.")
        while len(self._pending) > PENDING_CLIENTS:
            self._pending.popitem(last=False)
        return wishes
