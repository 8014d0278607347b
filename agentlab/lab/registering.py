"""Registering what was shipped: in a worker process, or on the notebook's own lane.

Registering under a type that the worker already has replaces its agents in the running process.
"""

from __future__ import annotations

from typing import Any

from ..core.agents import direct_message_subscription
from ..core.closure import ClosureAgent
from ..core.ids import AgentType
from ..core.subscriptions import Subscription
from ..worker.runtime import WorkerRuntime
from .shipping import AgentSpec


async def register(runtime: WorkerRuntime, agent_type: str, spec: AgentSpec) -> dict[str, Any]:
    """Register or replace. Returns ``{"replaced": whether, "agents": how many agents were replaced}``.

    Raises ValueError for an illegal or taken type, RegistrationError, and what the agent's own code raises.
    """
    if agent_type in runtime.agent_types:
        return await _replace(runtime, agent_type, spec)
    if spec.is_closure:
        await ClosureAgent.register_closure(runtime, agent_type, spec.agent)
    elif spec.cls is not None:
        await spec.cls.register(runtime, agent_type, spec.make)
    else:
        await runtime.register_factory(agent_type, spec.make)
        try:
            await runtime.add_subscription(direct_message_subscription(agent_type))
        except BaseException:
            await runtime.unregister(agent_type)
            raise
    return {"replaced": False, "agents": 0}


async def _replace(runtime: WorkerRuntime, agent_type: str, spec: AgentSpec) -> dict[str, Any]:
    if spec.is_closure:
        count = await runtime.replace_factory(agent_type, lambda: ClosureAgent("", spec.agent))
    else:
        serializers = [] if spec.cls is None else spec.cls.message_serializers()
        count = await runtime.replace_factory(agent_type, spec.make, expected_class=spec.cls)
        runtime.add_message_serializer(serializers)
    wanted: list[Subscription] = [direct_message_subscription(agent_type)]
    if spec.cls is not None:
        wanted += await spec.cls.class_subscriptions(AgentType(agent_type))
    existing = runtime.subscriptions_of(agent_type)
    for subscription in existing:
        if subscription not in wanted:
            await runtime.remove_subscription(subscription.id)
    for subscription in wanted:
        if subscription not in existing:
            await runtime.add_subscription(subscription)
    return {"replaced": True, "agents": count}
