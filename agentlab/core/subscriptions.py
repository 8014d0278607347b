"""Who receives what: subscriptions map a topic to agents.

Read next: `agentlab.core.agents`.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Protocol, TypeVar, overload, runtime_checkable

from .contexts import SubscriptionInstantiationContext
from .exceptions import CantHandleException
from .ids import AgentId, AgentType, checked_type
from .topics import TopicId

C = TypeVar("C", bound=type[Any])


@runtime_checkable
class Subscription(Protocol):
    """A subscription: which topics it matches, and which agent receives a message sent to one of them."""

    @property
    def id(self) -> str:
        """Names the subscription, so that it can be removed."""
        ...

    def is_match(self, topic_id: TopicId) -> bool:
        """Whether a message sent to `topic_id` is for this subscription."""
        ...

    def map_to_agent(self, topic_id: TopicId) -> AgentId:
        """The agent that receives it. Raises CantHandleException when the topic does not match."""
        ...


UnboundSubscription = Callable[[], "list[Subscription] | Awaitable[list[Subscription]]"]
"""Makes a class's subscriptions when it is registered, since only then its agent type is known."""


class _TopicSubscription:
    """What the two kinds of subscription have in common; they differ in how a topic type matches."""

    def __init__(self, topic: str, agent_type: str | AgentType, id: str | None) -> None:
        self._topic = topic
        self._agent_type = agent_type.type if isinstance(agent_type, AgentType) else checked_type(agent_type)
        self._id = id or str(uuid.uuid4())

    @property
    def id(self) -> str:
        """Names the subscription, so that it can be removed."""
        return self._id

    @property
    def agent_type(self) -> str:
        """The type of the agent that receives the messages."""
        return self._agent_type

    def is_match(self, topic_id: TopicId) -> bool:
        """Whether a message sent to `topic_id` is for this subscription."""
        raise NotImplementedError

    def map_to_agent(self, topic_id: TopicId) -> AgentId:
        """The agent of the subscription's type whose key is the topic's source.

        Raises CantHandleException when the topic does not match.
        """
        if not self.is_match(topic_id):
            raise CantHandleException(f"{self!r} does not match the topic {topic_id}.")
        return AgentId(self._agent_type, topic_id.source)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _TopicSubscription) or type(self)._kind is not type(other)._kind:
            return NotImplemented
        return self.id == other.id or (self._topic, self._agent_type) == (other._topic, other._agent_type)

    # Equal subscriptions may differ in id or in topic, so no finer hash would agree with equality.
    def __hash__(self) -> int:
        return hash(type(self)._kind)

    _kind: str = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._topic!r}, {self._agent_type!r})"


class TypeSubscription(_TopicSubscription):
    """A type subscription: topics of exactly this type go to the agent whose key is the topic's source.

    Two are equal with the same id, or with the same topic type and agent type.
    """

    _kind = "type"

    def __init__(self, topic_type: str, agent_type: str | AgentType, id: str | None = None) -> None:
        super().__init__(topic_type, agent_type, id)

    @property
    def topic_type(self) -> str:
        """The topic type that matches."""
        return self._topic

    def is_match(self, topic_id: TopicId) -> bool:
        """Whether the topic's type is this one."""
        return topic_id.type == self._topic


class TypePrefixSubscription(_TopicSubscription):
    """A type prefix subscription: topics whose type begins so go to the agent whose key is the topic's source.

    Two are equal with the same id, or with the same prefix and agent type.
    """

    _kind = "prefix"

    def __init__(self, topic_type_prefix: str, agent_type: str | AgentType, id: str | None = None) -> None:
        super().__init__(topic_type_prefix, agent_type, id)

    @property
    def topic_type_prefix(self) -> str:
        """What a matching topic type begins with."""
        return self._topic

    def is_match(self, topic_id: TopicId) -> bool:
        """Whether the topic's type begins with the prefix."""
        return topic_id.type.startswith(self._topic)


class DefaultSubscription(TypeSubscription):
    """The default subscription: to the topic type ``default``, for the agent type that is being registered.

    Raises CantHandleException without an `agent_type` when no registration is in progress.
    """

    def __init__(self, topic_type: str = "default", agent_type: str | AgentType | None = None) -> None:
        if agent_type is None:
            try:
                agent_type = SubscriptionInstantiationContext.agent_type()
            except RuntimeError as error:
                raise CantHandleException(
                    "DefaultSubscription() takes the agent type from the registration in progress, and there is none: "
                    "pass agent_type, or decorate the class with @default_subscription."
                ) from error
        super().__init__(topic_type, agent_type)


@overload
def default_subscription(cls: C) -> C: ...
@overload
def default_subscription(cls: None = None) -> Callable[[C], C]: ...
def default_subscription(cls: C | None = None) -> C | Callable[[C], C]:
    """Class decorator: every registration of this agent class subscribes to the default topic."""
    decorate = type_subscription("default")
    return decorate if cls is None else decorate(cls)


def type_subscription(topic_type: str) -> Callable[[C], C]:
    """Class decorator: every registration of this agent class subscribes to topics of this type."""

    def decorate(cls: C) -> C:
        cls.unbound_subscriptions = [*cls.unbound_subscriptions, lambda: [DefaultSubscription(topic_type)]]
        return cls

    return decorate


def type_prefix_subscription(topic_type_prefix: str) -> Callable[[C], C]:
    """Class decorator: every registration of this agent class subscribes to topics whose type begins so."""

    def subscriptions() -> list[Subscription]:
        return [TypePrefixSubscription(topic_type_prefix, SubscriptionInstantiationContext.agent_type())]

    def decorate(cls: C) -> C:
        cls.unbound_subscriptions = [*cls.unbound_subscriptions, subscriptions]
        return cls

    return decorate


FOUND: Final = 1024
"""For how many topics a table remembers who receives them."""


class SubscriptionTable:
    """All subscriptions of a runtime, arranged so that finding a topic's receivers does not read them all."""

    def __init__(self) -> None:
        self._by_id: dict[str, Subscription] = {}
        self._by_topic: dict[tuple[str, str], list[Subscription]] = {}
        """By kind, and by the topic type or the prefix of one."""
        self._prefix_lengths: Counter[int] = Counter()
        self._others: list[Subscription] = []
        """Of kinds that are not ours: each must be asked."""
        self._found: dict[TopicId, list[AgentId]] = {}
        """What `recipients` found, until something changes."""

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, id: str) -> Subscription | None:
        """The subscription with this id, or None."""
        return self._by_id.get(id)

    def equal_to(self, subscription: Subscription) -> Subscription | None:
        """The one that is equal to this one, or None."""
        same = self._by_id.get(subscription.id)
        return same or next((other for other in self._alike(subscription) if other == subscription), None)

    def add(self, subscription: Subscription) -> None:
        """Raises ValueError when an equal one is there."""
        if subscription.id in self._by_id or subscription in self._alike(subscription):
            raise ValueError(f"Subscription already exists: {subscription!r}.")
        self._by_id[subscription.id] = subscription
        self._found.clear()
        place = _place(subscription)
        if place is None:
            self._others.append(subscription)
            return
        self._by_topic.setdefault(place, []).append(subscription)
        if place[0] == TypePrefixSubscription._kind:
            self._prefix_lengths[len(place[1])] += 1

    def remove(self, id: str) -> Subscription:
        """Raises ValueError when there is none with this id."""
        subscription = self._by_id.pop(id, None)
        if subscription is None:
            raise ValueError(f"Subscription does not exist: {id}.")
        self._found.clear()
        alike = self._alike(subscription)
        alike[:] = [other for other in alike if other.id != id]
        place = _place(subscription)
        if place is not None:
            if not alike:
                del self._by_topic[place]
            if place[0] == TypePrefixSubscription._kind:
                self._prefix_lengths[len(place[1])] -= 1
                self._prefix_lengths += Counter()  # without those that are 0
        return subscription

    def recipients(self, topic_id: TopicId) -> list[AgentId]:
        """The agents that a message sent to `topic_id` goes to, each once."""
        found = self._found.get(topic_id)
        if found is None:
            found = list(dict.fromkeys(s.map_to_agent(topic_id) for s in self._matching(topic_id)))
            if not self._others:  # what others answer may change
                if len(self._found) >= FOUND:
                    self._found.clear()
                self._found[topic_id] = found
        return found.copy()

    def _matching(self, topic_id: TopicId) -> Iterator[Subscription]:
        topic_type = topic_id.type
        yield from self._by_topic.get((TypeSubscription._kind, topic_type), ())
        for length in self._prefix_lengths:
            if length <= len(topic_type):
                yield from self._by_topic.get((TypePrefixSubscription._kind, topic_type[:length]), ())
        yield from (subscription for subscription in self._others if subscription.is_match(topic_id))

    def _alike(self, subscription: Subscription) -> list[Any]:
        """The list among which an equal subscription would be."""
        place = _place(subscription)
        return self._others if place is None else self._by_topic.get(place, [])


def _place(subscription: Subscription) -> tuple[str, str] | None:
    """Where in a table a subscription of ours belongs; None for one of another kind, or that matches in its own way."""
    cls = type(subscription)
    if isinstance(subscription, TypeSubscription) and cls.is_match is TypeSubscription.is_match:
        return (TypeSubscription._kind, subscription.topic_type)
    if isinstance(subscription, TypePrefixSubscription) and cls.is_match is TypePrefixSubscription.is_match:
        return (TypePrefixSubscription._kind, subscription.topic_type_prefix)
    return None
