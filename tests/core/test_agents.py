from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from agentlab import (
    Agent,
    AgentId,
    AgentProxy,
    AgentType,
    BaseAgent,
    DefaultSubscription,
    DefaultTopicId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
    default_subscription,
    message_handler,
    type_prefix_subscription,
    type_subscription,
)

from .cast import Echo, Number, Recorder, Text


class Counter(BaseAgent):
    """Has a state."""

    def __init__(self) -> None:
        super().__init__("counts")
        self.count = 0
        self.closed = False

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> int:
        self.count += 1
        return self.count

    async def save_state(self) -> Mapping[str, Any]:
        return {"count": self.count}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.count = state["count"]

    async def close(self) -> None:
        self.closed = True


async def received(runtime: SingleThreadedAgentRuntime, agent_id: AgentId) -> list[Any]:
    return (await runtime.try_get_underlying_agent_instance(agent_id, Recorder)).messages


# What an agent knows of itself


async def test_an_agent_knows_its_id_type_runtime_and_metadata(runtime: SingleThreadedAgentRuntime) -> None:
    await Recorder.register(runtime, "recorder", lambda: Recorder("keeps"))
    agent = await runtime.try_get_underlying_agent_instance(AgentId("recorder", "1"), Recorder)
    assert (agent.id, agent.type, agent.runtime) == (AgentId("recorder", "1"), "recorder", runtime)
    assert agent.metadata == {"type": "recorder", "key": "1", "description": "keeps"}


async def test_an_agent_knows_its_id_in_its_constructor(runtime: SingleThreadedAgentRuntime) -> None:
    class Curious(Recorder):
        def __init__(self) -> None:
            super().__init__()
            self.known = (self.id, self.runtime)

    await Curious.register(runtime, "curious", Curious)
    agent = await runtime.try_get_underlying_agent_instance(AgentId("curious", "1"), Curious)
    assert agent.known == (AgentId("curious", "1"), runtime)


def test_an_agent_made_outside_of_a_runtime_has_no_id_yet() -> None:
    assert repr(Recorder()) == "<Recorder not registered>"


def test_a_description_is_text() -> None:
    with pytest.raises(ValueError, match="description is text"):
        Recorder(5)  # type: ignore[arg-type]


def test_a_base_agent_without_a_handler_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="on_message_impl"):
        BaseAgent("")  # type: ignore[abstract]


def test_a_base_agent_keeps_the_agent_protocol() -> None:
    assert isinstance(Recorder(), Agent)


async def test_an_agent_sends_and_publishes_as_itself(runtime: SingleThreadedAgentRuntime) -> None:
    await Recorder.register(runtime, "a", Recorder)
    await Recorder.register(runtime, "b", Recorder)
    await runtime.add_subscription(TypeSubscription("news", "b"))
    sender = await runtime.try_get_underlying_agent_instance(AgentId("a", "1"), Recorder)
    assert await sender.send_message(Text("hi"), AgentId("b", "1"), message_id="m1") == Text("hi")
    await sender.publish_message(Text("hi all"), TopicId("news", "1"), message_id="m2")
    await runtime.stop_when_idle()
    receiver = await runtime.try_get_underlying_agent_instance(AgentId("b", "1"), Recorder)
    assert receiver.messages == [Text("hi"), Text("hi all")]
    assert [ctx.sender for ctx in receiver.contexts] == [AgentId("a", "1")] * 2
    assert [ctx.message_id for ctx in receiver.contexts] == ["m1", "m2"]


async def test_an_agent_without_state_warns_that_nothing_is_kept(runtime: SingleThreadedAgentRuntime) -> None:
    with pytest.warns(UserWarning, match="Recorder.save_state is not implemented"):
        assert await Recorder().save_state() == {}
    with pytest.warns(UserWarning, match="Recorder.load_state is not implemented"):
        await Recorder().load_state({"a": 1})


async def test_two_agents_of_a_type_have_states_of_their_own(runtime: SingleThreadedAgentRuntime) -> None:
    await Counter.register(runtime, "counter", Counter)
    await runtime.send_message(Text(), AgentId("counter", "1"))
    assert await runtime.send_message(Text(), AgentId("counter", "1")) == 2
    assert await runtime.send_message(Text(), AgentId("counter", "2")) == 1


# Registering a class


async def test_registering_returns_the_agent_type(runtime: SingleThreadedAgentRuntime) -> None:
    assert await Echo.register(runtime, "echo", Echo) == AgentType("echo")


async def test_registering_an_illegal_type_is_refused(runtime: SingleThreadedAgentRuntime) -> None:
    with pytest.raises(ValueError, match="Invalid agent type"):
        await Echo.register(runtime, "no type!", Echo)


async def test_a_type_registers_once(runtime: SingleThreadedAgentRuntime) -> None:
    await Echo.register(runtime, "echo", Echo)
    with pytest.raises(ValueError, match="echo already exists"):
        await Recorder.register(runtime, "echo", Recorder)
    assert await runtime.send_message(Text("hi"), AgentId("echo", "1")) == Text("HI")


async def test_registering_adds_the_prefix_subscription_of_the_type(runtime: SingleThreadedAgentRuntime) -> None:
    await Recorder.register(runtime, "recorder", Recorder)
    await runtime.publish_message(Text("yes"), TopicId("recorder:anything", "1"))
    await runtime.publish_message(Text("no"), TopicId("recorder", "1"))
    await runtime.publish_message(Text("no"), TopicId("recorders:anything", "1"))
    await runtime.stop_when_idle()
    assert await received(runtime, AgentId("recorder", "1")) == [Text("yes")]


async def test_the_prefix_subscription_can_be_left_out(runtime: SingleThreadedAgentRuntime) -> None:
    await Recorder.register(runtime, "recorder", Recorder, skip_direct_message_subscription=True)
    await runtime.add_subscription(TypePrefixSubscription("recorder:", "recorder"))


async def test_registering_adds_the_subscriptions_of_the_class(runtime: SingleThreadedAgentRuntime) -> None:
    @type_subscription(topic_type="news")
    @default_subscription
    class Reader(Recorder):
        pass

    await Reader.register(runtime, "reader", Reader)
    await runtime.publish_message(Text("news"), TopicId("news", "1"))
    await runtime.publish_message(Text("default"), TopicId("default", "1"))
    await runtime.stop_when_idle()
    assert await received(runtime, AgentId("reader", "1")) == [Text("news"), Text("default")]


async def test_a_class_can_subscribe_to_all_topic_types_that_begin_alike(runtime: SingleThreadedAgentRuntime) -> None:
    @type_prefix_subscription("news.")
    class Reader(Recorder):
        pass

    await Reader.register(runtime, "reader", Reader)
    for topic_type in ("news.sport", "news", "old-news.sport", "news.weather"):
        await runtime.publish_message(Text(topic_type), TopicId(topic_type, "1"))
    await runtime.stop_when_idle()
    assert await received(runtime, AgentId("reader", "1")) == [Text("news.sport"), Text("news.weather")]


async def test_the_subscriptions_of_the_class_can_be_left_out(runtime: SingleThreadedAgentRuntime) -> None:
    @default_subscription
    class Reader(Recorder):
        pass

    await Reader.register(runtime, "reader", Reader, skip_class_subscriptions=True)
    await runtime.publish_message(Text(), DefaultTopicId())
    await runtime.stop_when_idle()
    assert await received(runtime, AgentId("reader", "default")) == []


async def test_default_subscription_may_be_written_with_parentheses(runtime: SingleThreadedAgentRuntime) -> None:
    @default_subscription()
    class Reader(Recorder):
        pass

    await Reader.register(runtime, "reader", Reader)
    await runtime.publish_message(Text(), DefaultTopicId())
    await runtime.stop_when_idle()
    assert await received(runtime, AgentId("reader", "default")) == [Text()]


async def test_a_decorator_speaks_for_its_own_class_only(runtime: SingleThreadedAgentRuntime) -> None:
    @default_subscription
    class Reader(Recorder):
        pass

    class Deaf(Reader):
        pass

    assert (len(Recorder.unbound_subscriptions), len(Reader.unbound_subscriptions)) == (0, 1)
    assert len(Deaf.unbound_subscriptions) == 0


async def test_one_class_may_be_registered_under_two_types(runtime: SingleThreadedAgentRuntime) -> None:
    @default_subscription
    class Reader(Recorder):
        pass

    for name in ("one", "two"):
        await Reader.register(runtime, name, Reader)
    await runtime.publish_message(Text(), DefaultTopicId())
    await runtime.stop_when_idle()
    for name in ("one", "two"):
        assert await received(runtime, AgentId(name, "default")) == [Text()]


async def test_a_class_that_cannot_be_registered_leaves_nothing_behind(runtime: SingleThreadedAgentRuntime) -> None:
    class Strings(RoutedAgent):
        @message_handler
        async def on_string(self, message: str, ctx: MessageContext) -> None: ...

    with pytest.raises(ValueError, match="str cannot be a message"):
        await Strings.register(runtime, "echo", lambda: Strings(""))
    await Echo.register(runtime, "echo", Echo)
    assert await runtime.send_message(Text("hi"), AgentId("echo", "1")) == Text("HI")


async def test_a_registration_whose_subscription_exists_leaves_nothing_behind(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    @type_subscription("news")
    class Reader(Recorder):
        pass

    await runtime.add_subscription(TypePrefixSubscription("reader:", "reader"))
    with pytest.raises(ValueError, match="Subscription already exists"):
        await Reader.register(runtime, "reader", Reader)
    with pytest.raises(LookupError):
        await runtime.agent_metadata(AgentId("reader", "1"))
    await runtime.add_subscription(TypeSubscription("news", "reader"))  # gone, so it can be added


async def test_a_registration_whose_class_subscriptions_raise_leaves_nothing_behind(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    class Reader(Recorder):
        pass

    Reader.unbound_subscriptions = [lambda: [TypeSubscription("news", "no type!")]]
    with pytest.raises(ValueError, match="Invalid agent type"):
        await Reader.register(runtime, "reader", Reader)
    Reader.unbound_subscriptions = []
    await Reader.register(runtime, "reader", Reader)


async def test_class_subscriptions_may_be_made_by_an_async_function(runtime: SingleThreadedAgentRuntime) -> None:
    class Reader(Recorder):
        pass

    async def subscriptions() -> list[Any]:
        return [DefaultSubscription("news")]

    Reader.unbound_subscriptions = [subscriptions]
    await Reader.register(runtime, "reader", Reader)
    await runtime.publish_message(Text(), TopicId("news", "1"))
    await runtime.stop_when_idle()
    assert await received(runtime, AgentId("reader", "1")) == [Text()]


# Registering an object


async def test_an_instance_gets_direct_messages(runtime: SingleThreadedAgentRuntime) -> None:
    agent = Recorder()
    assert await agent.register_instance(runtime, AgentId("recorder", "1")) == AgentId("recorder", "1")
    await runtime.send_message(Text("hi"), AgentId("recorder", "1"))
    assert agent.messages == [Text("hi")]
    assert (agent.id, agent.runtime) == (AgentId("recorder", "1"), runtime)


async def test_an_instance_is_subscribed_to_its_key_and_to_its_types_prefix(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    agent = Recorder()
    await agent.register_instance(runtime, AgentId("recorder", "key"))
    await runtime.publish_message(Text("to the key"), TopicId("key", "key"))
    await runtime.publish_message(Text("to the type"), TopicId("recorder:anything", "key"))
    await runtime.stop_when_idle()
    assert agent.messages == [Text("to the key"), Text("to the type")]


async def test_an_instance_takes_its_class_subscriptions_only_when_asked(runtime: SingleThreadedAgentRuntime) -> None:
    @default_subscription
    class Reader(Recorder):
        pass

    asked, unasked = Reader(), Reader()
    await unasked.register_instance(runtime, AgentId("unasked", "1"))
    await asked.register_instance(runtime, AgentId("asked", "1"), skip_class_subscriptions=False)
    await runtime.publish_message(Text(), DefaultTopicId(source="1"))
    await runtime.stop_when_idle()
    assert (asked.messages, unasked.messages) == ([Text()], [])


async def test_the_prefix_subscription_of_an_instance_can_be_left_out(runtime: SingleThreadedAgentRuntime) -> None:
    await Recorder().register_instance(runtime, AgentId("a", "1"), skip_direct_message_subscription=True)
    await runtime.add_subscription(TypePrefixSubscription("a:", "a"))


async def test_several_instances_of_a_class_share_a_type(runtime: SingleThreadedAgentRuntime) -> None:
    one, two = Recorder(), Recorder()
    await one.register_instance(runtime, AgentId("recorder", "1"))
    await two.register_instance(runtime, AgentId("recorder", "2"))
    await runtime.send_message(Text("hi"), AgentId("recorder", "2"))
    assert (one.messages, two.messages) == ([], [Text("hi")])


async def test_an_id_registers_once(runtime: SingleThreadedAgentRuntime) -> None:
    await Recorder().register_instance(runtime, AgentId("recorder", "1"))
    with pytest.raises(ValueError, match="recorder/1 already exists"):
        await Recorder().register_instance(runtime, AgentId("recorder", "1"))


async def test_a_factory_and_instances_never_share_a_type(runtime: SingleThreadedAgentRuntime) -> None:
    await Recorder.register(runtime, "made", Recorder)
    with pytest.raises(ValueError, match="cannot be registered to the same type"):
        await Recorder().register_instance(runtime, AgentId("made", "1"))
    await Recorder().register_instance(runtime, AgentId("ready", "1"))
    with pytest.raises(ValueError, match="already exists"):
        await Recorder.register(runtime, "ready", Recorder)


async def test_the_instances_of_a_type_are_of_one_class(runtime: SingleThreadedAgentRuntime) -> None:
    await Recorder().register_instance(runtime, AgentId("a", "1"))
    with pytest.raises(ValueError, match="same class"):
        await Echo().register_instance(runtime, AgentId("a", "2"))


async def test_an_object_is_registered_under_one_id(runtime: SingleThreadedAgentRuntime) -> None:
    agent = Recorder()
    await agent.register_instance(runtime, AgentId("a", "1"))
    with pytest.raises(RuntimeError, match="already bound to the id a/1"):
        await agent.register_instance(runtime, AgentId("b", "1"))
    await Recorder().register_instance(runtime, AgentId("b", "1"))  # nothing was left behind


async def test_an_object_lives_in_one_runtime(runtime: SingleThreadedAgentRuntime) -> None:
    agent = Recorder()
    await agent.register_instance(runtime, AgentId("a", "1"))
    with pytest.raises(RuntimeError, match="different runtime"):
        await agent.register_instance(SingleThreadedAgentRuntime(), AgentId("a", "1"))


async def test_an_instance_whose_class_subscriptions_raise_leaves_nothing_behind(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    class Reader(Recorder):
        pass

    Reader.unbound_subscriptions = [lambda: [TypeSubscription("news", "no type!")]]
    with pytest.raises(ValueError, match="Invalid agent type"):
        await Reader().register_instance(runtime, AgentId("reader", "1"), skip_class_subscriptions=False)
    await Reader().register_instance(runtime, AgentId("reader", "1"))


# A proxy


async def test_a_proxy_forwards_to_the_runtime(runtime: SingleThreadedAgentRuntime) -> None:
    await Counter.register(runtime, "counter", Counter)
    proxy = AgentProxy(AgentId("counter", "1"), runtime)
    assert proxy.id == AgentId("counter", "1")
    assert await proxy.send_message(Number(), sender=AgentId("a", "1")) == 1
    assert await proxy.metadata == {"type": "counter", "key": "1", "description": "counts"}
    assert await proxy.save_state() == {"count": 1}
    await proxy.load_state({"count": 41})
    assert await proxy.send_message(Number(), sender=AgentId("a", "1")) == 42
