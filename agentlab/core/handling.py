"""Bringing messages to agents: in order, each to an agent that exists, with its handler's surroundings set.

Both runtimes use it. Read next: `agentlab.core.standalone`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any

from .agents import Agent
from .begun import begin
from .cancellation import is_being_cancelled
from .catalog import Catalog
from .contexts import MessageContext, begin_handling, end_handling
from .ids import AgentId

Handle = Callable[[Agent], Coroutine[Any, Any, None]]
"""Handles one message with the agent; it never raises."""
NoAgent = Callable[[BaseException], None]
"""Told, in place of `Handle`, why there is no agent."""


async def run_handler(agent: Agent, message: Any, ctx: MessageContext) -> Any:
    """Run the agent's handler for one message; return what it returns, raise what it raises."""
    token = begin_handling(agent.id, ctx.message_id)
    try:
        return await agent.on_message(message, ctx)
    finally:
        end_handling(token)


class Deliveries:
    """Deliveries: starts the handlers of each agent in the order in which its messages came.

    Handlers of one agent still interleave at their awaits. Messages for an agent that is being made, or whose type
    is on hold because its agents are being replaced, wait, and then start in order.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._waiting: dict[AgentId, deque[tuple[Handle, NoAgent]]] = {}
        self._held: set[str] = set()
        self._to_begin: deque[Coroutine[Any, Any, None]] = deque()
        """What was started, and has not had its first step."""
        self._beginner: asyncio.Task[None] | None = None
        """The task that is about to begin it."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def tasks(self) -> frozenset[asyncio.Task[None]]:
        """The handlers that run, or wait for their agent to be made, or are about to begin."""
        return frozenset(self._tasks)

    def deliver(self, agent_id: AgentId, handle: Handle, no_agent: NoAgent) -> None:
        """Start `handle` with the agent as soon as it is there and all earlier messages for it were started."""
        agent = self.ready(agent_id)
        if agent is not None:
            self.start(handle(agent))
            return
        queue = self._waiting.get(agent_id)
        if queue is not None:
            queue.append((handle, no_agent))
            return
        self._waiting[agent_id] = deque([(handle, no_agent)])
        if agent_id.type not in self._held:
            self.start(self._make_then_start(agent_id))

    def ready(self, agent_id: AgentId) -> Agent | None:
        """The agent, if its next message can be started at once."""
        if (self._waiting and agent_id in self._waiting) or (self._held and agent_id.type in self._held):
            return None
        return self._catalog.agents.get(agent_id)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` soon, after what was started before it.

        Most handlers end without a wait. They are run by one task, one after the other, because a task for each is a
        fifth of what is done for a published message's copy. A handler that waits keeps the task, and another one goes
        on with the others: so each is within one task from beginning to end. The same is done with the task of a
        handler that leaves context variables changed, or has cancelled it.
        """
        self._to_begin.append(work)
        if self._beginner is None:
            self._begin_others(copy_context())

    def _begin_others(self, surroundings: Context) -> None:
        begins = self._begin_in_turn(surroundings)
        task = self._beginner = asyncio.get_running_loop().create_task(begins, context=surroundings.copy())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _begin_in_turn(self, surroundings: Context) -> None:
        me = asyncio.current_task()
        assert me is not None
        try:
            while self._to_begin:
                begun = begin(self._to_begin.popleft())
                if begun is not None or me.cancelling() or not _are_as_before(surroundings):
                    break
            else:
                return
        finally:
            if self._beginner is me:
                self._beginner = None
                if self._to_begin:
                    self._begin_others(surroundings)
        if begun is not None:
            await begun

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task is self._beginner:  # it was cancelled before it could begin anything
            self._drop()

    def _drop(self) -> None:
        """What was not begun never will be."""
        self._beginner = None
        for work in self._to_begin:
            work.close()
        self._to_begin.clear()

    async def wait(self, timeout_s: float) -> None:
        """Wait until all handlers have ended, except the one that asks; no longer than that."""
        loop, current = asyncio.get_running_loop(), asyncio.current_task()
        end_s = loop.time() + timeout_s
        while self._to_begin and loop.time() < end_s:  # noqa: ASYNC110, it takes no longer than to begin them
            await asyncio.sleep(0)
        tasks = self.tasks - {current}
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.0, end_s - loop.time()))

    def hold(self, agent_type: str) -> None:
        """Let messages for agents of this type wait until `release`."""
        self._held.add(agent_type)

    def release(self, agent_type: str) -> None:
        """Start what waited since `hold`."""
        self._held.discard(agent_type)
        for agent_id in [agent_id for agent_id in self._waiting if agent_id.type == agent_type]:
            self.start(self._make_then_start(agent_id))

    async def cancel_all(self) -> None:
        """Cancel every handler that runs, and wait until all have ended. Who waits for an agent gets none."""
        self._drop()
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        waiting, self._waiting = self._waiting, {}
        for queue in waiting.values():
            for _, no_agent in queue:
                no_agent(asyncio.CancelledError())

    async def _make_then_start(self, agent_id: AgentId) -> None:
        problem: BaseException | None = None
        agent: Agent | None = None
        try:
            agent = await self._catalog.agent(agent_id)
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise  # by `cancel_all`, which sees to those who wait
            if agent_id.type in self._catalog:  # replaced while the agent was made: the new factory makes it
                if agent_id in self._waiting and agent_id.type not in self._held:
                    self.start(self._make_then_start(agent_id))
                return
            problem = LookupError(f"The agent type {agent_id.type!r} was unregistered.")
            problem.__cause__ = error
        except BaseException as error:
            problem = error
        if agent_id.type in self._held:
            return  # put on hold while the agent was made: `release` comes back
        for handle, no_agent in self._waiting.pop(agent_id, ()):
            if agent is not None:
                self.start(handle(agent))
            else:
                assert problem is not None
                no_agent(problem)


def _are_as_before(surroundings: Context) -> bool:
    """Whether all context variables have the values that they have in `surroundings`."""
    try:
        return copy_context() == surroundings
    except Exception:  # two values that cannot be compared
        return False
