"""Who subscribed what: all subscriptions, and the worker or workers that each belongs to.

Pure: no gRPC, no asyncio. Read next: `agentlab.host.directory`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.ids import AgentId
from ..core.subscriptions import Subscription, SubscriptionTable
from ..core.topics import TopicId


@dataclass(frozen=True, slots=True)
class _Owned:
    subscription: Subscription
    client_id: str


class OwnedSubscriptions:
    """Owned subscriptions: a table of subscriptions in which each has an owner.

    The workers that share an agent type subscribe alike. Of subscriptions that are equal the table keeps one; the
    others stand in for it, and one of them takes its place when it goes.
    """

    def __init__(self) -> None:
        self._table = SubscriptionTable()
        self._owned: dict[str, _Owned] = {}
        """All subscriptions by their ids."""
        self._of: dict[str, dict[str, Subscription]] = {}
        """Each client's, by their ids."""
        self._stand_ins: dict[str, list[str]] = {}
        """By the id of one in the table: the ids of those that stand in for it."""
        self._stands_for: dict[str, str] = {}

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._table)

    def of(self, client_id: str) -> list[Subscription]:
        """What one worker subscribed."""
        return list(self._of.get(client_id, {}).values())

    def count(self, client_id: str) -> int:
        """How many one worker subscribed."""
        return len(self._of.get(client_id, ()))

    def owner(self, id: str) -> str | None:
        """The client id of the worker whose subscription this is, or None for an unknown one."""
        owned = self._owned.get(id)
        return None if owned is None else owned.client_id

    def recipients(self, topic: TopicId) -> list[AgentId]:
        """The agents that a message sent to `topic` goes to, each once."""
        return self._table.recipients(topic)

    def add(self, client_id: str, subscription: Subscription, *, shared: bool) -> None:
        """Raises ValueError when an equal one exists, unless it is `shared` and the equal one another worker's."""
        same = self._table.equal_to(subscription) if shared else None
        if same is None:
            if subscription.id in self._owned:
                raise ValueError(f"Subscription already exists: {subscription!r}.")
            self._table.add(subscription)
        else:
            alike = [same.id, *self._stand_ins.get(same.id, ())]
            if subscription.id in self._owned or client_id in {self._owned[id].client_id for id in alike}:
                raise ValueError(f"Subscription already exists: {subscription!r}.")
            self._stand_ins.setdefault(same.id, []).append(subscription.id)
            self._stands_for[subscription.id] = same.id
        self._owned[subscription.id] = _Owned(subscription, client_id)
        self._of.setdefault(client_id, {})[subscription.id] = subscription

    def remove(self, id: str) -> None:
        """Raises KeyError for an unknown id."""
        owner = self._owned.pop(id).client_id
        del self._of[owner][id]
        if not self._of[owner]:
            del self._of[owner]
        stood_for = self._stands_for.pop(id, None)
        if stood_for is not None:
            self._stand_ins[stood_for].remove(id)
            return
        self._table.remove(id)
        heirs = self._stand_ins.pop(id, [])
        if heirs:
            first, *rest = heirs
            del self._stands_for[first]
            self._table.add(self._owned[first].subscription)
            self._stand_ins[first] = rest
            self._stands_for.update(dict.fromkeys(rest, first))
