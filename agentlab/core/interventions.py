"""Intervention handlers: code that sees every message of a runtime, and may change it or hold it back."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, final

from .contexts import MessageContext
from .exceptions import MessageDroppedException
from .ids import AgentId


@final
class DropMessage:
    """Returned (the class itself) by an intervention handler to hold a message back."""


class InterventionHandler(Protocol):
    """An intervention handler: asked about each message. It returns the message, changed or not, or `DropMessage`;
    or it raises, and the sender gets the exception."""

    async def on_send(
        self, message: Any, *, message_context: MessageContext, recipient: AgentId
    ) -> Any | type[DropMessage]:
        """A direct message is being sent."""
        ...

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any | type[DropMessage]:
        """A message is being published."""
        ...

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any | type[DropMessage]:
        """A handler has returned the reply `message`."""
        ...


class DefaultInterventionHandler(InterventionHandler):
    """An intervention handler that lets everything pass; override what you want to see."""

    async def on_send(
        self, message: Any, *, message_context: MessageContext, recipient: AgentId
    ) -> Any | type[DropMessage]:
        """Let it pass."""
        return message

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any | type[DropMessage]:
        """Let it pass."""
        return message

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any | type[DropMessage]:
        """Let it pass."""
        return message


class Interventions:
    """The intervention handlers of one runtime, asked one after the other.

    Each method returns the message as it should go on, or raises: `MessageDroppedException`, or what a handler raised.
    """

    def __init__(self, handlers: Sequence[InterventionHandler] | None) -> None:
        self._handlers = list(handlers or ())

    def __bool__(self) -> bool:
        return bool(self._handlers)

    async def on_send(self, message: Any, context: MessageContext, recipient: AgentId) -> Any:
        """For a direct message."""
        return await self._ask(message, "send", lambda h, m: h.on_send(m, message_context=context, recipient=recipient))

    async def on_publish(self, message: Any, context: MessageContext) -> Any:
        """For a published message."""
        return await self._ask(message, "publish", lambda h, m: h.on_publish(m, message_context=context))

    async def on_response(self, message: Any, sender: AgentId, recipient: AgentId | None) -> Any:
        """For a reply."""
        return await self._ask(message, "response", lambda h, m: h.on_response(m, sender=sender, recipient=recipient))

    async def _ask(self, message: Any, step: str, ask: Callable[[InterventionHandler, Any], Awaitable[Any]]) -> Any:
        for handler in self._handlers:
            answer = await ask(handler, message)
            if answer is DropMessage or isinstance(answer, DropMessage):
                raise MessageDroppedException(f"{type(handler).__name__}.on_{step} dropped a {type(message).__name__}.")
            if answer is None and message is not None:
                warnings.warn(
                    f"{type(handler).__name__}.on_{step} returned None: taken as no change. "
                    "Return DropMessage to drop the message.",
                    RuntimeWarning,
                    stacklevel=2,
                )
                continue
            message = answer
        return message
