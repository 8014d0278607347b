"""Counter: an agent with state, which can be saved and loaded.

Try: count with `AgentId("counter", "red")` and with `AgentId("counter", "blue")`: one class, one type, two agents, two
totals. Register the type again while it runs: the totals are carried over. Kill its worker: they are gone, unless
somebody saved them with `agent_save_state` before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.contexts import MessageContext
from ..core.routing import RoutedAgent, rpc


@dataclass
class Add:
    """Asks to add an amount; 0 only asks for the total."""

    amount: int = 1


@dataclass
class Total:
    """What was counted so far."""

    total: int


class Counter(RoutedAgent):
    """A counter: remembers a total, which is its whole state."""

    def __init__(self, start: int = 0) -> None:
        super().__init__("counts")
        self._total = start

    @rpc
    async def on_add(self, message: Add, ctx: MessageContext) -> Total:
        self._total += message.amount
        return Total(self._total)

    async def save_state(self) -> Mapping[str, Any]:
        """The state as plain data: what JSON can hold."""
        return {"total": self._total}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self._total = state["total"]
