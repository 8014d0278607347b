"""Leaving in order: a worker hands its agents over to others, one by one, as each comes to rest.

Read next: `agentlab.host.leaving`, which holds their messages meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from ..core.catalog import Catalog, close_agents
from ..core.ids import AgentId
from ..wire import draining
from .replacing import keeps_state

AT_A_TIME: Final = 16
"""How many agents are handed over beside each other: most of the time each waits for its handlers to end."""

Call = Callable[[str, bytes], Awaitable[bytes]]
"""Calls one of the link's methods at the host."""


async def hand_over_all(catalog: Catalog, call: Call) -> dict[AgentId, str]:
    """Hand over every agent, when its handlers have ended; return which worker has it now.

    To be called when the host was told that this worker leaves. An agent whose class says how to save and load its
    state takes it along. Raises ValueError for an agent that cannot move; then it and those that did not move yet
    stay as they are.
    """
    moved: dict[AgentId, str] = {}
    turn = asyncio.Semaphore(AT_A_TIME)

    async def hand_over(agent_id: AgentId) -> None:
        async with turn:
            await call("WaitIdle", draining.encode_wait_idle(agent_id))
            agent = catalog.agents[agent_id]
            state = await agent.save_state() if keeps_state(agent) else None
            answer = await call("HandOver", draining.encode_hand_over(agent_id, state))
            moved[agent_id] = draining.decode_handed_over(answer)
            await close_agents([catalog.let_go(agent_id)])

    while True:
        try:
            async with asyncio.TaskGroup() as group:
                for agent_id in list(catalog.agents):
                    group.create_task(hand_over(agent_id))
        except BaseExceptionGroup as errors:
            raise next(_leaves(errors)) from None  # the first reason is enough, without the group around it
        # Messages that were on their way may have made more.
        await call("WaitIdle", draining.encode_wait_idle(None))
        if not catalog.agents:
            return moved


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
