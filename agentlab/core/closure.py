"""Closure agents: an agent made of one function."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

from .agents import BaseAgent, direct_message_subscription, subscribe_all
from .cancellation import CancellationToken
from .contexts import AgentInstantiationContext, MessageContext, SubscriptionInstantiationContext
from .exceptions import CantHandleException
from .ids import AgentId, AgentType
from .retry import Retry
from .routing import AnyType, annotated_types, shape_of
from .runtime import RUNTIME_DEFAULT, AgentRuntime
from .serialization import MessageSerializer, message_type_name, try_get_known_serializers_for_type
from .subscriptions import Subscription
from .topics import TopicId


class ClosureContext(Protocol):
    """What a closure may use of its agent."""

    @property
    def id(self) -> AgentId:
        """The agent's id."""
        ...

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
        """Send a direct message as the agent."""
        ...

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publish a message as the agent."""
        ...


Closure = Callable[[ClosureContext, Any, MessageContext], Awaitable[Any]]
UnknownTypePolicy = Literal["error", "warn", "ignore"]


_PARAMETERS: Final = "closure_ctx: ClosureContext, message: MyMessage, ctx: MessageContext"


def closure_types(closure: Closure) -> tuple[tuple[type[Any], ...], tuple[type[Any], ...]]:
    """The message types that the closure's second parameter names, and those that it answers with.

    Raises TypeError for a wrong signature.
    """
    parameters = list(inspect.signature(closure).parameters)
    if len(parameters) != 3:
        raise TypeError(f"A closure takes ({_PARAMETERS}), not {parameters}.")
    found = annotated_types(closure, parameters[1:2], shape_of(closure, _PARAMETERS, "MyReply"))
    return found[parameters[1]], found["return"]


class ClosureAgent(BaseAgent):
    """A closure agent: an agent whose handler is one async function. Register it with `register_closure`."""

    def __init__(
        self,
        description: str,
        closure: Closure,
        *,
        unknown_type_policy: UnknownTypePolicy = "warn",
        handled_types: Sequence[type[Any]] | None = None,
    ) -> None:
        if not AgentInstantiationContext.is_in_factory_call():
            raise RuntimeError("A ClosureAgent is made by a runtime: use ClosureAgent.register_closure.")
        super().__init__(description)
        self._closure = closure
        # Read at registration: annotations that are text may mention names that are no longer known here.
        types = closure_types(closure)[0] if handled_types is None else handled_types
        self._known_types = {message_type_name(cls): cls for cls in types}
        self._unknown_type_policy = unknown_type_policy

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        """Run the closure, if the message is of a type that it names."""
        known = message_type_name(message) in self._known_types or AnyType in self._known_types.values()
        if not known and self._unknown_type_policy != "ignore":
            text = (
                f"{self.id} got a {message_type_name(message)}, and its closure takes {sorted(self._known_types)}. "
                'The unknown_type_policy "ignore" would pass it on to the closure in silence.'
            )
            if self._unknown_type_policy == "error":
                raise CantHandleException(text)
            warnings.warn(text, stacklevel=1)
            ctx.unhandled = True
            return None
        return await self._closure(self, message, ctx)

    async def save_state(self) -> Mapping[str, Any]:
        """A function has no state: empty."""
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """A function has no state: nothing happens."""

    @classmethod
    async def register_closure(
        cls,
        runtime: AgentRuntime,
        type: str,
        closure: Closure,
        *,
        unknown_type_policy: UnknownTypePolicy = "warn",
        skip_direct_message_subscription: bool = False,
        description: str = "",
        subscriptions: Callable[[], Sequence[Subscription] | Awaitable[Sequence[Subscription]]] | None = None,
        shared: bool = False,
    ) -> AgentType:
        """Register the closure as the agents of a type.

        `unknown_type_policy` says what to do with a message of a type that the closure does not name: raise
        CantHandleException (``"error"``), warn and drop it (``"warn"``), or run the closure with it (``"ignore"``).
        `subscriptions` makes the subscriptions; with `shared` other workers may have the type too. Raises ValueError
        when the type is taken, TypeError for a closure of another shape. A registration that fails leaves nothing
        behind.
        """
        serializers: list[MessageSerializer[Any]] = []
        handled_types, _ = closure_types(closure)
        for message_type in handled_types:
            if message_type is not AnyType:
                serializers += try_get_known_serializers_for_type(message_type)
        runtime.add_message_serializer(serializers)  # first: once the type is advertised, messages come
        agent_type = await runtime.register_factory(
            type,
            lambda: cls(description, closure, unknown_type_policy=unknown_type_policy, handled_types=handled_types),
            expected_class=cls,
            shared=shared,
        )
        try:
            wanted: list[Subscription] = []
            if subscriptions is not None:
                with SubscriptionInstantiationContext.populate_context(agent_type):
                    made = subscriptions()
                    wanted += await made if inspect.isawaitable(made) else made
            if not skip_direct_message_subscription:
                wanted.append(direct_message_subscription(agent_type.type))
            await subscribe_all(runtime, wanted)
        except BaseException:
            await runtime.unregister(agent_type)
            raise
        return agent_type
