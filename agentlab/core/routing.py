"""Routed agents: each message goes to the method that is made for its type.

Read next: `agentlab.core.runtime`, `agentlab.core.standalone`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from types import NoneType, UnionType
from typing import Any, ClassVar, Final, Union, get_args, get_origin, get_type_hints

from .agents import BaseAgent
from .contexts import MessageContext
from .exceptions import CantHandleException
from .serialization import MessageSerializer, class_name, message_type_name, try_get_known_serializers_for_type

logger = logging.getLogger("agentlab.core")

Match = Callable[[Any, MessageContext], bool]
HandlerFunction = Callable[..., Coroutine[Any, Any, Any]]

_PARAMETERS: Final = "self, message: MyMessage, ctx: MessageContext"


class AnyType:
    """Stands in `target_types` or `produces_types` for "any type"."""


def types_of(annotation: object) -> tuple[type[Any], ...] | None:
    """The classes that an annotation names (a union names each of its members), or None when it names none."""
    if annotation is Any:
        return (AnyType,)
    if annotation is None:
        return (NoneType,)
    if get_origin(annotation) in (Union, UnionType):
        members = [types_of(member) for member in get_args(annotation)]
        return None if None in members else tuple(cls for member in members if member for cls in member)
    origin = get_origin(annotation) or annotation
    return (origin,) if isinstance(origin, type) else None


def annotated_types(function: Callable[..., Any], parameters: Sequence[str], shape: str) -> dict[str, tuple[type, ...]]:
    """The classes that a handler's annotations name, for each of `parameters` and ``return``.

    Raises TypeError that shows the right signature, which `shape_of` gives, when one is missing or names no class.
    """
    name = _name_of(function)
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"The handler {name} must be async. {shape}")
    try:
        hints = get_type_hints(function, localns=_enclosing_names())
    except NameError as error:
        raise TypeError(f"The handler {name} names a type that is not defined yet: {error}. {shape}") from error
    found: dict[str, tuple[type, ...]] = {}
    for parameter in (*parameters, "return"):
        if parameter not in hints:
            what = "return type" if parameter == "return" else f"type of the parameter {parameter!r}"
            raise TypeError(f"The handler {name} does not name the {what}. {shape}")
        types = types_of(hints[parameter])
        if types is None:
            raise TypeError(
                f"The handler {name} should name a class for {parameter!r}, not {hints[parameter]}. {shape}"
            )
        found[parameter] = types
    return found


def shape_of(function: Callable[..., Any], parameters: str, returns: str) -> str:
    """What a handler of this name should look like, in words."""
    return f"A handler looks like this: async def {_name_of(function)}({parameters}) -> {returns}:"


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", repr(function))


def _enclosing_names() -> dict[str, Any]:
    """Names of the functions around the class being defined: annotations may be text that mentions them."""
    names: dict[str, Any] = {}
    frame = sys._getframe(2)
    for _ in range(8):
        if frame.f_back is None or frame.f_code.co_name == "<module>":
            break
        names = {**frame.f_locals, **names}
        frame = frame.f_back
    return names


def _handler(func: HandlerFunction | None, kind: str, match: Match | None, strict: bool) -> Any:
    """What the three decorators share. `kind`: "message", "event" or "rpc"."""
    if func is None:
        return lambda function: _handler(function, kind, match, strict)
    if not callable(func):
        raise TypeError(f"@{'message_handler' if kind == 'message' else kind} takes keyword arguments only.")
    shape = shape_of(func, _PARAMETERS, "None" if kind == "event" else "MyReply")
    parameters = list(inspect.signature(func).parameters)
    if len(parameters) != 3 or parameters[1] != "message":
        raise TypeError(
            f"The handler {func.__name__} takes ({', '.join(parameters)}), and should take (self, message, ctx). "
            f"{shape}"
        )
    found = annotated_types(func, ["message"], shape)
    targets, produces = found["message"], found["return"]
    if AnyType in targets:
        raise TypeError(f"The handler {func.__name__} should name the types of message that it takes, not Any.")
    if kind == "event" and set(produces) - {NoneType}:
        raise TypeError(f"The event handler {func.__name__} must return None: nobody waits for a reply to an event.")
    produced_names = {cls.__name__ for cls in produces}

    @wraps(func)
    async def handler(self: Any, message: Any, ctx: MessageContext) -> Any:
        value = await func(self, message, ctx)
        if type(value) not in produces and type(value).__name__ not in produced_names and AnyType not in produces:
            text = f"{func.__qualname__} returned a {type(value).__name__}, and declares {sorted(produced_names)}."
            if inspect.iscoroutine(value):
                text += " Is an await missing?"
            if strict:
                raise CantHandleException(text)
            logger.warning(text)
        return value

    accepts: dict[str, Match] = {
        "message": lambda message, ctx: True,
        "event": lambda message, ctx: not ctx.is_rpc,
        "rpc": lambda message, ctx: ctx.is_rpc,
    }
    accept = accepts[kind]
    marked: Any = handler
    marked.target_types = list(targets)
    marked.produces_types = list(produces)
    marked.is_message_handler = True
    marked.router = accept if match is None else lambda message, ctx: accept(message, ctx) and match(message, ctx)
    return handler


def message_handler(func: HandlerFunction | None = None, *, strict: bool = True, match: Match | None = None) -> Any:
    """Mark a method of a `RoutedAgent` as the handler of direct and published messages of a type.

    The method is ``async``, takes ``message`` and ``ctx``, and its annotations name the message types and the reply
    types (a union means each). `match` is a further condition on message and context. A returned value of an
    undeclared type raises CantHandleException; with ``strict=False`` it is logged as a warning.
    Raises TypeError, when the class is defined, for a signature of another shape.
    """
    return _handler(func, "message", match, strict)


def event(func: HandlerFunction | None = None, *, strict: bool = True, match: Match | None = None) -> Any:
    """Like `message_handler`, for published messages only. The method returns None."""
    return _handler(func, "event", match, strict)


def rpc(func: HandlerFunction | None = None, *, strict: bool = True, match: Match | None = None) -> Any:
    """Like `message_handler`, for direct messages only."""
    return _handler(func, "rpc", match, strict)


class RoutedAgent(BaseAgent):
    """A routed agent: an agent whose methods are its message handlers, chosen by the type of the message.

    Routing goes by the *name* of the exact type, so a message class that was defined again (a notebook cell that
    ran twice) is still the same type of message. Of several handlers for a type, in alphabetical order, the first
    whose `match` holds runs.
    """

    _handlers: ClassVar[dict[str, list[Any]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._handlers = {}
        for handler in cls.handlers():
            for target in handler.target_types:
                cls._handlers.setdefault(message_type_name(target), []).append(handler)

    @classmethod
    def handlers(cls) -> list[Any]:
        """The methods that handle messages, in alphabetical order, each with `target_types` and `produces_types`."""
        found = (getattr(cls, name, None) for name in dir(cls))
        return [method for method in found if getattr(method, "is_message_handler", False)]

    @classmethod
    def handles_anything(cls) -> bool:
        """Whether there is a handler, or the class says itself what to do without one."""
        return bool(cls.handlers()) or cls.on_unhandled_message is not RoutedAgent.on_unhandled_message

    @classmethod
    def message_serializers(cls) -> list[MessageSerializer[Any]]:
        """Serializers for all types that the handlers take. Raises ValueError for one that cannot be a message."""
        types: dict[type[Any], None] = {}
        for handler in cls.handlers():
            types.update(dict.fromkeys(handler.target_types))
        return [serializer for type_ in types for serializer in try_get_known_serializers_for_type(type_)]

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        """Run the first handler that fits. Do not override this: add handlers."""
        for handler in self._handlers.get(class_name(type(message)), ()):  # type: ignore[arg-type]
            if handler.router(message, ctx):
                return await handler(self, message, ctx)
        return await self.on_unhandled_message(message, ctx)

    async def on_unhandled_message(self, message: Any, ctx: MessageContext) -> Any:
        """Called for a message that no handler fits. Override it to do more than log."""
        logger.info("Unhandled message: %s", message)
        ctx.unhandled = True
        return None


class SequentialRoutedAgent(RoutedAgent):
    """A sequential routed agent: finishes one message before it starts the next.

    An agent that sends a direct message to itself, or to another that calls it back, then waits for itself:
    only the deadline ends that.
    """

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self._turn = asyncio.Lock()

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        """Wait for the turn (first come, first served), then run the first handler that fits."""
        async with self._turn:
            return await super().on_message_impl(message, ctx)
