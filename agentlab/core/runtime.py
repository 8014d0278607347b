"""What every agent runtime can do, whether its agents live in one process or in many.

The standalone runtime (`agentlab.core.standalone`) and the worker (`agentlab.worker.runtime`) both keep this
protocol, so moving agents from one process to many changes one line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, runtime_checkable

from .cancellation import CancellationToken
from .ids import AgentId, AgentMetadata, AgentType
from .serialization import MessageSerializer
from .subscriptions import Subscription
from .topics import TopicId

if TYPE_CHECKING:
    from .agents import Agent
    from .retry import Retry

T = TypeVar("T", bound="Agent")


class _RuntimeDefault(float):
    def __repr__(self) -> str:
        return "RUNTIME_DEFAULT"


RUNTIME_DEFAULT: Final[float] = _RuntimeDefault()
"""Stands for "the deadline that the runtime was made with"."""


@runtime_checkable
class AgentRuntime(Protocol):
    """An agent runtime: makes agents, brings them their messages, and runs their handlers."""

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
        deadline_s: float | None = RUNTIME_DEFAULT,
        retry: Retry | None = None,
    ) -> Any:
        """Send a direct message and return the reply.

        `deadline_s` is how many seconds to wait for it; None means for ever. With `retry` it is sent again when it
        was lost. Raises one of the errors under `UndeliverableException`, `MessageDroppedException`, or
        asyncio.CancelledError when the token is cancelled. The standalone runtime raises the handler's own exception.
        """
        ...

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publish a message to all agents subscribed to the topic, except the sender. There are no replies."""
        ...

    async def register_factory(
        self,
        type: str | AgentType,
        agent_factory: Callable[[], T | Awaitable[T]],
        *,
        expected_class: type[T] | None = None,
        shared: bool = False,
    ) -> AgentType:
        """Register how agents of a type are made. Usually called by `BaseAgent.register`.

        `agent_factory` takes no arguments, may be async, and can ask `AgentInstantiationContext`. A `shared` type may
        be registered at several workers, which share its agents; in one process there is nobody to share with.
        Raises ValueError when the type is taken, TypeError for what cannot be called without arguments.
        """
        ...

    async def register_agent_instance(self, agent_instance: Agent, agent_id: AgentId) -> AgentId:
        """Register one ready-made agent. Raises ValueError when the id is taken, when the type has a factory, or
        when its other instances are of another class."""
        ...

    async def unregister(self, type: str | AgentType) -> None:
        """Give up an agent type: its agents are closed and its subscriptions removed.

        Raises LookupError for an unknown type."""
        ...

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[T] = ...) -> T:
        """The agent's own object: for tests and for looking inside.

        Raises LookupError for an unknown type, TypeError when it is of another class, NotAccessibleError when it
        lives in another process."""
        ...

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """The id of an agent; with ``lazy=False`` the agent is made now if it was not yet."""
        ...

    async def save_state(self) -> Mapping[str, Any]:
        """The states of all agents of this runtime, by agent id as text."""
        ...

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Give agents of this runtime the states that `save_state` returned. Unknown types are left out."""
        ...

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """What the agent tells about itself."""
        ...

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """The agent's state, as a JSON-serializable mapping."""
        ...

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Give the agent a state that `agent_save_state` returned."""
        ...

    async def add_subscription(self, subscription: Subscription) -> None:
        """Raises ValueError ``Subscription already exists`` for an equal one."""
        ...

    async def remove_subscription(self, id: str) -> None:
        """Raises ValueError for an unknown id."""
        ...

    def add_message_serializer(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """Teach this process to read and write messages of a type."""
        ...
