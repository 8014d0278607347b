"""The host's table: which worker, or which workers, hold an agent type, and all subscriptions.

Pure: no gRPC, no asyncio. Read next: `agentlab.host.placing`, `agentlab.host.connection`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ..core.ids import AgentId, checked_type
from ..core.subscriptions import Subscription
from ..core.topics import TopicId
from ..wire.rows import name_text
from .placing import Placement, rendezvous
from .subscribing import OwnedSubscriptions

PENDING_CLIENTS: Final = 256
"""A worker may register a moment before its channel opens. This many such are remembered; a client that never opens
a channel is pushed out by later ones, and meanwhile locks nothing."""

PENDING_WISHES: Final = 1000
"""Types and subscriptions that one client may register before its channel opens."""

ROUTES: Final = 1024
"""For how many topics a directory remembers where their messages go."""

Receivers = list[tuple[AgentId, str]]
"""Agents of one worker that receive a published message, each with its name as text."""
Route = tuple[str | None, Receivers]
"""A worker's client id, or None where nobody has the type, and the receivers there."""


@dataclass(slots=True)
class _Wishes:
    types: dict[str, bool] = field(default_factory=dict)
    """Agent type → whether it is shared."""
    subscriptions: list[Subscription] = field(default_factory=list)


@dataclass(slots=True)
class _Holding:
    """Who holds an agent type."""

    shared: bool
    workers: dict[str, str]
    """The client ids of the workers that hold it, with their names."""
    takers: dict[str, str]
    """Those of them that take new agents: all but the leaving ones, or all, when all leave."""
    only: str = ""
    """Of a type that is not shared: the worker that has all agents, but for those that it has handed over."""

    def taking(self, leaving: set[str]) -> None:
        """See anew who takes new agents."""
        staying = {client_id: name for client_id, name in self.workers.items() if client_id not in leaving}
        self.takers = staying or self.workers


class Directory:
    """A directory: agent → worker, and topic → agents, for the workers that are connected.

    Workers are named by their client id. A type is held by one worker, or by several when each says that it shares
    it: then each agent has its place at one of them. What a client registers before its channel opens is kept aside,
    and takes effect when it opens, unless somebody else was faster.
    """

    def __init__(self) -> None:
        self._holdings: dict[str, _Holding] = {}
        self._types: dict[str, dict[str, None]] = {}
        """What each client advertises, in the order in which it did."""
        self._placement = Placement()
        self._subscriptions = OwnedSubscriptions()
        self._connected: dict[str, str] = {}
        self._leaving: set[str] = set()
        self._pending: OrderedDict[str, _Wishes] = OrderedDict()
        self._routes: dict[TopicId, list[Route]] = {}
        """What `routes` found, until something changes."""

    @property
    def types(self) -> list[str]:
        """All advertised types."""
        return list(self._holdings)

    @property
    def subscriptions(self) -> list[Subscription]:
        """All subscriptions, of equal ones one."""
        return list(self._subscriptions)

    def types_of(self, client_id: str) -> list[str]:
        """What one worker advertises."""
        return list(self._types.get(client_id, ()))

    def counts(self, client_id: str) -> tuple[int, int]:
        """How many types and subscriptions one worker has."""
        return len(self._types.get(client_id, ())), self._subscriptions.count(client_id)

    def subscriptions_of(self, client_id: str) -> list[Subscription]:
        """What one worker subscribed."""
        return self._subscriptions.of(client_id)

    def holder(self, agent_type: str) -> str | None:
        """The client id of the worker, or of the first of the workers, that hold the type; or None."""
        holding = self._holdings.get(agent_type)
        return None if holding is None else next(iter(holding.workers))

    def holders(self, agent_type: str) -> list[str]:
        """The client ids of all workers that hold the type."""
        holding = self._holdings.get(agent_type)
        return [] if holding is None else list(holding.workers)

    def is_shared(self, agent_type: str) -> bool:
        """Whether several workers may hold the type."""
        holding = self._holdings.get(agent_type)
        return holding is not None and holding.shared

    def holder_of(self, agent: AgentId) -> str | None:
        """The client id of the worker that has the agent, or None. An agent of a shared type that nobody has yet is
        given to one of the workers."""
        holding = self._holdings.get(agent.type)
        if holding is None:
            return None
        if holding.only:
            if len(holding.workers) == 1:
                return holding.only
            placed = self._placement.known(agent)  # one that was handed over already
            return placed if placed in holding.workers else holding.only
        return self._placement.place(agent, holding.workers, holding.takers)

    def routes(self, topic: TopicId) -> list[Route]:
        """Where a message sent to `topic` goes: the agents that receive it, each once, by the worker that has them."""
        routes = self._routes.get(topic)
        if routes is None:
            agents = self._subscriptions.recipients(topic)
            by_worker: dict[str | None, Receivers] = {}
            for agent in agents:
                by_worker.setdefault(self.holder_of(agent), []).append((agent, name_text(agent)))
            routes = list(by_worker.items())
            if all(self._is_in_one_place(agent.type) for agent in agents):
                if len(self._routes) >= ROUTES:
                    self._routes.clear()
                self._routes[topic] = routes
        return routes

    def _is_in_one_place(self, agent_type: str) -> bool:
        """Whether all agents of a type are at one worker, or at none, and only `register` and `_let_go` change that."""
        holding = self._holdings.get(agent_type)
        return holding is None or (bool(holding.only) and len(holding.workers) == 1)

    def connect(self, client_id: str, name: str = "") -> list[str]:
        """A client's channel opened: what it registered before takes effect. Returns what could not, and why.

        `name` is what its share of the agents is found by: a worker that comes back under its name gets the same.
        """
        wishes = self._pending.pop(client_id, _Wishes())
        self._connected[client_id] = name or client_id
        refused = []
        for agent_type, shared in wishes.types.items():
            try:
                self.register(client_id, agent_type, shared=shared)
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
        self._connected.pop(client_id, None)
        types = self.types_of(client_id)
        for agent_type in types:
            self._let_go(client_id, agent_type)
        self._leaving.discard(client_id)
        for subscription in self.subscriptions_of(client_id):
            self._unsubscribe(subscription.id)
        return types

    def register(self, client_id: str, agent_type: str, *, shared: bool = False) -> bool:
        """Advertise a type; False when that waits for the client's channel to open.

        Raises ValueError when the type is illegal, or held by a connected worker: unless both share it, or that one is
        leaving, and this one takes its place.
        """
        checked_type(agent_type)
        holding = self._holdings.get(agent_type)
        if holding is not None:
            staying = holding.workers.keys() - self._leaving
            if client_id in holding.workers or (staying and not (shared and holding.shared)):
                # These words are AutoGen's: its clients look for them.
                text = f"Agent type {agent_type} already registered with client {next(iter(holding.workers))}."
                if shared != holding.shared:
                    text += " Several workers can have it when each of them registers it with shared=True."
                raise ValueError(text)
        if client_id not in self._connected:
            self._wishes(client_id).types.setdefault(agent_type, shared)
            return False
        self._routes.clear()
        name = self._connected[client_id]
        if holding is None:
            workers = {client_id: name}
            self._holdings[agent_type] = _Holding(shared, workers, workers, "" if shared else client_id)
        else:
            holding.workers[client_id] = name
            holding.taking(self._leaving)
            if not (holding.workers.keys() - self._leaving - {client_id}):
                holding.shared = shared  # as its new holder says
        self._types.setdefault(client_id, {})[agent_type] = None
        return True

    def withdraw(self, client_id: str, agent_type: str) -> None:
        """Give up a type, and the subscriptions for it. Raises ValueError when the client does not hold it."""
        holding = self._holdings.get(agent_type)
        if holding is None or client_id not in holding.workers:
            raise ValueError(f"Agent type {agent_type} is not registered with client {client_id}.")
        self._let_go(client_id, agent_type)
        for subscription in self.subscriptions_of(client_id):
            if getattr(subscription, "agent_type", None) == agent_type:
                self._unsubscribe(subscription.id)

    def _let_go(self, client_id: str, agent_type: str) -> None:
        self._routes.clear()
        holding = self._holdings[agent_type]
        del holding.workers[client_id], self._types[client_id][agent_type]
        if not self._types[client_id]:
            del self._types[client_id]
        if not holding.workers:
            del self._holdings[agent_type]
            return
        holding.taking(self._leaving)
        holding.only = "" if holding.shared or len(holding.workers) > 1 else next(iter(holding.workers))

    # Leaving in order

    def leave(self, client_id: str) -> None:
        """A worker is about to leave: it keeps the agents it has, gets no new ones, and others may take its types."""
        self._leaving.add(client_id)
        for agent_type in self.types_of(client_id):
            self._holdings[agent_type].taking(self._leaving)

    def stay(self, client_id: str) -> None:
        """It does not leave after all."""
        self._leaving.discard(client_id)
        for agent_type in self.types_of(client_id):
            self._holdings[agent_type].taking(self._leaving)

    def keep(self, client_id: str, agents: Iterable[AgentId]) -> None:
        """A worker that comes back has these agents already: they stay there, if they were not given away meanwhile."""
        for agent in agents:
            holding = self._holdings.get(agent.type)
            if holding is None or holding.only or client_id not in holding.workers:
                continue
            if self._placement.known(agent) not in holding.workers:
                self._placement.move(agent, client_id)

    def heir(self, agent: AgentId) -> str | None:
        """The worker that an agent goes to when the one that has it leaves, or None when nobody else holds its type."""
        holding = self._holdings.get(agent.type)
        if holding is None or not holding.workers.keys() - self._leaving:
            return None
        return rendezvous(agent, holding.takers)

    def move(self, agent: AgentId, client_id: str) -> None:
        """An agent was handed over."""
        self._placement.move(agent, client_id)

    # Subscriptions

    def subscribe(self, client_id: str, subscription: Subscription) -> None:
        """Raises ValueError when an equal one exists, and is not of another worker that holds the same agent type."""
        if client_id not in self._connected:
            self._wishes(client_id).subscriptions.append(subscription)
            return
        holding = self._holdings.get(getattr(subscription, "agent_type", ""))
        shared = holding is not None and client_id in holding.workers and len(holding.workers) > 1
        self._subscriptions.add(client_id, subscription, shared=shared)
        self._routes.clear()

    def unsubscribe(self, client_id: str, id: str) -> None:
        """Raises ValueError for an unknown id, PermissionError for another worker's subscription."""
        owner = self._subscriptions.owner(id)
        if owner is None:
            raise ValueError(f"Subscription does not exist: {id}.")
        if owner != client_id:
            raise PermissionError(f"The subscription {id} belongs to another worker.")
        self._unsubscribe(id)

    def _unsubscribe(self, id: str) -> None:
        self._subscriptions.remove(id)
        self._routes.clear()

    def forget(self, client_id: str) -> None:
        """What a client registered before its channel opened is not to take effect."""
        self._pending.pop(client_id, None)

    def _wishes(self, client_id: str) -> _Wishes:
        wishes = self._pending.setdefault(client_id, _Wishes())
        if len(wishes.types) + len(wishes.subscriptions) >= PENDING_WISHES:
            raise ValueError("Open a channel first: too much was registered without one.")
        while len(self._pending) > PENDING_CLIENTS:
            self._pending.popitem(last=False)
        return wishes
