from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from agentlab import (
    AgentId,
    DefaultInterventionHandler,
    DropMessage,
    InterventionHandler,
    MessageContext,
    MessageDroppedException,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
)

from .cast import LIMIT_S, Number, Recorder, Text

ME, YOU = AgentId("me", "1"), AgentId("you", "1")


class Answers(DefaultInterventionHandler):
    """Gives one answer (or raises it) at one of the three steps, and writes down what it was told."""

    def __init__(self, step: str, answer: Any) -> None:
        self.step, self.answer = step, answer
        self.told: list[Any] = []

    def _answer(self, step: str, message: Any, *rest: Any) -> Any:
        if step != self.step:
            return message
        self.told.append((message, *rest))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer(message) if callable(self.answer) and self.answer is not DropMessage else self.answer

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        return self._answer("send", message, message_context, recipient)

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        return self._answer("publish", message, message_context)

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        return self._answer("response", message, sender, recipient)


async def runtime_with(*handlers: InterventionHandler) -> tuple[SingleThreadedAgentRuntime, Recorder]:
    """A started runtime, and an agent in it that gets direct messages and the topic type news."""
    runtime, agent = SingleThreadedAgentRuntime(intervention_handlers=list(handlers)), Recorder()
    await agent.register_instance(runtime, ME)
    await runtime.add_subscription(TypeSubscription("news", "me"))
    runtime.start()
    return runtime, agent


def louder(message: Any) -> Any:
    return Text(message.text + "!")


async def test_the_default_handler_lets_everything_pass() -> None:
    runtime, agent = await runtime_with(DefaultInterventionHandler())
    assert await runtime.send_message(Text("hi"), ME) == Text("hi")
    await runtime.publish_message(Text("news"), TopicId("news", "1"))
    await runtime.stop_when_idle()
    assert agent.messages == [Text("hi"), Text("news")]


async def test_on_send_is_told_of_the_message_and_may_change_it() -> None:
    handler = Answers("send", louder)
    runtime, agent = await runtime_with(handler)
    assert await runtime.send_message(Text("hi"), ME, sender=YOU, message_id="m1") == Text("hi!")
    await runtime.stop()
    assert agent.messages == [Text("hi!")]
    ((message, context, recipient),) = handler.told
    assert (message, recipient) == (Text("hi"), ME)
    assert (context.sender, context.message_id, context.is_rpc, context.topic_id) == (YOU, "m1", True, None)


async def test_on_publish_is_told_of_the_message_and_may_change_it() -> None:
    handler = Answers("publish", louder)
    runtime, agent = await runtime_with(handler)
    await runtime.publish_message(Text("news"), TopicId("news", "1"), sender=YOU, message_id="m1")
    await runtime.stop_when_idle()
    assert agent.messages == [Text("news!")]
    ((message, context),) = handler.told
    assert message == Text("news")
    assert (context.sender, context.message_id, context.is_rpc) == (YOU, "m1", False)
    assert context.topic_id == TopicId("news", "1")


async def test_on_response_is_told_of_the_reply_and_may_change_it() -> None:
    handler = Answers("response", louder)
    runtime, agent = await runtime_with(handler)
    assert await runtime.send_message(Text("hi"), ME, sender=YOU) == Text("hi!")
    await runtime.stop()
    assert agent.messages == [Text("hi")]
    assert handler.told == [(Text("hi"), ME, YOU)]


async def test_several_handlers_are_asked_one_after_the_other() -> None:
    runtime, agent = await runtime_with(
        Answers("send", louder), Answers("send", lambda message: Text(message.text.upper() + "?"))
    )
    await runtime.send_message(Text("hi"), ME)
    await runtime.stop()
    assert agent.messages == [Text("HI!?")]


@pytest.mark.parametrize("answer", [DropMessage, DropMessage()])
@pytest.mark.parametrize("step", ["send", "response"])
async def test_the_sender_of_a_dropped_direct_message_is_told(step: str, answer: Any) -> None:
    later = Answers(step, louder)
    runtime, agent = await runtime_with(Answers(step, lambda message: answer), later)
    with pytest.raises(MessageDroppedException, match=f"Answers.on_{step} dropped a Text"):
        await runtime.send_message(Text("hi"), ME)
    await runtime.stop_when_idle()
    assert agent.messages == ([] if step == "send" else [Text("hi")])
    assert later.told == []


async def test_a_dropped_event_reaches_nobody_and_the_next_one_does(caplog: pytest.LogCaptureFixture) -> None:
    runtime, agent = await runtime_with(
        Answers("publish", lambda message: DropMessage if message == Text("drop me") else message)
    )
    await runtime.publish_message(Text("drop me"), TopicId("news", "1"))
    await runtime.publish_message(Text("news"), TopicId("news", "1"))
    await runtime.stop_when_idle()
    assert agent.messages == [Text("news")]
    assert caplog.messages == []  # that was no mistake


@pytest.mark.parametrize("step", ["send", "response"])
async def test_what_an_intervention_raises_comes_to_the_sender(step: str) -> None:
    runtime, _ = await runtime_with(Answers(step, ZeroDivisionError("no")))
    with pytest.raises(ZeroDivisionError, match="no"):
        await runtime.send_message(Text("hi"), ME)
    await runtime.stop_when_idle()


async def test_what_an_intervention_raises_for_an_event_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    runtime, agent = await runtime_with(Answers("publish", ZeroDivisionError("no")))
    await runtime.publish_message(Text("news"), TopicId("news", "1"))
    await runtime.stop_when_idle()
    assert agent.messages == []
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "no" in record.getMessage()


@pytest.mark.parametrize("step", ["send", "publish", "response"])
async def test_none_is_taken_as_no_change_with_a_warning(step: str) -> None:
    runtime, agent = await runtime_with(Answers(step, None))

    async def send_or_publish() -> None:
        if step == "publish":
            await runtime.publish_message(Text("hi"), TopicId("news", "1"))
        else:
            assert await runtime.send_message(Text("hi"), ME) == Text("hi")
        await runtime.stop_when_idle()

    with pytest.warns(RuntimeWarning, match=f"on_{step} returned None"):
        await send_or_publish()
    assert agent.messages == [Text("hi")]


async def test_a_reply_of_none_passes_without_a_warning() -> None:
    class Mute(Recorder):
        async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
            return None

    runtime = SingleThreadedAgentRuntime(intervention_handlers=[DefaultInterventionHandler()])
    await Mute().register_instance(runtime, ME)
    runtime.start()
    assert await runtime.send_message(Text("hi"), ME) is None
    await runtime.stop()


class Waits(DefaultInterventionHandler):
    """Waits at one step until it is let go."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def _wait(self, step: str) -> None:
        if step == self.step:
            self.asked.set()
            await self.go.wait()

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        await self._wait("send")
        return message

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        await self._wait("publish")
        return message

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        await self._wait("response")
        return message


@pytest.mark.parametrize("step", ["send", "publish", "response"])
async def test_stop_does_not_wait_for_an_intervention(step: str) -> None:
    handler = Waits(step)
    runtime, _ = await runtime_with(handler)
    sending = asyncio.create_task(runtime.send_message(Text("hi"), ME))
    await runtime.publish_message(Text("hi"), TopicId("news", "1"))
    async with asyncio.timeout(LIMIT_S):
        await handler.asked.wait()
        await runtime.stop()
        await asyncio.gather(sending, return_exceptions=True)


async def test_messages_keep_their_order_through_a_slow_intervention() -> None:
    handler = Waits("send")
    runtime, agent = await runtime_with(handler)
    async with asyncio.timeout(LIMIT_S):
        sending = [asyncio.create_task(runtime.send_message(Number(n), ME)) for n in range(3)]
        await handler.asked.wait()
        handler.go.set()
        await asyncio.gather(*sending)
    await runtime.stop()
    assert agent.messages == [Number(0), Number(1), Number(2)]
