"""A worker's calls about the places of its agents: which it has, and while it leaves, that one should be idle, and
here is its state.

Read next: `agentlab.host.leaving`.
"""

from __future__ import annotations

import asyncio
from typing import Final

from ..core import journal as j
from ..core.ids import AgentId
from ..wire import draining
from .asking import HostQuestions
from .connection import Connection
from .control import ControlDesk
from .leaving import Leaving
from .router import Router

IDLE_PERIOD_S: Final = 0.01
"""How often it is looked whether an agent has become idle."""


class Moves:
    """Moves: the calls by which a worker hands over its agents. They raise ValueError for what cannot be done."""

    def __init__(self, router: Router, desk: ControlDesk) -> None:
        self._router = router
        self._questions = HostQuestions(desk)

    def keep(self, client_id: str, request: bytes) -> bytes:
        """A worker says which agents of its shared types it has already."""
        self._router.directory.keep(client_id, draining.decode_keep(request))
        return b""

    async def leave(self, client_id: str, request: bytes) -> bytes:
        """From now on what comes for the worker's agents waits; or it stays after all, and nothing waits any more."""
        if draining.decode_leave(request):
            self._router.leave(client_id)
        else:
            self._router.stay(client_id)
        return b""

    async def wait_idle(self, client_id: str, request: bytes) -> bytes:
        """Answer when nothing is under way any more at an agent, which is then frozen; or at all of the worker's."""
        agent = draining.decode_wait_idle(request)
        while True:
            _, leaving = self._leaving(client_id)
            busy = leaving.busy()
            if agent is None and not busy:
                return b""
            if agent is not None and str(agent) not in busy:
                leaving.freeze(agent)
                return b""
            await asyncio.sleep(IDLE_PERIOD_S)

    async def hand_over(self, client_id: str, request: bytes) -> bytes:
        """Give an agent, with its state if it has one, to another worker that has its type."""
        agent, state = draining.decode_hand_over(request)
        connection, leaving = self._leaving(client_id)
        name = await self._carry(agent, None if state is None else dict(state))
        leaving.release([agent])
        self._router.book.note(connection.name, j.MOVED, f"{agent} → {name}", type=agent.type)
        return draining.encode_handed_over(name)

    async def _carry(self, agent: AgentId, state: dict[str, object] | None) -> str:
        router = self._router
        while True:
            heir = router.directory.heir(agent)
            if heir is None:
                raise ValueError(f"{agent} cannot move: no other worker has the agent type {agent.type!r}.")
            to = router.connections[heir]
            problem = "" if state is None else await self._questions.load_state(heir, agent, state)
            if router.connections.get(heir) is not to:
                continue  # it was lost meanwhile: to the next, if there is one
            if problem:
                raise ValueError(f"{agent} could not take on its state at {to.name}: {problem}")
            router.directory.move(agent, heir)
            return to.name

    def _leaving(self, client_id: str) -> tuple[Connection, Leaving]:
        connection = self._router.connections.get(client_id)
        if connection is None or connection.leaving is None:
            raise ValueError("Only a worker that leaves hands over its agents: call Leave first.")
        return connection, connection.leaving
