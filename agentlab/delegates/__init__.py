"""What is inside an agent: a function, a language model, a graph.

A *delegate* is an agent that stands for something else, which does the work. The others send it messages and cannot
tell what is inside. `Assistant` is the plainest delegate: it takes an `Ask` and gives an `Answer`, both text::

    await lab.register("worker-1", "poet", Assistant, LanguageModel("gpt-4o-mini", system="Answer in rhyme."))
    await lab.send_message(Ask("What is an agent?"), "poet")

In the place of the `LanguageModel` (any model of the `llm` library, ``agentlab[llm]``) may be a `Graph` (LangGraph,
``agentlab[langgraph]``), or any function from text to text. For messages of your own, extend `Delegate`, as the
debate's player does (`agentlab.gallery.debate`). Read next: `agentlab.delegates.delegate`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .delegate import Answer, Ask, Assistant, Conversation, Delegate, DelegateError, Inside, Token
    from .extras import MissingExtraError, is_installed
    from .function import Function
    from .graph import Graph
    from .language_model import LanguageModel

_MODULES = {
    "delegate": ("Answer", "Ask", "Assistant", "Conversation", "Delegate", "DelegateError", "Inside", "Token"),
    "extras": ("MissingExtraError", "is_installed"),
    "function": ("Function",),
    "graph": ("Graph",),
    "language_model": ("LanguageModel",),
}
"""Where each name is: a module is imported when a name of it is first used."""


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            value = getattr(importlib.import_module(f".{module}", __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})


__all__ = [
    "Answer",
    "Ask",
    "Assistant",
    "Conversation",
    "Delegate",
    "DelegateError",
    "Function",
    "Graph",
    "Inside",
    "LanguageModel",
    "MissingExtraError",
    "Token",
    "is_installed",
]
