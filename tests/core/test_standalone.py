from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Mapping
from dataclasses import make_dataclass
from typing import Any

import pytest

from agentlab import (
    AgentId,
    AgentInstantiationContext,
    AgentNotFoundError,
    AgentRuntime,
    AgentType,
    BaseAgent,
    CancellationToken,
    CantHandleException,
    ClosureAgent,
    ClosureContext,
    DeadlineExceededError,
    DefaultInterventionHandler,
    DefaultTopicId,
    DropMessage,
    Journal,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
    UndeliverableException,
    default_subscription,
    event,
    message_handler,
)
from agentlab.core import journal as j

from .cast import LIMIT_S, Echo, Gate, Number, Recorder, Text
from .test_agents import Counter
from .test_catalog import SlowFactory

ME, YOU = AgentId("me", "1"), AgentId("you", "1")
NEWS = TopicId("news", "1")


class Raises(BaseAgent):
    """Raises the error that it was made with."""

    def __init__(self, error: BaseException) -> None:
        super().__init__("raises")
        self.error = error

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        raise self.error


@pytest.fixture
async def strict() -> AsyncIterator[SingleThreadedAgentRuntime]:
    """A runtime that does not ignore unhandled exceptions; not started."""
    runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
    yield runtime
    await runtime.close()


@pytest.fixture
async def gate(runtime: SingleThreadedAgentRuntime) -> Gate:
    """An agent that waits in its handler, registered as `ME` and subscribed to news."""
    gate = Gate()
    await gate.register_instance(runtime, ME)
    await runtime.add_subscription(TypeSubscription("news", "me"))
    return gate


async def readers(runtime: SingleThreadedAgentRuntime, *names: str) -> list[Recorder]:
    """Recorders of these types with key 1, subscribed to news."""
    agents = []
    for name in names:
        agent = Recorder()
        await agent.register_instance(runtime, AgentId(name, "1"))
        await runtime.add_subscription(TypeSubscription("news", name))
        agents.append(agent)
    return agents


def test_it_keeps_the_runtime_protocol() -> None:
    assert isinstance(SingleThreadedAgentRuntime(), AgentRuntime)


# Direct messages


async def test_a_direct_message_is_answered(runtime: SingleThreadedAgentRuntime) -> None:
    await Echo.register(runtime, "me", Echo)
    assert await runtime.send_message(Text("hi"), ME) == Text("HI")


async def test_a_handler_that_returns_none_answers_none(runtime: SingleThreadedAgentRuntime) -> None:
    async def mute(_closure: ClosureContext, message: Text, ctx: MessageContext) -> None: ...

    await ClosureAgent.register_closure(runtime, "me", mute)
    assert await runtime.send_message(Text("hi"), ME) is None


async def test_a_direct_message_has_its_context(runtime: SingleThreadedAgentRuntime) -> None:
    (agent,) = await readers(runtime, "me")
    await runtime.send_message(Text("hi"), ME, sender=YOU, message_id="m1")
    (ctx,) = agent.contexts
    assert (ctx.sender, ctx.topic_id, ctx.is_rpc, ctx.message_id) == (YOU, None, True, "m1")
    assert not ctx.cancellation_token.is_cancelled()


async def test_from_outside_there_is_no_sender_and_each_message_has_an_id(runtime: SingleThreadedAgentRuntime) -> None:
    (agent,) = await readers(runtime, "me")
    for _ in range(2):
        await runtime.send_message(Text("hi"), ME)
    assert [ctx.sender for ctx in agent.contexts] == [None, None]
    assert len({ctx.message_id for ctx in agent.contexts} - {""}) == 2


async def test_what_the_handler_raises_comes_to_the_sender(runtime: SingleThreadedAgentRuntime) -> None:
    await Raises(ZeroDivisionError("")).register_instance(runtime, ME)
    with pytest.raises(ZeroDivisionError):
        await runtime.send_message(Text("hi"), ME)


async def test_a_timeout_error_of_the_handlers_own_is_no_deadline(runtime: SingleThreadedAgentRuntime) -> None:
    await Raises(TimeoutError("mine")).register_instance(runtime, ME)
    with pytest.raises(TimeoutError, match="mine") as caught:
        await runtime.send_message(Text("hi"), ME, deadline_s=LIMIT_S)
    assert not isinstance(caught.value, DeadlineExceededError)


async def test_a_direct_message_to_an_unknown_type_fails_at_once_and_names_the_closest(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    await Echo.register(runtime, "writer", Echo)
    with pytest.raises(AgentNotFoundError, match=r"'writter'.*Did you mean 'writer'\?.*Advertised: writer"):
        await runtime.send_message(Text("hi"), AgentId("writter", "1"))


async def test_what_is_no_id_no_topic_or_no_message_is_refused_where_it_is_sent(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    await Echo.register(runtime, "me", Echo)
    for wrong in ("me", "me/1", Echo, Text("swapped")):
        with pytest.raises(TypeError, match="A message is sent to an AgentId, and not to"):
            await runtime.send_message(Text("hi"), wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="A message is published to a TopicId, and not to"):
            await runtime.publish_message(Text("hi"), wrong)  # type: ignore[arg-type]
    for sending in (runtime.send_message(Text, ME), runtime.publish_message(Text, TopicId("t", "s"))):
        with pytest.raises(ValueError, match=r"Text is a class, .* write Text\(…\)"):
            await sending


async def test_an_unknown_type_is_also_a_lookup_error_and_undeliverable(runtime: SingleThreadedAgentRuntime) -> None:
    for base in (LookupError, UndeliverableException):
        with pytest.raises(base, match="no agent was registered"):
            await runtime.send_message(Text("hi"), ME)


async def test_an_agent_may_send_to_another_while_it_handles(runtime: SingleThreadedAgentRuntime) -> None:
    async def forward(closure_ctx: ClosureContext, message: Text, ctx: MessageContext) -> Any:
        return await closure_ctx.send_message(message, YOU)

    await ClosureAgent.register_closure(runtime, "me", forward)
    await Echo.register(runtime, "you", Echo)
    assert await runtime.send_message(Text("hi"), ME) == Text("HI")


async def test_an_agent_may_send_to_itself(runtime: SingleThreadedAgentRuntime) -> None:
    async def countdown(closure_ctx: ClosureContext, message: Number, ctx: MessageContext) -> int:
        if message.number == 0:
            return 0
        below: int = await closure_ctx.send_message(Number(message.number - 1), closure_ctx.id)
        return below + 1

    await ClosureAgent.register_closure(runtime, "me", countdown)
    assert await runtime.send_message(Number(3), ME) == 3


async def test_any_object_can_be_a_message_inside_one_process(runtime: SingleThreadedAgentRuntime) -> None:
    await readers(runtime, "me")
    message = object()
    assert await runtime.send_message(message, ME) is message


async def test_a_message_class_that_was_defined_again_reaches_a_running_agent(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    await Echo.register(runtime, "me", Echo)
    again = make_dataclass("Text", [("text", str)])
    assert await runtime.send_message(again("hi"), ME) == Text("HI")


async def test_an_undeclared_reply_comes_to_the_sender_as_an_error(runtime: SingleThreadedAgentRuntime) -> None:
    class Liar(RoutedAgent):
        @message_handler
        async def on_text(self, message: Text, ctx: MessageContext) -> Text:
            return 5  # type: ignore[return-value]

        @message_handler
        async def on_number(self, message: Number, ctx: MessageContext) -> Text:
            reply = self.on_text(Text("?"), ctx)
            forgotten.append(reply)
            return reply  # type: ignore[no-any-return]

    forgotten: list[Any] = []
    await Liar.register(runtime, "me", lambda: Liar(""))
    with pytest.raises(CantHandleException, match="returned a int"):
        await runtime.send_message(Text("hi"), ME)
    with pytest.raises(CantHandleException, match="returned a coroutine.* Is an await missing?"):
        await runtime.send_message(Number(1), ME)
    forgotten[0].close()


# Deadlines


async def test_nothing_answers_within_the_deadline(runtime: SingleThreadedAgentRuntime, gate: Gate) -> None:
    async with asyncio.timeout(LIMIT_S):
        sending = asyncio.create_task(runtime.send_message(Text("hi"), ME, deadline_s=0.01))
        await gate.inside.wait()
        with pytest.raises(DeadlineExceededError, match=r"me/1 did not answer within 0\.01 s"):
            await sending
    assert gate.context is not None
    assert gate.context.cancellation_token.is_cancelled()


async def test_a_deadline_ends_a_send_even_when_nothing_is_processed() -> None:
    runtime = SingleThreadedAgentRuntime()
    await Echo.register(runtime, "me", Echo)
    with pytest.raises(DeadlineExceededError):
        await asyncio.wait_for(runtime.send_message(Text("hi"), ME, deadline_s=0), LIMIT_S)


async def test_a_runtime_may_have_a_deadline_for_all() -> None:
    runtime, gate = SingleThreadedAgentRuntime(default_deadline_s=0.01), Gate()
    await gate.register_instance(runtime, ME)
    runtime.start()
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(DeadlineExceededError):
            await runtime.send_message(Text("hi"), ME)
        sending = asyncio.create_task(runtime.send_message(Text("second"), ME, deadline_s=None))
        await gate.has_started(2)
        gate.open.set()
        assert await sending == Text("second")
    await runtime.close()


async def test_a_reply_at_the_very_deadline_is_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock jumps over the deadline while the reply is on its last steps to the sender."""
    loop = asyncio.get_running_loop()
    now, late_s = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: now() + late_s)

    class Late(DefaultInterventionHandler):
        async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
            nonlocal late_s
            late_s = 100.0
            await asyncio.sleep(0)
            return message

    runtime = SingleThreadedAgentRuntime(intervention_handlers=[Late()])
    await Echo.register(runtime, "me", Echo)
    runtime.start()
    assert await runtime.send_message(Text("hi"), ME, deadline_s=50) == Text("HI")
    await runtime.stop()


async def test_a_late_reply_is_dropped_and_journaled() -> None:
    runtime, gate = SingleThreadedAgentRuntime(journal=Journal()), Gate()
    await gate.register_instance(runtime, ME)
    runtime.start()
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(DeadlineExceededError):
            await runtime.send_message(Text("hi"), ME, deadline_s=0)
        gate.open.set()
        await runtime.stop_when_idle()
    assert runtime.journal is not None
    (last,) = [e for e in runtime.journal if e.kind == j.RESPONSE and e.what != j.SENT]
    assert last.what == j.DROPPED
    assert "no longer" in last.detail


# Cancellation


async def test_a_sender_that_cancels_its_token_is_cancelled_and_so_is_the_receivers(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    token = CancellationToken()
    async with asyncio.timeout(LIMIT_S):
        sending = asyncio.create_task(runtime.send_message(Text("hi"), ME, cancellation_token=token))
        await gate.inside.wait()
        assert gate.context is not None
        assert not gate.context.cancellation_token.is_cancelled()
        token.cancel()
        assert gate.context.cancellation_token.is_cancelled()  # at once
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_a_token_that_is_cancelled_before_the_message_is_handled_ends_the_send() -> None:
    runtime, token = SingleThreadedAgentRuntime(), CancellationToken()
    (agent,) = await readers(runtime, "me")
    async with asyncio.timeout(LIMIT_S):
        sending = asyncio.create_task(runtime.send_message(Text("hi"), ME, cancellation_token=token))
        await asyncio.sleep(0)
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        runtime.start()
        await runtime.stop_when_idle()
    assert all(ctx.cancellation_token.is_cancelled() for ctx in agent.contexts)


async def test_a_token_that_is_cancelled_already_ends_the_send_at_once() -> None:
    runtime, token = SingleThreadedAgentRuntime(), CancellationToken()
    await readers(runtime, "me")
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(runtime.send_message(Text("hi"), ME, cancellation_token=token), LIMIT_S)


async def test_a_sender_whose_task_is_cancelled_cancels_the_receivers_token(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    async with asyncio.timeout(LIMIT_S):
        sending = asyncio.create_task(runtime.send_message(Text("hi"), ME))
        await gate.inside.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert gate.context is not None
    assert gate.context.cancellation_token.is_cancelled()


async def test_one_token_may_be_used_for_many_messages(runtime: SingleThreadedAgentRuntime, gate: Gate) -> None:
    token = CancellationToken()
    gate.open.set()
    assert await runtime.send_message(Text("one"), ME, cancellation_token=token) == Text("one")
    gate.open.clear()
    async with asyncio.timeout(LIMIT_S):
        sending = [asyncio.create_task(runtime.send_message(Number(n), ME, cancellation_token=token)) for n in range(3)]
        await gate.has_started(4)
        token.cancel()
        answers = await asyncio.gather(*sending, return_exceptions=True)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)


async def test_a_token_lets_go_of_a_message_that_was_answered(runtime: SingleThreadedAgentRuntime) -> None:
    receivers = list[weakref.ref[CancellationToken]]()

    async def keep(_closure: ClosureContext, message: Text, ctx: MessageContext) -> None:
        receivers.append(weakref.ref(ctx.cancellation_token))

    await ClosureAgent.register_closure(runtime, "me", keep)
    token = CancellationToken()
    await runtime.send_message(Text(), ME, cancellation_token=token)
    await runtime.stop_when_idle()
    gc.collect()
    assert [receiver() for receiver in receivers] == [None]
    assert not token.is_cancelled()


async def test_the_token_of_an_event_reaches_every_receiver(runtime: SingleThreadedAgentRuntime) -> None:
    agents, token = await readers(runtime, "me", "you"), CancellationToken()
    await runtime.publish_message(Text(), NEWS, cancellation_token=token)
    await runtime.stop_when_idle()
    token.cancel()
    assert [agent.contexts[0].cancellation_token.is_cancelled() for agent in agents] == [True, True]


# Published messages


async def test_a_published_message_reaches_every_subscriber_with_its_context(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    agents = await readers(runtime, "me", "you")
    await runtime.publish_message(Text("hi"), NEWS, sender=AgentId("x", "1"), message_id="m1")
    await runtime.stop_when_idle()
    for agent in agents:
        assert agent.messages == [Text("hi")]
        (ctx,) = agent.contexts
        assert (ctx.sender, ctx.topic_id, ctx.is_rpc, ctx.message_id) == (AgentId("x", "1"), NEWS, False, "m1")


async def test_a_publisher_never_receives_its_own_message(runtime: SingleThreadedAgentRuntime) -> None:
    me, you = await readers(runtime, "me", "you")
    await me.publish_message(Text("hi"), NEWS)
    await runtime.stop_when_idle()
    assert (me.messages, you.messages) == ([], [Text("hi")])


async def test_another_agent_of_the_publishers_type_receives_its_message(runtime: SingleThreadedAgentRuntime) -> None:
    await Recorder.register(runtime, "me", Recorder)
    await runtime.add_subscription(TypeSubscription("news", "me"))
    await runtime.publish_message(Text("hi"), TopicId("news", "2"), sender=ME)
    await runtime.stop_when_idle()
    other = await runtime.try_get_underlying_agent_instance(AgentId("me", "2"), Recorder)
    assert other.messages == [Text("hi")]


async def test_an_agent_is_created_by_its_first_message(runtime: SingleThreadedAgentRuntime) -> None:
    made = list[AgentId]()

    def factory() -> Recorder:
        made.append(AgentInstantiationContext.current_agent_id())
        return Recorder()

    await Recorder.register(runtime, "me", factory)
    await runtime.add_subscription(TypeSubscription("news", "me"))
    assert made == []
    await runtime.publish_message(Text(), TopicId("news", "user-7"))
    await runtime.stop_when_idle()
    assert made == [AgentId("me", "user-7")]


async def test_two_subscriptions_that_map_to_one_agent_deliver_one_copy(runtime: SingleThreadedAgentRuntime) -> None:
    (agent,) = await readers(runtime, "me")
    await runtime.add_subscription(TypePrefixSubscription("new", "me"))
    await runtime.publish_message(Text("hi"), NEWS)
    await runtime.stop_when_idle()
    assert agent.messages == [Text("hi")]


async def test_a_message_nobody_is_subscribed_to_disturbs_nobody(runtime: SingleThreadedAgentRuntime) -> None:
    (agent,) = await readers(runtime, "me")
    await runtime.publish_message(Text("hi"), TopicId("other", "1"))
    await asyncio.wait_for(runtime.stop_when_idle(), LIMIT_S)
    assert agent.messages == []


async def test_publishing_does_not_wait_for_the_handlers(runtime: SingleThreadedAgentRuntime, gate: Gate) -> None:
    async with asyncio.timeout(LIMIT_S):
        await runtime.publish_message(Text("hi"), NEWS)
    assert gate.ended == []


async def test_a_subscription_that_is_removed_no_longer_delivers(runtime: SingleThreadedAgentRuntime) -> None:
    agent = Recorder()
    await agent.register_instance(runtime, ME)
    await runtime.add_subscription(TypeSubscription("news", "me", id="s1"))
    await runtime.remove_subscription("s1")
    await runtime.publish_message(Text("hi"), NEWS)
    await runtime.stop_when_idle()
    assert agent.messages == []


async def test_subscriptions_are_checked(runtime: SingleThreadedAgentRuntime) -> None:
    await readers(runtime, "me")
    with pytest.raises(ValueError, match="Subscription already exists"):
        await runtime.add_subscription(TypeSubscription("news", "me"))
    with pytest.raises(ValueError, match="nobody"):
        await runtime.remove_subscription("nobody")


async def test_one_receiver_that_raises_is_logged_and_does_not_keep_the_others_from_receiving(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    await Raises(ZeroDivisionError("no")).register_instance(runtime, YOU)
    await runtime.add_subscription(TypeSubscription("news", "you"))
    (agent,) = await readers(runtime, "me")
    await runtime.publish_message(Text("hi"), NEWS)
    await runtime.stop_when_idle()
    assert agent.messages == [Text("hi")]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "you/1" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_a_subscription_that_raises_does_not_stop_the_runtime(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(TypePrefixSubscription):
        def map_to_agent(self, topic_id: TopicId) -> AgentId:
            raise ZeroDivisionError("broken")

    await runtime.add_subscription(Broken("new", "me"))
    await Echo.register(runtime, "me", Echo)
    await runtime.publish_message(Text("hi"), NEWS)
    assert await asyncio.wait_for(runtime.send_message(Text("hi"), ME), LIMIT_S) == Text("HI")
    (record,) = caplog.records
    assert "broken" in caplog.text
    assert record.levelno == logging.ERROR


async def test_the_default_topic_in_a_handler_is_the_agents_own_also_after_an_await(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    @default_subscription
    class Starter(RoutedAgent):
        @event
        async def on_text(self, message: Text, ctx: MessageContext) -> None:
            await asyncio.sleep(0)
            await self.publish_message(Number(len(message.text)), DefaultTopicId())

    @default_subscription
    class Reader(Recorder):
        pass

    await Starter.register(runtime, "starter", lambda: Starter(""))
    await Reader.register(runtime, "reader", Reader)
    for key in ("a", "bb"):
        await runtime.publish_message(Text(key), TopicId("default", key))
    await runtime.stop_when_idle()
    for key in ("a", "bb"):
        reader = await runtime.try_get_underlying_agent_instance(AgentId("reader", key), Reader)
        assert reader.messages == [Text(key), Number(len(key))]


# Order, and one agent


async def test_messages_to_one_agent_start_in_the_order_they_were_sent(runtime: SingleThreadedAgentRuntime) -> None:
    factory = SlowFactory()
    await Recorder.register(runtime, "me", factory)
    await runtime.add_subscription(TypeSubscription("news", "me"))
    sending = []
    async with asyncio.timeout(LIMIT_S):
        for number in range(10):
            if number % 2:
                await runtime.publish_message(Number(number), NEWS)
            else:
                sending.append(asyncio.create_task(runtime.send_message(Number(number), ME)))
                await asyncio.sleep(0)
        await factory.called.wait()
        factory.go.set()
        await asyncio.gather(*sending)
        await runtime.stop_when_idle()
    agent = await runtime.try_get_underlying_agent_instance(ME, Recorder)
    assert [message.number for message in agent.messages] == list(range(10))


async def test_one_agent_is_made_however_many_messages_race_for_it(runtime: SingleThreadedAgentRuntime) -> None:
    factory = SlowFactory()
    await Recorder.register(runtime, "me", factory)
    async with asyncio.timeout(LIMIT_S):
        sending = [asyncio.create_task(runtime.send_message(Number(n), ME)) for n in range(20)]
        await factory.called.wait()
        getting = asyncio.create_task(runtime.get(ME, lazy=False))
        factory.go.set()
        await asyncio.gather(getting, *sending)
    assert factory.calls == 1
    agent = await runtime.try_get_underlying_agent_instance(ME, Recorder)
    assert agent.messages == [Number(n) for n in range(20)]


async def test_a_handler_that_waits_does_not_hold_up_other_agents(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    await Echo.register(runtime, "you", Echo)
    async with asyncio.timeout(LIMIT_S):
        await runtime.publish_message(Text(), NEWS)
        await gate.inside.wait()
        assert await runtime.send_message(Text("hi"), YOU) == Text("HI")


# Making agents


async def test_a_factory_that_raises_is_logged_and_its_exception_comes_to_the_sender(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    def factory() -> Echo:
        raise ZeroDivisionError("no luck")

    await Echo.register(runtime, "me", factory)
    with pytest.raises(ZeroDivisionError, match="no luck"):
        await runtime.send_message(Text("hi"), ME)
    assert "Error constructing agent me/1" in caplog.messages


async def test_a_factory_that_makes_another_class_fails_the_message(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    await Echo.register(runtime, "me", Recorder)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="made a Recorder, and was registered for Echo"):
        await runtime.send_message(Text("hi"), ME)
    assert "Error constructing agent me/1" in caplog.messages


async def test_a_factory_may_be_async_and_knows_what_it_makes(runtime: SingleThreadedAgentRuntime) -> None:
    known = list[Any]()

    async def factory() -> Echo:
        await asyncio.sleep(0)
        known.append((AgentInstantiationContext.current_runtime(), AgentInstantiationContext.current_agent_id()))
        return Echo()

    assert await runtime.register_factory("me", factory, expected_class=Echo) == AgentType("me")
    await runtime.send_message(Text("hi"), ME)
    assert known == [(runtime, ME)]


async def test_a_handler_is_no_factory_call(runtime: SingleThreadedAgentRuntime) -> None:
    async def ask(_closure: ClosureContext, message: Text, ctx: MessageContext) -> bool:
        return AgentInstantiationContext.is_in_factory_call()

    await ClosureAgent.register_closure(runtime, "me", ask)
    assert await runtime.send_message(Text(), ME) is False


async def test_an_event_for_an_unregistered_key_of_an_instance_only_type_says_so(
    strict: SingleThreadedAgentRuntime,
) -> None:
    await readers(strict, "me")
    strict.start()
    await strict.publish_message(Text(), TopicId("news", "2"))
    with pytest.raises(RuntimeError, match="There is no agent me/2: the type 'me' has only the instances"):
        await asyncio.wait_for(strict.stop_when_idle(), LIMIT_S)


async def test_unregistering_closes_the_agents_and_removes_the_subscriptions(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    await Counter.register(runtime, "me", Counter)
    agent = await runtime.try_get_underlying_agent_instance(ME, Counter)
    await runtime.unregister(AgentType("me"))
    assert agent.closed
    with pytest.raises(AgentNotFoundError):
        await runtime.send_message(Text(), ME)
    await Counter.register(runtime, "me", Counter)
    assert await runtime.try_get_underlying_agent_instance(ME, Counter) is not agent


async def test_unregistering_an_unknown_type_raises_lookup_error(runtime: SingleThreadedAgentRuntime) -> None:
    with pytest.raises(LookupError, match="me not found"):
        await runtime.unregister("me")


# Asking about agents


async def test_get_answers_with_the_id(runtime: SingleThreadedAgentRuntime) -> None:
    await Echo.register(runtime, "me", Echo)
    assert await runtime.get("me") == AgentId("me", "default")
    assert await runtime.get(AgentType("me"), key="1") == await runtime.get(ME) == ME


async def test_get_makes_the_agent_when_told_not_to_be_lazy(runtime: SingleThreadedAgentRuntime) -> None:
    factory = SlowFactory()
    factory.go.set()
    await Recorder.register(runtime, "me", factory)
    await runtime.get(ME)
    assert factory.calls == 0
    await runtime.get(ME, lazy=False)
    assert factory.calls == 1


async def test_the_object_of_an_agent_can_be_had(runtime: SingleThreadedAgentRuntime) -> None:
    (agent,) = await readers(runtime, "me")
    assert await runtime.try_get_underlying_agent_instance(ME) is agent
    assert await runtime.try_get_underlying_agent_instance(ME, Recorder) is agent
    assert await runtime.try_get_underlying_agent_instance(ME, type=BaseAgent) is agent  # type: ignore[type-abstract]
    with pytest.raises(TypeError, match="is a Recorder, not a Echo"):
        await runtime.try_get_underlying_agent_instance(ME, Echo)


async def test_asking_about_an_unknown_type_raises_lookup_error(runtime: SingleThreadedAgentRuntime) -> None:
    for asking in (
        runtime.try_get_underlying_agent_instance(ME),
        runtime.agent_metadata(ME),
        runtime.agent_save_state(ME),
        runtime.agent_load_state(ME, {}),
        runtime.get(ME, lazy=False),
    ):
        with pytest.raises(LookupError, match="me not found"):
            await asking


async def test_the_metadata_of_an_agent_can_be_asked_for(runtime: SingleThreadedAgentRuntime) -> None:
    await Counter.register(runtime, "me", Counter)
    assert await runtime.agent_metadata(ME) == {"type": "me", "key": "1", "description": "counts"}


async def test_the_state_of_an_agent_can_be_saved_and_loaded(runtime: SingleThreadedAgentRuntime) -> None:
    await Counter.register(runtime, "me", Counter)
    await runtime.send_message(Text(), ME)
    state = await runtime.agent_save_state(ME)
    assert state == {"count": 1}
    await runtime.agent_load_state(AgentId("me", "2"), state)
    assert await runtime.send_message(Text(), AgentId("me", "2")) == 2


async def test_the_state_of_a_runtime_can_be_loaded_into_another(runtime: SingleThreadedAgentRuntime) -> None:
    await Counter.register(runtime, "me", Counter)
    for key in ("1", "2", "2"):
        await runtime.send_message(Text(), AgentId("me", key))
    state: Mapping[str, Any] = await runtime.save_state()
    assert state == {"me/1": {"count": 1}, "me/2": {"count": 2}}
    other = SingleThreadedAgentRuntime()
    await Counter.register(other, "me", Counter)
    await other.load_state({**state, "unknown/1": {"count": 9}})
    assert await other.save_state() == state


async def test_it_takes_serializers_as_every_runtime_does(runtime: SingleThreadedAgentRuntime) -> None:
    serializers = Echo.message_serializers()
    runtime.add_message_serializer(serializers)
    runtime.add_message_serializer(serializers[0])


# Running


async def test_process_next_takes_one_message_and_does_not_wait_for_its_handler() -> None:
    runtime, gate = SingleThreadedAgentRuntime(), Gate()
    await gate.register_instance(runtime, ME)
    await runtime.add_subscription(TypeSubscription("news", "me"))
    for number in range(3):
        await runtime.publish_message(Number(number), NEWS)
    assert runtime.unprocessed_messages_count == 3
    async with asyncio.timeout(LIMIT_S):
        await runtime.process_next()
        assert runtime.unprocessed_messages_count == 2
        await gate.inside.wait()
        assert (gate.started, gate.ended) == ([Number(0)], [])
        await runtime.process_next()
        await runtime.process_next()
    assert runtime.unprocessed_messages_count == 0


async def test_process_next_waits_for_a_message() -> None:
    runtime = SingleThreadedAgentRuntime()
    (agent,) = await readers(runtime, "me")
    processing = asyncio.create_task(runtime.process_next())
    await asyncio.sleep(0)
    assert not processing.done()
    await runtime.publish_message(Text("hi"), NEWS)
    await asyncio.wait_for(processing, LIMIT_S)
    assert agent.messages == [Text("hi")]


async def test_a_process_next_that_is_cancelled_leaves_its_message_in_the_queue() -> None:
    asked = asyncio.Event()

    class SlowOnce(DefaultInterventionHandler):
        async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
            if not asked.is_set():
                asked.set()
                await asyncio.get_running_loop().create_future()
            return message

    runtime = SingleThreadedAgentRuntime(intervention_handlers=[SlowOnce()])
    (agent,) = await readers(runtime, "me")
    await runtime.publish_message(Text("hi"), NEWS)
    async with asyncio.timeout(LIMIT_S):
        processing = asyncio.create_task(runtime.process_next())
        await asked.wait()
        processing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await processing
        assert runtime.unprocessed_messages_count == 1
        await runtime.process_next()
    assert agent.messages == [Text("hi")]


async def test_a_send_waits_until_the_runtime_is_started() -> None:
    runtime = SingleThreadedAgentRuntime()
    await Echo.register(runtime, "me", Echo)
    sending = asyncio.create_task(runtime.send_message(Text("hi"), ME))
    await asyncio.sleep(0)
    assert not sending.done()
    runtime.start()
    assert await asyncio.wait_for(sending, LIMIT_S) == Text("HI")
    await runtime.stop()


async def test_it_starts_once(runtime: SingleThreadedAgentRuntime) -> None:
    with pytest.raises(RuntimeError, match="already started"):
        runtime.start()


async def test_what_was_not_started_cannot_be_stopped() -> None:
    runtime = SingleThreadedAgentRuntime()
    for stop in (runtime.stop, runtime.stop_when_idle):
        with pytest.raises(RuntimeError, match="not started"):
            await stop()
    with pytest.raises(RuntimeError, match="not started"):
        await runtime.stop_when(lambda: True)


async def test_it_may_be_started_again(runtime: SingleThreadedAgentRuntime) -> None:
    (agent,) = await readers(runtime, "me")
    for stop in (runtime.stop, runtime.stop_when_idle):
        await stop()
        runtime.start()
    await runtime.publish_message(Text("hi"), NEWS)
    await asyncio.wait_for(runtime.stop_when_idle(), LIMIT_S)
    assert agent.messages == [Text("hi")]


async def test_stop_when_idle_waits_for_all_that_follows_from_a_message(runtime: SingleThreadedAgentRuntime) -> None:
    got = list[int]()

    async def countdown(closure_ctx: ClosureContext, message: Number, ctx: MessageContext) -> None:
        await asyncio.sleep(0)
        got.append(message.number)
        if message.number:
            topic = TopicId("you" if closure_ctx.id.type == "me" else "me", "1")
            await closure_ctx.publish_message(Number(message.number - 1), topic)

    for name in ("me", "you"):
        await ClosureAgent.register_closure(
            runtime, name, countdown, subscriptions=lambda name=name: [TypeSubscription(name, name)]
        )
    await runtime.publish_message(Number(5), TopicId("me", "1"))
    await asyncio.wait_for(runtime.stop_when_idle(), LIMIT_S)
    assert got == [5, 4, 3, 2, 1, 0]


async def test_stop_when_idle_waits_for_a_handler_that_runs(runtime: SingleThreadedAgentRuntime, gate: Gate) -> None:
    await runtime.publish_message(Text("hi"), NEWS)
    async with asyncio.timeout(LIMIT_S):
        await gate.inside.wait()
        stopping = asyncio.create_task(runtime.stop_when_idle())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not stopping.done()
        gate.open.set()
        await stopping
    assert gate.ended == [Text("hi")]


async def test_stop_when_stops_when_the_condition_holds(runtime: SingleThreadedAgentRuntime) -> None:
    (agent,) = await readers(runtime, "me")
    await runtime.publish_message(Text("hi"), NEWS)
    await asyncio.wait_for(runtime.stop_when(lambda: bool(agent.messages)), LIMIT_S)
    with pytest.raises(RuntimeError, match="not started"):
        await runtime.stop()


async def test_a_condition_that_raises_comes_out_of_stop_when(runtime: SingleThreadedAgentRuntime) -> None:
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(runtime.stop_when(lambda: bool(1 / 0)), LIMIT_S)


async def test_stop_ends_a_send_whose_handler_runs(runtime: SingleThreadedAgentRuntime, gate: Gate) -> None:
    async with asyncio.timeout(LIMIT_S):
        sending = asyncio.create_task(runtime.send_message(Text("hi"), ME))
        await gate.inside.wait()
        await runtime.stop()
        with pytest.raises(UndeliverableException, match="stopped before there was a reply"):
            await sending
    assert gate.ended == []


async def test_stop_ends_a_send_that_still_waits_in_the_queue(runtime: SingleThreadedAgentRuntime) -> None:
    await Echo.register(runtime, "me", Echo)
    async with asyncio.timeout(LIMIT_S):
        sending = asyncio.create_task(runtime.send_message(Text("hi"), ME))
        await asyncio.sleep(0)
        assert runtime.unprocessed_messages_count == 1
        await runtime.stop()
        with pytest.raises(UndeliverableException, match="stopped before there was a reply"):
            await sending
    assert runtime.unprocessed_messages_count == 0


async def test_stop_ends_a_send_whose_agent_is_still_being_made(runtime: SingleThreadedAgentRuntime) -> None:
    factory = SlowFactory()
    await Recorder.register(runtime, "me", factory)
    async with asyncio.timeout(LIMIT_S):
        sending = asyncio.create_task(runtime.send_message(Text("hi"), ME))
        await factory.called.wait()
        await runtime.stop()
        with pytest.raises(UndeliverableException):
            await sending
        factory.go.set()
        runtime.start()
        assert await runtime.send_message(Text("again"), ME) == Text("again")


async def test_stop_ends_a_chain_of_sends_without_a_complaint(
    runtime: SingleThreadedAgentRuntime, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    async def forward(closure_ctx: ClosureContext, message: Text, ctx: MessageContext) -> Any:
        return await closure_ctx.send_message(message, ME)

    await ClosureAgent.register_closure(runtime, "you", forward)
    async with asyncio.timeout(LIMIT_S):
        sending = asyncio.create_task(runtime.send_message(Text("hi"), YOU))
        await gate.inside.wait()
        await runtime.stop()
        with pytest.raises(UndeliverableException):
            await sending
    gc.collect()  # asyncio complains of an exception that nobody fetched when its future goes
    assert caplog.messages == []


async def test_stop_drops_an_event_whose_handler_runs_without_a_complaint(
    strict: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    await gate.register_instance(strict, ME)
    await strict.add_subscription(TypeSubscription("news", "me"))
    strict.start()
    await strict.publish_message(Text("hi"), NEWS)
    async with asyncio.timeout(LIMIT_S):
        await gate.inside.wait()
        await strict.stop()
    assert gate.ended == []
    assert caplog.messages == []


async def test_an_agent_may_stop_the_runtime_that_runs_it(runtime: SingleThreadedAgentRuntime) -> None:
    stopped = asyncio.Event()

    async def stop(_closure: ClosureContext, message: Text, ctx: MessageContext) -> None:
        await runtime.stop()
        stopped.set()

    await ClosureAgent.register_closure(runtime, "me", stop, subscriptions=lambda: [TypeSubscription("news", "me")])
    (reader,) = await readers(runtime, "you")
    async with asyncio.timeout(LIMIT_S):
        await runtime.publish_message(Text(), NEWS)
        await stopped.wait()
        runtime.start()
        await runtime.publish_message(Text("again"), NEWS, sender=ME)
        await runtime.stop_when_idle()
    assert reader.messages[-1] == Text("again")


async def test_close_stops_and_closes_every_agent() -> None:
    runtime = SingleThreadedAgentRuntime()
    await Counter.register(runtime, "me", Counter)
    agents = [await runtime.try_get_underlying_agent_instance(AgentId("me", key), Counter) for key in ("1", "2")]
    runtime.start()
    await runtime.close()
    assert [agent.closed for agent in agents] == [True, True]
    with pytest.raises(RuntimeError, match="not started"):
        await runtime.stop()


async def test_what_was_never_started_can_be_closed() -> None:
    runtime = SingleThreadedAgentRuntime()
    await Counter.register(runtime, "me", Counter)
    agent = await runtime.try_get_underlying_agent_instance(ME, Counter)
    await runtime.close()
    await runtime.close()
    assert agent.closed


# Unhandled exceptions


async def publish_to_one_that_raises(runtime: SingleThreadedAgentRuntime, error: BaseException) -> None:
    await Raises(error).register_instance(runtime, ME)
    await runtime.add_subscription(TypeSubscription("news", "me"))
    await runtime.publish_message(Text(), NEWS)


async def test_by_default_an_event_handlers_exception_is_ignored(runtime: SingleThreadedAgentRuntime) -> None:
    await publish_to_one_that_raises(runtime, ZeroDivisionError("no"))
    await runtime.stop_when_idle()
    assert runtime.unprocessed_messages_count == 0


async def test_an_event_handlers_exception_comes_out_of_process_next(strict: SingleThreadedAgentRuntime) -> None:
    await publish_to_one_that_raises(strict, ZeroDivisionError("no"))
    await asyncio.wait_for(strict.process_next(), LIMIT_S)
    with pytest.raises(ZeroDivisionError, match="no"):  # in place of waiting for a message: there is none
        await asyncio.wait_for(strict.process_next(), LIMIT_S)


async def test_an_exception_ends_a_process_next_that_waits_already(strict: SingleThreadedAgentRuntime) -> None:
    go = asyncio.Event()

    async def fails(_closure: ClosureContext, message: Text, ctx: MessageContext) -> None:
        await go.wait()
        raise ZeroDivisionError("no")

    await ClosureAgent.register_closure(strict, "me", fails, subscriptions=lambda: [TypeSubscription("news", "me")])
    await strict.publish_message(Text(), NEWS)
    async with asyncio.timeout(LIMIT_S):
        await strict.process_next()
        processing = asyncio.create_task(strict.process_next())
        await asyncio.sleep(0)
        assert not processing.done()
        go.set()
        with pytest.raises(ZeroDivisionError, match="no"):
            await processing


async def test_what_a_handler_raises_on_being_stopped_comes_out_of_stop(strict: SingleThreadedAgentRuntime) -> None:
    inside = asyncio.Event()

    async def fails(_closure: ClosureContext, message: Text, ctx: MessageContext) -> None:
        try:
            inside.set()
            await asyncio.get_running_loop().create_future()
        finally:
            raise ZeroDivisionError("no")

    await ClosureAgent.register_closure(strict, "me", fails, subscriptions=lambda: [TypeSubscription("news", "me")])
    strict.start()
    await strict.publish_message(Text(), NEWS)
    async with asyncio.timeout(LIMIT_S):
        await inside.wait()
        with pytest.raises(ZeroDivisionError, match="no"):
            await strict.stop()


async def test_an_event_handlers_exception_comes_out_once(strict: SingleThreadedAgentRuntime) -> None:
    await publish_to_one_that_raises(strict, ZeroDivisionError("no"))
    strict.start()
    with pytest.raises(ZeroDivisionError, match="no"):
        await asyncio.wait_for(strict.stop_when_idle(), LIMIT_S)
    strict.start()
    await asyncio.wait_for(strict.stop_when_idle(), LIMIT_S)


async def test_an_event_handlers_exception_comes_out_of_stop(strict: SingleThreadedAgentRuntime) -> None:
    await publish_to_one_that_raises(strict, ZeroDivisionError("no"))
    await strict.process_next()
    strict.start()
    with pytest.raises(ZeroDivisionError, match="no"):
        await asyncio.wait_for(strict.stop(), LIMIT_S)


async def test_an_event_handlers_exception_ends_stop_when(strict: SingleThreadedAgentRuntime) -> None:
    await publish_to_one_that_raises(strict, ZeroDivisionError("no"))
    strict.start()
    with pytest.raises(ZeroDivisionError, match="no"):
        await asyncio.wait_for(strict.stop_when(lambda: False), LIMIT_S)


async def test_a_failing_factory_of_an_event_comes_out_too(strict: SingleThreadedAgentRuntime) -> None:
    def factory() -> Recorder:
        raise ZeroDivisionError("no")

    await Recorder.register(strict, "me", factory)
    await strict.add_subscription(TypeSubscription("news", "me"))
    strict.start()
    await strict.publish_message(Text(), NEWS)
    with pytest.raises(ZeroDivisionError, match="no"):
        await asyncio.wait_for(strict.stop_when_idle(), LIMIT_S)


async def test_a_direct_messages_exception_goes_to_its_sender_alone(strict: SingleThreadedAgentRuntime) -> None:
    await Raises(ZeroDivisionError("no")).register_instance(strict, ME)
    strict.start()
    with pytest.raises(ZeroDivisionError):
        await strict.send_message(Text(), ME)
    await asyncio.wait_for(strict.stop_when_idle(), LIMIT_S)


# The journal


def steps_of(runtime: SingleThreadedAgentRuntime) -> list[tuple[str, str, str]]:
    assert runtime.journal is not None
    return [(event.what, event.kind, event.recipient) for event in runtime.journal]


@pytest.fixture
async def journaling() -> AsyncIterator[SingleThreadedAgentRuntime]:
    """A started runtime with a journal."""
    runtime = SingleThreadedAgentRuntime(journal=Journal())
    runtime.start()
    yield runtime
    await runtime.close()


async def test_the_journal_tells_the_life_of_a_request(journaling: SingleThreadedAgentRuntime) -> None:
    await Echo.register(journaling, "me", Echo)
    await journaling.send_message(Text(), ME, sender=YOU, message_id="m1")
    assert steps_of(journaling) == [
        (j.SENT, j.REQUEST, "me/1"),
        (j.RECEIVED, j.REQUEST, "me/1"),
        (j.STARTED, j.REQUEST, "me/1"),
        (j.HANDLED, j.REQUEST, "me/1"),
        (j.SENT, j.RESPONSE, "you/1"),
        (j.RECEIVED, j.RESPONSE, "you/1"),
    ]


async def test_the_journal_tells_the_life_of_every_copy(journaling: SingleThreadedAgentRuntime) -> None:
    await readers(journaling, "me", "you")
    await journaling.publish_message(Text(), NEWS, message_id="m1")
    await journaling.stop_when_idle()
    steps = steps_of(journaling)
    assert steps[0] == (j.SENT, j.EVENT, "")
    for name in ("me/1", "you/1"):
        assert [what for what, _, who in steps if who == name] == [j.RECEIVED, j.STARTED, j.HANDLED]
    assert journaling.journal is not None
    assert {(event.message_id, event.topic, event.type) for event in journaling.journal} == {("m1", "news/1", "Text")}


@pytest.mark.parametrize(
    ("agent", "ending"), [(Raises(ZeroDivisionError("no")), j.FAILED), (Echo(), j.UNHANDLED), (Recorder(), j.HANDLED)]
)
async def test_the_journal_tells_how_each_message_ended(
    journaling: SingleThreadedAgentRuntime, agent: BaseAgent, ending: str
) -> None:
    agent = type(agent)(agent.error) if isinstance(agent, Raises) else type(agent)()
    await agent.register_instance(journaling, ME)
    await journaling.add_subscription(TypeSubscription("news", "me"))
    await asyncio.gather(journaling.send_message(Number(), ME), return_exceptions=True)
    await journaling.publish_message(Number(), NEWS)
    await journaling.stop_when_idle()
    assert journaling.journal is not None
    ends = [event for event in journaling.journal if event.what in j.ENDINGS]
    assert [(event.what, event.kind) for event in ends] == [(ending, j.REQUEST), (ending, j.EVENT)]
    assert all(("ZeroDivisionError: no" in event.detail) == (ending == j.FAILED) for event in ends)


async def test_the_journal_names_the_cause(journaling: SingleThreadedAgentRuntime) -> None:
    async def forward(closure_ctx: ClosureContext, message: Text, ctx: MessageContext) -> Any:
        await asyncio.sleep(0)
        return await closure_ctx.send_message(message, YOU, message_id="m2")

    await ClosureAgent.register_closure(journaling, "me", forward)
    await Echo.register(journaling, "you", Echo)
    await journaling.send_message(Text(), ME, message_id="m1")
    assert journaling.journal is not None
    causes = {(event.message_id, event.kind): event.cause for event in journaling.journal}
    assert causes == {
        ("m1", j.REQUEST): "",
        ("m2", j.REQUEST): "m1",
        ("m2", j.RESPONSE): "m2",
        ("m1", j.RESPONSE): "m1",
    }


async def test_the_journals_clocks_only_go_forward(journaling: SingleThreadedAgentRuntime) -> None:
    await readers(journaling, "me", "you")
    for _ in range(3):
        await journaling.publish_message(Text(), NEWS)
    await journaling.stop_when_idle()
    assert journaling.journal is not None
    events = list(journaling.journal)
    lamport = [event.lamport for event in events]
    assert lamport == sorted(set(lamport))
    times = [event.time_ns for event in events]
    assert times == sorted(times)


async def test_what_an_intervention_holds_back_is_journaled_as_dropped() -> None:
    class Drops(DefaultInterventionHandler):
        async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
            return DropMessage

        async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
            return DropMessage

    runtime = SingleThreadedAgentRuntime(intervention_handlers=[Drops()], journal=Journal())
    await readers(runtime, "me")
    runtime.start()
    await asyncio.gather(runtime.send_message(Text(), ME), return_exceptions=True)
    await runtime.publish_message(Text(), NEWS)
    await runtime.stop_when_idle()
    assert runtime.journal is not None
    ends = [(event.what, event.kind) for event in runtime.journal if event.what != j.SENT]
    assert ends == [(j.DROPPED, j.REQUEST), (j.DROPPED, j.EVENT)]


async def test_what_stop_throws_away_is_journaled_as_dropped(journaling: SingleThreadedAgentRuntime) -> None:
    gate, factory = Gate(), SlowFactory()
    await gate.register_instance(journaling, ME)
    await Recorder.register(journaling, "slow", factory)
    for name in ("me", "slow"):
        await journaling.add_subscription(TypeSubscription("news", name))
    async with asyncio.timeout(LIMIT_S):
        await journaling.publish_message(Text("runs, and waits for its agent"), NEWS, message_id="m1")
        sending = asyncio.create_task(journaling.send_message(Text("runs"), ME, message_id="m2"))
        await factory.called.wait()
        await gate.has_started(2)
        await journaling.publish_message(Text("is in the queue"), NEWS, message_id="m3")
        await journaling.stop()
        await asyncio.gather(sending, return_exceptions=True)
    assert journaling.journal is not None
    ends = {event.copy for event in journaling.journal if event.what == j.DROPPED and "stopped" in event.detail}
    assert ends == {
        ("m1", j.EVENT, "me/1"),
        ("m1", j.EVENT, "slow/1"),
        ("m2", j.REQUEST, "me/1"),
        ("m3", j.EVENT, ""),
    }
    before = set(asyncio.all_tasks())
    await journaling.close()
    assert before - asyncio.all_tasks()  # the agent that was still being made is given up


async def test_a_published_message_that_nobody_subscribes_to_ends_in_the_journal() -> None:
    journal = Journal()
    runtime = SingleThreadedAgentRuntime(journal=journal)
    runtime.start()
    await runtime.publish_message(Text("anybody?"), TopicId("void", "default"))
    await runtime.stop_when_idle()
    assert [event.what for event in journal] == ["sent", "dropped"]
    assert "void/default" in list(journal)[-1].detail
