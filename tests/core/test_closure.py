from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from agentlab import (
    AgentId,
    AgentType,
    CantHandleException,
    ClosureAgent,
    ClosureContext,
    DefaultSubscription,
    DefaultTopicId,
    MessageContext,
    SingleThreadedAgentRuntime,
    Subscription,
    TopicId,
    TypeSubscription,
)

from .cast import Echo, Number, Recorder, Text

ME = AgentId("me", "1")


async def shout(closure_ctx: ClosureContext, message: Text, ctx: MessageContext) -> str:
    """Answers in upper case."""
    return message.text.upper()


async def anything(closure_ctx: ClosureContext, message: Any, ctx: MessageContext) -> Any:
    """Answers with the message."""
    return message


async def test_a_closure_answers_direct_messages(runtime: SingleThreadedAgentRuntime) -> None:
    assert await ClosureAgent.register_closure(runtime, "me", shout) == AgentType("me")
    assert await runtime.send_message(Text("hi"), ME) == "HI"


async def test_a_closure_gets_events_of_its_subscriptions(runtime: SingleThreadedAgentRuntime) -> None:
    got = asyncio.Queue[Text]()

    async def collect(_closure: ClosureContext, message: Text, ctx: MessageContext) -> None:
        await got.put(message)

    await ClosureAgent.register_closure(runtime, "me", collect, subscriptions=lambda: [DefaultSubscription()])
    await runtime.publish_message(Text("hi"), DefaultTopicId())
    await runtime.stop_when_idle()
    assert got.get_nowait() == Text("hi")


async def test_the_subscriptions_of_a_closure_may_be_made_by_an_async_function(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    async def subscriptions() -> list[Subscription]:
        return [TypeSubscription("news", "me")]

    await ClosureAgent.register_closure(runtime, "me", shout, subscriptions=subscriptions)
    with pytest.raises(ValueError, match="already exists"):
        await runtime.add_subscription(TypeSubscription("news", "me"))


async def test_the_closure_context_knows_the_agent_and_sends_as_it(runtime: SingleThreadedAgentRuntime) -> None:
    async def ask(closure_ctx: ClosureContext, message: Text, ctx: MessageContext) -> str:
        reply = await closure_ctx.send_message(message, AgentId("recorder", "r"))
        await closure_ctx.publish_message(reply, TopicId("news", "r"))
        return str(closure_ctx.id)

    await ClosureAgent.register_closure(runtime, "me", ask)
    await Recorder.register(runtime, "recorder", Recorder)
    await runtime.add_subscription(TypeSubscription("news", "recorder"))
    assert await runtime.send_message(Text("hi"), ME) == "me/1"
    await runtime.stop_when_idle()
    recorder = await runtime.try_get_underlying_agent_instance(AgentId("recorder", "r"), Recorder)
    assert [(ctx.sender, ctx.is_rpc) for ctx in recorder.contexts] == [(ME, True), (ME, False)]


async def test_by_default_an_unknown_type_is_warned_about_and_dropped(runtime: SingleThreadedAgentRuntime) -> None:
    await ClosureAgent.register_closure(runtime, "me", shout)
    with pytest.warns(UserWarning, match=r"me/1 got a Number, and its closure takes \['Text'\]"):
        assert await runtime.send_message(Number(1), ME) is None


async def test_the_policy_error_refuses_an_unknown_type(runtime: SingleThreadedAgentRuntime) -> None:
    await ClosureAgent.register_closure(runtime, "me", shout, unknown_type_policy="error")
    with pytest.raises(CantHandleException, match="me/1 got a Number"):
        await runtime.send_message(Number(1), ME)


async def test_the_policy_ignore_runs_the_closure_with_an_unknown_type(runtime: SingleThreadedAgentRuntime) -> None:
    async def name(_closure: ClosureContext, message: Text, ctx: MessageContext) -> str:
        return type(message).__name__

    await ClosureAgent.register_closure(runtime, "me", name, unknown_type_policy="ignore")
    assert await runtime.send_message(Number(1), ME) == "Number"


async def test_a_closure_that_takes_any_takes_every_type(runtime: SingleThreadedAgentRuntime) -> None:
    await ClosureAgent.register_closure(runtime, "me", anything, unknown_type_policy="error")
    assert await runtime.send_message(Number(1), ME) == Number(1)


async def test_a_closure_that_takes_a_union_takes_each(runtime: SingleThreadedAgentRuntime) -> None:
    async def either(_closure: ClosureContext, message: Text | Number, ctx: MessageContext) -> str:
        return type(message).__name__

    await ClosureAgent.register_closure(runtime, "me", either, unknown_type_policy="error")
    assert [await runtime.send_message(message, ME) for message in (Text(), Number())] == ["Text", "Number"]


async def test_annotations_as_text_may_name_what_is_local_to_a_function(runtime: SingleThreadedAgentRuntime) -> None:
    @dataclass
    class Local:
        text: str = ""

    async def on_local(_closure: ClosureContext, message: Local, ctx: MessageContext) -> str:
        return message.text

    async def register() -> None:
        await ClosureAgent.register_closure(runtime, "me", on_local)

    await register()
    assert await runtime.send_message(Local("hi"), ME) == "hi"


async def test_the_description_is_in_the_metadata(runtime: SingleThreadedAgentRuntime) -> None:
    await ClosureAgent.register_closure(runtime, "me", shout, description="shouts")
    assert (await runtime.agent_metadata(ME)).description == "shouts"


async def test_a_closure_agent_has_the_direct_message_subscription(runtime: SingleThreadedAgentRuntime) -> None:
    got = list[Any]()

    async def collect(_closure: ClosureContext, message: Text, ctx: MessageContext) -> None:
        got.append(message)

    await ClosureAgent.register_closure(runtime, "with", collect)
    await ClosureAgent.register_closure(runtime, "without", collect, skip_direct_message_subscription=True)
    await runtime.publish_message(Text("to with"), TopicId("with:anything", "1"))
    await runtime.publish_message(Text("to without"), TopicId("without:anything", "1"))
    await runtime.stop_when_idle()
    assert got == [Text("to with")]


async def few(_closure: ClosureContext, message: Text) -> None: ...
async def many(_closure: ClosureContext, message: Text, ctx: MessageContext, more: int) -> None: ...
async def bare(_closure: ClosureContext, message, ctx: MessageContext) -> None: ...  # type: ignore[no-untyped-def]
async def silent(_closure: ClosureContext, message: Text, ctx: MessageContext): ...  # type: ignore[no-untyped-def]
def blocking(_closure: ClosureContext, message: Text, ctx: MessageContext) -> None: ...


@pytest.mark.parametrize("closure", [few, many, bare, silent, blocking])
async def test_a_closure_of_another_shape_is_refused_and_leaves_nothing_behind(
    runtime: SingleThreadedAgentRuntime, closure: Any
) -> None:
    with pytest.raises(TypeError, match="closure_ctx: ClosureContext, message: MyMessage, ctx: MessageContext"):
        await ClosureAgent.register_closure(runtime, "me", closure)
    await ClosureAgent.register_closure(runtime, "me", shout)


async def test_a_closure_whose_subscriptions_fail_leaves_nothing_behind(runtime: SingleThreadedAgentRuntime) -> None:
    def subscriptions() -> list[Subscription]:
        return [TypeSubscription("news", "me"), TypeSubscription("news", "me")]

    with pytest.raises(ValueError, match="already exists"):
        await ClosureAgent.register_closure(runtime, "me", shout, subscriptions=subscriptions)
    with pytest.raises(LookupError):
        await runtime.agent_metadata(ME)
    await ClosureAgent.register_closure(runtime, "me", shout, subscriptions=lambda: subscriptions()[:1])
    assert await runtime.send_message(Text("hi"), ME) == "HI"


async def test_a_taken_type_is_refused_and_the_one_who_has_it_keeps_it(runtime: SingleThreadedAgentRuntime) -> None:
    await Echo.register(runtime, "me", Echo)
    with pytest.raises(ValueError, match="already exists"):
        await ClosureAgent.register_closure(runtime, "me", shout)
    assert await runtime.send_message(Text("hi"), ME) == Text("HI")


def test_a_closure_agent_is_not_made_by_hand() -> None:
    with pytest.raises(RuntimeError, match="register_closure"):
        ClosureAgent("", shout)


async def test_a_bound_method_is_a_closure(runtime: SingleThreadedAgentRuntime) -> None:
    class Collection:
        got: Text | None = None

        async def add(self, _closure: ClosureContext, message: Text, ctx: MessageContext) -> None:
            self.got = message

    collection = Collection()
    await ClosureAgent.register_closure(runtime, "me", collection.add)
    await runtime.send_message(Text("hi"), ME)
    assert collection.got == Text("hi")


async def test_a_closure_agent_has_no_state_and_says_nothing_about_it(runtime: SingleThreadedAgentRuntime) -> None:
    await ClosureAgent.register_closure(runtime, "me", shout)
    assert await runtime.agent_save_state(ME) == {}
    await runtime.agent_load_state(ME, {})
