from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentlab import (
    AgentId,
    AgentInstantiationContext,
    AgentType,
    CancellationToken,
    MessageContext,
    MessageHandlerContext,
    SingleThreadedAgentRuntime,
    SubscriptionInstantiationContext,
    TopicId,
)

SOMEBODY = AgentId("somebody", "1")


@pytest.mark.parametrize(
    "context", [AgentInstantiationContext, MessageHandlerContext, SubscriptionInstantiationContext]
)
def test_a_context_is_asked_and_never_made(context: type[Any]) -> None:
    with pytest.raises(RuntimeError, match="not made, only asked"):
        context()


@pytest.mark.parametrize(
    "ask",
    [
        AgentInstantiationContext.current_runtime,
        AgentInstantiationContext.current_agent_id,
        MessageHandlerContext.agent_id,
        SubscriptionInstantiationContext.agent_type,
    ],
)
def test_asking_outside_raises(ask: Any) -> None:
    with pytest.raises(RuntimeError, match="known only"):
        ask()


def test_in_a_factory_call_runtime_and_id_are_known() -> None:
    runtime = SingleThreadedAgentRuntime()
    assert not AgentInstantiationContext.is_in_factory_call()
    with AgentInstantiationContext.populate_context((runtime, SOMEBODY)):
        assert AgentInstantiationContext.is_in_factory_call()
        assert AgentInstantiationContext.current_runtime() is runtime
        assert AgentInstantiationContext.current_agent_id() == SOMEBODY
    assert not AgentInstantiationContext.is_in_factory_call()


def test_contexts_nest() -> None:
    with SubscriptionInstantiationContext.populate_context(AgentType("outer")):
        with SubscriptionInstantiationContext.populate_context(AgentType("inner")):
            assert SubscriptionInstantiationContext.agent_type() == AgentType("inner")
        assert SubscriptionInstantiationContext.agent_type() == AgentType("outer")


def test_a_context_ends_with_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), MessageHandlerContext.populate_context(SOMEBODY, "m1"):
        raise ZeroDivisionError
    assert MessageHandlerContext.current() is None


def test_while_handling_the_agent_and_the_message_are_known() -> None:
    assert MessageHandlerContext.message_id() == ""
    with MessageHandlerContext.populate_context(SOMEBODY, "m1"):
        assert MessageHandlerContext.agent_id() == MessageHandlerContext.current() == SOMEBODY
        assert MessageHandlerContext.message_id() == "m1"


async def test_a_task_that_a_handler_starts_knows_the_handler() -> None:
    async def ask() -> AgentId | None:
        return MessageHandlerContext.current()

    with MessageHandlerContext.populate_context(SOMEBODY):
        task = asyncio.create_task(ask())
    assert await task == SOMEBODY


def test_a_message_context_is_made_by_name() -> None:
    token, topic = CancellationToken(), TopicId("news", "s")
    context = MessageContext(sender=SOMEBODY, topic_id=topic, is_rpc=False, cancellation_token=token, message_id="m1")
    assert (context.sender, context.topic_id, context.is_rpc) == (SOMEBODY, topic, False)
    assert (context.cancellation_token, context.message_id) == (token, "m1")
