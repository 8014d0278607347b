"""A notebook without a kernel: cells whose classes belong to `__main__`, compiled under file names that no file has."""

from __future__ import annotations

import linecache
from textwrap import dedent
from types import ModuleType
from typing import Any

IMPORTS = """
from dataclasses import dataclass, field
from agentlab import (
    AgentId, BaseAgent, ClosureContext, DefaultTopicId, MessageContext, RoutedAgent, TopicId, default_subscription,
    event, message_handler, rpc, type_subscription,
)
"""
"""What a notebook imports in its first cell."""


class Notebook:
    """Runs cells, one after the other, in one namespace."""

    def __init__(self) -> None:
        self.main = ModuleType("__main__")
        self._cells = 0
        self.run(IMPORTS)

    def run(self, source: str) -> None:
        """Run a cell, as IPython does: its source can be found under the name that its code is compiled as."""
        source = dedent(source)
        self._cells += 1
        name = f"/nowhere/ipykernel_{id(self)}/{self._cells}.py"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec", dont_inherit=True), self.main.__dict__)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.main.__dict__[name]
        except KeyError:
            raise AttributeError(name) from None
