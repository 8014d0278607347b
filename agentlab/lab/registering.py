"""Registering what was shipped: in a worker process, or on the notebook's own lane.

Registering under a type that the worker already has replaces its agents in the running process.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from ..core.agents import Agent, BaseAgent, direct_message_subscription, subscribe_all
from ..core.closure import ClosureAgent
from ..core.ids import AgentType
from ..core.serialization import try_get_known_serializers_for_type
from ..core.subscriptions import Subscription
from ..worker.runtime import WorkerRuntime
from .errors import RegistrationError
from .shipping import AgentSpec


async def register(runtime: WorkerRuntime, agent_type: str, spec: AgentSpec, *, shared: bool = False) -> dict[str, Any]:
    """Register or replace. Returns ``{"replaced": whether, "agents": how many agents were replaced}``.

    `shared`: other workers may have the type too. Raises ValueError for an illegal or taken type, RegistrationError,
    and what the agent's own code raises.
    """
    if agent_type in runtime.agent_types:
        if shared != runtime.is_shared(agent_type):
            raise RegistrationError(
                f"{agent_type!r} is already registered on this worker, and {'not ' if shared else ''}shared: give it "
                f"up first, with: await lab.unregister('{runtime.name}', '{agent_type}')"
            )
        return await _replace(runtime, agent_type, spec)
    if spec.is_closure:
        await ClosureAgent.register_closure(runtime, agent_type, spec.agent, shared=shared)
    elif spec.cls is not None:
        await spec.cls.register(runtime, agent_type, spec.make, shared=shared)
    else:
        await runtime.register_factory(agent_type, _teaching(runtime, spec), shared=shared)
        try:
            await subscribe_all(runtime, await _subscriptions(agent_type, spec))
        except BaseException:
            await runtime.unregister(agent_type)
            raise
    return {"replaced": False, "agents": 0}


async def _replace(runtime: WorkerRuntime, agent_type: str, spec: AgentSpec) -> dict[str, Any]:
    serializers = [s for cls in spec.message_types() for s in try_get_known_serializers_for_type(cls)]
    wanted = await _subscriptions(agent_type, spec)
    if spec.is_closure:
        count = await runtime.replace_factory(agent_type, lambda: ClosureAgent("", spec.agent))
    elif spec.cls is not None:
        spec.cls.message_serializers()  # raises for a handler of what is no message
        count = await runtime.replace_factory(agent_type, spec.make, expected_class=spec.cls)
    else:
        count = await runtime.replace_factory(agent_type, _teaching(runtime, spec))
    runtime.add_message_serializer(serializers)
    existing = runtime.subscriptions_of(agent_type)
    for subscription in existing:
        if subscription not in wanted:
            await runtime.remove_subscription(subscription.id)
    for subscription in wanted:
        if subscription not in existing:
            await runtime.add_subscription(subscription)
    return {"replaced": True, "agents": count}


async def _subscriptions(agent_type: str, spec: AgentSpec) -> list[Subscription]:
    """What agents of this type hear. A function's agents hear what the one class that it mentions asks for."""
    wanted = [direct_message_subscription(agent_type)]
    if len(spec.classes) == 1:
        wanted += await spec.classes[0].class_subscriptions(AgentType(agent_type))
    return wanted


def _teaching(runtime: WorkerRuntime, spec: AgentSpec) -> Callable[[], Awaitable[Agent]]:
    """A factory whose agents' class is known only when the first is made: then the worker learns its messages."""

    async def make() -> Agent:
        made = spec.make()
        agent: Agent = await made if inspect.isawaitable(made) else made
        if isinstance(agent, BaseAgent):
            runtime.add_message_serializer(agent.message_serializers())
        return agent

    return make
