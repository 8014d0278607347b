"""Agent classes to register: what the notebook defines, what the gallery has, or ``module:Class``. No widgets here.

Read next: `agentlab.panels.editing`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from .. import gallery
from ..core.agents import BaseAgent
from .fields import FormError

OURS: Final = "agentlab.core"
"""Classes of these modules are there to be extended, not to be registered."""


@dataclass(frozen=True)
class Choice:
    """An agent class, and where it comes from."""

    cls: type[BaseAgent]
    origin: str
    """``notebook``, ``gallery.debate`` or a module's name."""

    def __str__(self) -> str:
        return f"{self.cls.__name__} ({self.origin})"


def is_agent_class(thing: object) -> bool:
    """Whether agents can be made of it."""
    return (
        isinstance(thing, type)
        and issubclass(thing, BaseAgent)
        and not inspect.isabstract(thing)
        and not thing.__module__.startswith(OURS)
    )


def choices(namespace: Mapping[str, Any]) -> list[Choice]:
    """What the notebook has (defined or imported there), then the gallery. The newest class of a name is the one."""
    own = [
        Choice(thing, "notebook" if thing.__module__ == "__main__" else _short(thing.__module__))
        for name, thing in list(namespace.items())
        if is_agent_class(thing) and not name.startswith("_")
    ]
    own.sort(key=lambda choice: (choice.origin != "notebook", choice.cls.__name__))
    return list(dict.fromkeys([*own, *_gallery()]))


@cache
def _gallery() -> tuple[Choice, ...]:
    """All agent classes of the gallery's modules."""
    found = []
    for module_name in gallery.MODULES:
        module = importlib.import_module(f"{gallery.__name__}.{module_name}")
        for name, thing in vars(module).items():
            if is_agent_class(thing) and thing.__module__ == module.__name__ and not name.startswith("_"):
                found.append(Choice(thing, _short(module.__name__)))
    return tuple(found)


def _short(module: str) -> str:
    return module.removeprefix("agentlab.")


def imported(text: str) -> type[BaseAgent]:
    """The class that ``module:Class`` names. Raises FormError."""
    module_name, colon, name = (part.strip() for part in text.partition(":"))
    if not (module_name and colon and name):
        raise FormError(f"{text!r} should look like module:Class, for instance agentlab.gallery.debate:Player.")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # the module may do anything when it is imported
        raise FormError(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from None
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not is_agent_class(found):
        there = [other for other, thing in vars(module).items() if is_agent_class(thing)]
        said = f"There are: {', '.join(there)}." if there else "It has no agent class."
        raise FormError(f"{module_name} has no agent class {name!r}. {said}")
    return found  # type: ignore[no-any-return]


def proposed_type(cls: type[Any]) -> str:
    """An agent type's name for a class: ``RuleBook`` becomes ``rule-book``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()
