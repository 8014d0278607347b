"""What is going on around a piece of code: which message is handled by whom, which agent is being made.

These are context variables (`contextvars`): each task sees its own, also after an ``await``, and a task that a
handler starts inherits them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .ids import AgentId, AgentType

if TYPE_CHECKING:
    from .cancellation import CancellationToken
    from .runtime import AgentRuntime
    from .topics import TopicId


@dataclass(slots=True)
class MessageContext:
    """A message's context: what a handler knows about the message beside its content."""

    sender: AgentId | None
    """The sending agent; None when it was sent from outside any agent."""
    topic_id: TopicId | None
    """The topic a published message was sent to; None for a direct message."""
    is_rpc: bool
    """True for a direct message, whose sender waits for what the handler returns."""
    cancellation_token: CancellationToken
    """Cancelled when the sender no longer waits. Pass it on to what the handler calls."""
    message_id: str
    """The message's id, as it stands in the journal."""
    unhandled: bool = field(default=False, init=False, compare=False)
    """Set when no handler was found, so that the journal can say so."""


_handling: ContextVar[tuple[AgentId, str] | None] = ContextVar("agentlab_handling", default=None)
_making: ContextVar[tuple[Any, AgentId] | None] = ContextVar("agentlab_making", default=None)
_subscribing: ContextVar[AgentType | None] = ContextVar("agentlab_subscribing", default=None)


class MessageHandlerContext:
    """The handling in progress: which agent is handling a message right now, and which message that is."""

    def __init__(self) -> None:
        raise RuntimeError("MessageHandlerContext is not made, only asked: MessageHandlerContext.agent_id().")

    @staticmethod
    def current() -> AgentId | None:
        """The agent that is handling a message right now, or None."""
        handling = _handling.get()
        return None if handling is None else handling[0]

    @staticmethod
    def agent_id() -> AgentId:
        """The agent that is handling a message right now. Raises RuntimeError outside of any handler."""
        handling = _handling.get()
        if handling is None:
            raise RuntimeError("MessageHandlerContext.agent_id() is known only while a handler runs.")
        return handling[0]

    @staticmethod
    def message_id() -> str:
        """The id of the message being handled right now, empty outside of any handler: the *cause* of all that
        is sent meanwhile."""
        handling = _handling.get()
        return "" if handling is None else handling[1]

    @staticmethod
    @contextmanager
    def populate_context(agent_id: AgentId, message_id: str = "") -> Iterator[None]:
        """Say, within the ``with``, that `agent_id` handles the message `message_id`."""
        token = begin_handling(agent_id, message_id)
        try:
            yield
        finally:
            end_handling(token)


Handling = tuple[AgentId, str] | None
"""Which agent handles which message."""


def begin_handling(agent_id: AgentId, message_id: str) -> Token[Handling]:
    """Say that `agent_id` handles the message `message_id`, until `end_handling`."""
    return _handling.set((agent_id, message_id))


def end_handling(token: Token[Handling]) -> None:
    """Say that the handling is over that `begin_handling` said had begun."""
    try:
        _handling.reset(token)
    except ValueError:
        return  # a handler that still waits is thrown away from elsewhere, and its surroundings with it


class AgentInstantiationContext:
    """The making of an agent in progress: what a factory may ask about the agent it makes."""

    def __init__(self) -> None:
        raise RuntimeError(
            "AgentInstantiationContext is not made, only asked: AgentInstantiationContext.current_agent_id()."
        )

    @staticmethod
    def is_in_factory_call() -> bool:
        """Whether a runtime is making an agent right now."""
        return _making.get() is not None

    @staticmethod
    def current_runtime() -> AgentRuntime:
        """The runtime the agent is made for. Raises RuntimeError outside of a factory."""
        making = _making.get()
        if making is None:
            raise RuntimeError("AgentInstantiationContext.current_runtime() is known only in an agent factory.")
        runtime: AgentRuntime = making[0]
        return runtime

    @staticmethod
    def current_agent_id() -> AgentId:
        """The id of the agent being made. Raises RuntimeError outside of a factory."""
        making = _making.get()
        if making is None:
            raise RuntimeError("AgentInstantiationContext.current_agent_id() is known only in an agent factory.")
        return making[1]

    @staticmethod
    @contextmanager
    def populate_context(ctx: tuple[AgentRuntime, AgentId]) -> Iterator[None]:
        """Say, within the ``with``, that ``ctx == (runtime, agent_id)`` is being made."""
        token = _making.set(ctx)
        try:
            yield
        finally:
            _making.reset(token)


class SubscriptionInstantiationContext:
    """The registration in progress: the agent type that a class's subscriptions are made for."""

    def __init__(self) -> None:
        raise RuntimeError(
            "SubscriptionInstantiationContext is not made, only asked: SubscriptionInstantiationContext.agent_type()."
        )

    @staticmethod
    def agent_type() -> AgentType:
        """The agent type being registered. Raises RuntimeError outside of a registration."""
        agent_type = _subscribing.get()
        if agent_type is None:
            raise RuntimeError("SubscriptionInstantiationContext.agent_type() is known only while registering.")
        return agent_type

    @staticmethod
    @contextmanager
    def populate_context(ctx: AgentType) -> Iterator[None]:
        """Say, within the ``with``, that the type `ctx` is being registered."""
        token = _subscribing.set(ctx)
        try:
            yield
        finally:
            _subscribing.reset(token)
