"""Agent code on its way from a notebook into a worker.

A class or function of a cell travels by value (cloudpickle), together with the cell's source, so that a traceback in
the worker shows the student's line. What can be imported travels by name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import io
import linecache
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any, Final

import cloudpickle

from ..core.agents import BaseAgent
from ..core.closure import closure_types
from ..core.routing import RoutedAgent
from ..core.serialization import is_message_class
from .errors import RegistrationError


@dataclass(frozen=True)
class AgentSpec:
    """An agent specification: what makes the agents of a type.

    `agent` is a `BaseAgent` class (called with the arguments), a function that returns an agent (likewise, sync or
    async), or a closure: an async function ``(closure_ctx, message, ctx)``.
    """

    agent: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def cls(self) -> type[BaseAgent] | None:
        """The class of its agents, where it is known: from a class, or a function's return annotation."""
        agent = self.agent.func if isinstance(self.agent, functools.partial) else self.agent
        if isinstance(agent, type):
            return agent
        returned = getattr(agent, "__annotations__", {}).get("return")
        if isinstance(returned, str):  # from __future__ import annotations
            returned = getattr(agent, "__globals__", {}).get(returned)
        return returned if _is_agent_class(returned) else None

    @property
    def classes(self) -> list[type[BaseAgent]]:
        """The class of its agents; where it is not known, the agent classes that the function mentions."""
        if self.is_closure:
            return []
        if self.cls is not None:
            return [self.cls]
        try:
            mentioned = inspect.getclosurevars(self.agent)
        except TypeError:
            return []  # not written in Python
        return [cls for cls in (*mentioned.nonlocals.values(), *mentioned.globals.values()) if _is_agent_class(cls)]

    @property
    def is_closure(self) -> bool:
        """Whether the function itself is the handler."""
        if isinstance(self.agent, type) or not inspect.iscoroutinefunction(self.agent) or self.args or self.kwargs:
            return False
        return len(inspect.signature(self.agent).parameters) == 3

    def message_types(self) -> list[type[Any]]:
        """What its agents take, and what they answer. Raises TypeError for a closure of another shape."""
        types: list[type[Any]] = []
        if self.is_closure:
            takes, answers = closure_types(self.agent)
            types = [*takes, *answers]
        else:
            handlers = [h for cls in self.classes if issubclass(cls, RoutedAgent) for h in cls.handlers()]
            types = [cls for handler in handlers for cls in (*handler.target_types, *handler.produces_types)]
        return [cls for cls in dict.fromkeys(types) if is_message_class(cls)]

    def make(self) -> Any:
        """Make one agent (or an awaitable of one)."""
        return self.agent(*self.args, **self.kwargs)

    def __str__(self) -> str:
        given = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"{getattr(self.agent, '__name__', self.agent)}({', '.join(given)})"


def _is_agent_class(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseAgent)


_SHAPE: Final = (
    " A function that itself handles messages is async, and takes (closure_ctx, message, ctx); any other one is called "
    "to make an agent."
)


def checked_spec(agent: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AgentSpec:
    """Raises RegistrationError for what makes no agents, or not with these arguments."""
    if isinstance(agent, BaseAgent):
        raise RegistrationError(
            f"A ready-made {type(agent).__name__} cannot move to another process. Pass the class and its arguments: "
            f"lab.register(worker, type, {type(agent).__name__}, …)."
        )
    if not callable(agent):
        raise RegistrationError(f"{agent!r:.100} makes no agents: pass an agent class, or a function that returns one.")
    if isinstance(agent, type):
        if not issubclass(agent, BaseAgent):
            raise RegistrationError(f"{agent.__name__} is no agent class: it should extend RoutedAgent or BaseAgent.")
        if inspect.isabstract(agent):
            missing = ", ".join(sorted(agent.__abstractmethods__))
            raise RegistrationError(f"{agent.__name__} is abstract: it does not implement {missing}.")
        if issubclass(agent, RoutedAgent) and not agent.handles_anything():
            raise RegistrationError(
                f"{agent.__name__} has no handlers: mark the methods that take messages with @message_handler, @rpc or "
                "@event."
            )
    spec = AgentSpec(agent, args, kwargs)
    if not spec.is_closure:
        try:
            inspect.signature(agent).bind(*args, **kwargs)
        except TypeError as error:
            shape = "" if isinstance(agent, type) else _SHAPE
            raise RegistrationError(f"{spec} cannot be called so: {error}.{shape}") from None
        except ValueError:
            pass  # a built-in without a signature
    return spec


@dataclass(frozen=True)
class Parcelled:
    """Something ready to travel."""

    data: bytes
    sources: dict[str, str]
    """The source of the cells whose code is in it, by file name."""


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle, but the marks of a dataclass's fields stay the ones that every comparison is made with, and what
    annotations mention as text (``from __future__ import annotations``) is remembered."""

    def __init__(self, out: io.BytesIO) -> None:
        super().__init__(out)
        self.mentioned: dict[str, Any] = {}

    def reducer_override(self, obj: Any) -> Any:
        if obj is dataclasses.MISSING:
            return "MISSING"
        if obj is dataclasses.KW_ONLY:
            return "KW_ONLY"
        if isinstance(obj, type | FunctionType) and obj.__module__ == "__main__":
            self.mentioned |= _named_in_annotations(obj)
        return super().reducer_override(obj)


def _named_in_annotations(obj: Any) -> dict[str, Any]:
    """What a cell's class or function names in annotations that are text, by name."""
    space = obj.__globals__ if isinstance(obj, FunctionType) else vars(sys.modules["__main__"])
    found: dict[str, Any] = {}
    with contextlib.suppress(Exception):  # an annotation may be any text
        for annotation in inspect.get_annotations(obj).values():
            if isinstance(annotation, str):
                names = compile(annotation, "annotation", "eval").co_names
                found |= {name: space[name] for name in names if name in space}
    return found


def _dump(thing: object) -> bytes:
    """The thing, and by name what its annotations mention: what they mention may mention more."""
    names: dict[str, Any] = {}
    while True:
        out = io.BytesIO()
        pickler = _Pickler(out)
        pickler.dump((thing, names))
        if pickler.mentioned.keys() <= names.keys():
            return out.getvalue()
        names |= pickler.mentioned


def pack(thing: AgentSpec | list[type[Any]]) -> Parcelled:
    """A specification, or message classes. Raises RegistrationError when the code cannot travel."""
    try:
        data = _dump(thing)
    except Exception as error:
        raise RegistrationError(
            f"{thing} cannot be sent to a worker: {error}. Code in another process cannot share open files, locks, "
            "connections or runtimes with the notebook: make such things in the agent's __init__, and pass plain "
            "values as arguments."
        ) from error
    cells = {name: "".join(entry[2]) for name, entry in list(linecache.cache.items()) if len(entry) == 4}
    # What a cell's code was compiled as is a file name that no file has.
    wanted = {name: text for name, text in cells.items() if name.encode() in data and not Path(name).exists()}
    return Parcelled(data, wanted)


def unpack(parcelled: Parcelled) -> Any:
    """In the worker: what was packed. Raises RegistrationError when the code does not load there."""
    for name, text in parcelled.sources.items():
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        thing, names = pickle.loads(parcelled.data)
    except ImportError as error:
        raise RegistrationError(
            f"The agent's code does not load in the worker: {error}. A module of your own must be importable there: "
            "it should lie beside the notebook, or be installed."
        ) from error
    except Exception as error:
        raise RegistrationError(
            f"The agent's code does not load in the worker: {type(error).__name__}: {error}"
        ) from error
    # Annotations that are text are looked up where the notebook has them: in `__main__`, and a function's globals.
    vars(sys.modules["__main__"]).update(names)
    if isinstance(thing, AgentSpec) and isinstance(thing.agent, FunctionType):
        for name, value in names.items():
            thing.agent.__globals__.setdefault(name, value)
    return thing
