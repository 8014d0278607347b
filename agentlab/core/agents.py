"""What an agent is.

`BaseAgent` leaves open how messages are handled; `agentlab.core.routing.RoutedAgent` routes them by type to methods.
Read next: `agentlab.core.routing`.
"""

from __future__ import annotations

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, ClassVar, Protocol, Self, final, runtime_checkable

from .cancellation import CancellationToken
from .contexts import AgentInstantiationContext, MessageContext, SubscriptionInstantiationContext
from .ids import AgentId, AgentMetadata, AgentType
from .retry import Retry
from .runtime import RUNTIME_DEFAULT, AgentRuntime
from .serialization import MessageSerializer
from .subscriptions import Subscription, TypePrefixSubscription, TypeSubscription, UnboundSubscription
from .topics import TopicId


@runtime_checkable
class Agent(Protocol):
    """An agent: something with an id that handles messages."""

    @property
    def metadata(self) -> AgentMetadata:
        """What the agent tells about itself."""
        ...

    @property
    def id(self) -> AgentId:
        """The agent's id."""
        ...

    async def bind_id_and_runtime(self, id: AgentId, runtime: AgentRuntime) -> None:
        """Tell a ready-made agent who it is and where it lives."""
        ...

    async def on_message(self, message: Any, ctx: MessageContext) -> Any:
        """Handle one message. What is returned for a direct message is its reply."""
        ...

    async def save_state(self) -> Mapping[str, Any]:
        """The agent's state, as a JSON-serializable mapping."""
        ...

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Take on a state that `save_state` returned."""
        ...

    async def close(self) -> None:
        """Called when the runtime closes."""
        ...


class BaseAgent(ABC, Agent):
    """A base agent: knows its id and its runtime, and sends and publishes through it.

    Subclasses implement `on_message_impl`. Raises ValueError for a description that is no text.
    """

    unbound_subscriptions: ClassVar[list[UnboundSubscription]] = []
    """What the class decorators collected; bound to the agent type at registration."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.unbound_subscriptions = []  # a decorator speaks for its own class, not for the subclasses

    def __init__(self, description: str) -> None:
        if not isinstance(description, str):
            raise ValueError(f"An agent's description is text, not {description!r}.")
        self._description = description
        if AgentInstantiationContext.is_in_factory_call():
            self._runtime = AgentInstantiationContext.current_runtime()
            self._id = AgentInstantiationContext.current_agent_id()

    async def bind_id_and_runtime(self, id: AgentId, runtime: AgentRuntime) -> None:
        """Tell a ready-made agent who it is and where it lives. Raises RuntimeError when it was told otherwise."""
        if getattr(self, "_id", id) != id:
            raise RuntimeError(f"The agent is already bound to the id {self._id}, so it cannot be {id}.")
        if getattr(self, "_runtime", runtime) is not runtime:
            raise RuntimeError(f"The agent {id} is already bound to a different runtime.")
        self._id = id
        self._runtime = runtime

    @property
    def id(self) -> AgentId:
        """The agent's id."""
        return self._id

    @property
    def type(self) -> str:
        """The name of the agent's type."""
        return self._id.type

    @property
    def runtime(self) -> AgentRuntime:
        """Where the agent lives."""
        return self._runtime

    @property
    def metadata(self) -> AgentMetadata:
        """What the agent tells about itself."""
        return AgentMetadata(type=self._id.type, key=self._id.key, description=self._description)

    @final
    def on_message(self, message: Any, ctx: MessageContext) -> Coroutine[Any, Any, Any]:
        """Handle one message."""
        return self.on_message_impl(message, ctx)

    @abstractmethod
    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        """Handle one message; what is returned for a direct message is its reply."""

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
        deadline_s: float | None = RUNTIME_DEFAULT,
        retry: Retry | None = None,
    ) -> Any:
        """Send a direct message as this agent; see `AgentRuntime.send_message`."""
        return await self._runtime.send_message(
            message,
            recipient,
            sender=self._id,
            cancellation_token=cancellation_token,
            message_id=message_id,
            deadline_s=deadline_s,
            retry=retry,
        )

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publish a message as this agent; see `AgentRuntime.publish_message`."""
        await self._runtime.publish_message(
            message, topic_id, sender=self._id, cancellation_token=cancellation_token, message_id=message_id
        )

    async def save_state(self) -> Mapping[str, Any]:
        """Override to keep something when the agent is replaced or moved."""
        warnings.warn(f"{type(self).__name__}.save_state is not implemented: nothing is kept.", stacklevel=2)
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Override to take on what `save_state` returned."""
        warnings.warn(f"{type(self).__name__}.load_state is not implemented: nothing is taken on.", stacklevel=2)

    async def close(self) -> None:
        """Override to let go of what the agent holds: files, connections."""

    @classmethod
    def message_serializers(cls) -> list[MessageSerializer[Any]]:
        """The serializers for the message types of the class's handlers."""
        return []

    @classmethod
    async def register(
        cls,
        runtime: AgentRuntime,
        type: str,
        factory: Callable[[], Self | Awaitable[Self]],
        *,
        skip_class_subscriptions: bool = False,
        skip_direct_message_subscription: bool = False,
        shared: bool = False,
    ) -> AgentType:
        """Register this class under an agent type: its factory, its subscriptions and its message types.

        With `shared` other workers may register the type too, if they say the same: then each agent of it has its
        place at one of them. Raises ValueError when the type is taken. A registration that fails leaves nothing behind.
        """
        serializers = cls.message_serializers()  # first: what can fail for the class's own sake
        agent_type = await runtime.register_factory(type, factory, expected_class=cls, shared=shared)
        try:
            subscriptions = [] if skip_class_subscriptions else await cls.class_subscriptions(agent_type)
            if not skip_direct_message_subscription:
                subscriptions.append(direct_message_subscription(agent_type.type))
            await subscribe_all(runtime, subscriptions)
        except BaseException:
            await runtime.unregister(agent_type)
            raise
        runtime.add_message_serializer(serializers)
        return agent_type

    async def register_instance(
        self,
        runtime: AgentRuntime,
        agent_id: AgentId,
        *,
        skip_class_subscriptions: bool = True,
        skip_direct_message_subscription: bool = False,
    ) -> AgentId:
        """Register this one object as `agent_id`, subscribed to the topic type equal to its key.

        Raises ValueError when the id is taken, or when the type has a factory or instances of another class.
        """
        serializers = self.message_serializers()  # first, with the subscriptions: what can fail for its own sake
        subscriptions: list[Subscription] = [TypeSubscription(topic_type=agent_id.key, agent_type=agent_id.type)]
        if not skip_class_subscriptions:
            subscriptions += await self.class_subscriptions(AgentType(agent_id.type))
        if not skip_direct_message_subscription:
            subscriptions.append(direct_message_subscription(agent_id.type))
        await runtime.register_agent_instance(self, agent_id)
        await subscribe_all(runtime, subscriptions, shared=True)
        runtime.add_message_serializer(serializers)
        return agent_id

    @classmethod
    async def class_subscriptions(cls, agent_type: AgentType) -> list[Subscription]:
        """The subscriptions that the class decorators ask for, each once."""
        subscriptions: list[Subscription] = []
        with SubscriptionInstantiationContext.populate_context(agent_type):
            for make in cls.unbound_subscriptions:
                made = make()
                for subscription in await made if inspect.isawaitable(made) else made:
                    if subscription not in subscriptions:
                        subscriptions.append(subscription)
        return subscriptions

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, '_id', 'not registered')}>"


def direct_message_subscription(agent_type: str) -> Subscription:
    """The subscription by which AutoGen's clients reach an agent type through topics of its own."""
    # The colon keeps it apart from agent types that merely begin alike.
    return TypePrefixSubscription(topic_type_prefix=f"{agent_type}:", agent_type=agent_type)


async def subscribe_all(runtime: AgentRuntime, subscriptions: list[Subscription], *, shared: bool = False) -> None:
    """Add all of them or none. `shared`: the instances of one type share equal subscriptions."""
    added: list[Subscription] = []
    try:
        for subscription in subscriptions:
            try:
                await runtime.add_subscription(subscription)
            except ValueError:
                if not shared:
                    raise
            else:
                added.append(subscription)
    except BaseException:
        for subscription in added:
            await runtime.remove_subscription(subscription.id)
        raise


class AgentProxy:
    """An agent proxy: stands for an agent and forwards to the runtime what is asked of it."""

    def __init__(self, agent: AgentId, runtime: AgentRuntime) -> None:
        self._agent = agent
        self._runtime = runtime

    @property
    def id(self) -> AgentId:
        """The agent it stands for."""
        return self._agent

    @property
    def metadata(self) -> Awaitable[AgentMetadata]:
        """What the agent tells about itself (await it)."""
        return self._runtime.agent_metadata(self._agent)

    async def send_message(
        self,
        message: Any,
        *,
        sender: AgentId,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
        deadline_s: float | None = RUNTIME_DEFAULT,
        retry: Retry | None = None,
    ) -> Any:
        """Send the agent a direct message; see `AgentRuntime.send_message`."""
        return await self._runtime.send_message(
            message,
            self._agent,
            sender=sender,
            cancellation_token=cancellation_token,
            message_id=message_id,
            deadline_s=deadline_s,
            retry=retry,
        )

    async def save_state(self) -> Mapping[str, Any]:
        """The agent's state."""
        return await self._runtime.agent_save_state(self._agent)

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Give the agent a state."""
        await self._runtime.agent_load_state(self._agent, state)

    def __repr__(self) -> str:
        return f"<AgentProxy {self._agent}>"
