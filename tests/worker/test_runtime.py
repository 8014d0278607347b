"""The agent API between two workers: what holds in one process holds here, in both dialects of the wire."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import Cast
from google.protobuf.wrappers_pb2 import StringValue
from until import LIMIT_S, until

from agentlab import (
    AgentId,
    AgentInstantiationContext,
    AgentProxy,
    AgentRuntime,
    CancellationToken,
    ClosureAgent,
    ClosureContext,
    DefaultInterventionHandler,
    DefaultTopicId,
    DropMessage,
    HostLostError,
    HostService,
    MessageContext,
    MessageDroppedException,
    NotAccessibleError,
    RemoteHandlerError,
    RoutedAgent,
    SequentialRoutedAgent,
    Subscription,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
    UnknownPayload,
    WorkerLostError,
    WorkerRuntime,
    default_subscription,
    event,
    message_handler,
    rpc,
    type_subscription,
)
from agentlab import try_get_known_serializers_for_type as serializers
from agentlab.core import journal as j

from .cast import Gate, Number, Recorder, Text, teach


@pytest.fixture(params=[True, False], ids=["link", "plain"])
def link(request: pytest.FixtureRequest) -> bool:
    """Whether the workers speak agentlab's link or AutoGen's plain stream."""
    return bool(request.param)


class Two:
    """Two workers of one host."""

    def __init__(self, host: HostService, here: WorkerRuntime, there: WorkerRuntime) -> None:
        self.host, self.here, self.there = host, here, there


@pytest.fixture
async def two(cast: Cast, host: HostService, link: bool) -> Two:
    here, there = await cast.worker(host, "here", link=link), await cast.worker(host, "there", link=link)
    assert (here._connection.link, there._connection.link) == (link, link)
    teach(here, there)
    return Two(host, here, there)


async def recorder(worker: WorkerRuntime, agent_type: str = "recorder", key: str = "k") -> Recorder:
    """A recorder at `worker`: the object itself."""
    await Recorder.register(worker, agent_type, Recorder)
    return await worker.try_get_underlying_agent_instance(AgentId(agent_type, key), Recorder)


# Direct messages


async def test_a_worker_is_an_agent_runtime(two: Two) -> None:
    assert isinstance(two.here, AgentRuntime)


async def test_a_direct_message_gets_its_reply_from_the_other_worker(two: Two) -> None:
    agent = await recorder(two.there)
    assert await two.here.send_message(Text("hi"), AgentId("recorder", "k")) == Text("hi")
    (context,) = agent.contexts
    assert (context.sender, context.topic_id, context.is_rpc) == (None, None, True)
    assert context.message_id


async def test_a_worker_reaches_its_own_agents_like_any_other(two: Two) -> None:
    await recorder(two.here)
    assert await two.here.send_message(Text("hi"), AgentId("recorder", "k")) == Text("hi")


async def test_a_message_id_is_kept_all_the_way(two: Two) -> None:
    agent = await recorder(two.there)
    await two.here.send_message(Text(), AgentId("recorder", "k"), message_id="my id")
    assert agent.contexts[0].message_id == "my id"
    assert "my id" in {e.message_id for e in two.host.journal}


async def test_an_agent_sends_as_itself_and_its_messages_name_their_cause(two: Two) -> None:
    class Asker(RoutedAgent):
        @rpc
        async def on_text(self, message: Text, ctx: MessageContext) -> Text:
            reply: Text = await self.send_message(Number(1), AgentId("recorder", "k"))
            return Text(repr(reply))

    agent = await recorder(two.there)
    await Asker.register(two.here, "asker", lambda: Asker("asks"))
    reply = await two.there.send_message(Text(), AgentId("asker", "a"), message_id="the cause")
    assert reply == Text("Number(number=1)")
    assert agent.contexts[0].sender == AgentId("asker", "a")
    await until(lambda: [e for e in two.host.journal if e.type == "Number" and e.cause == "the cause"])


async def test_a_handler_that_returns_nothing_replies_with_none(two: Two) -> None:
    class Silent(RoutedAgent):
        @rpc
        async def on_text(self, message: Text, ctx: MessageContext) -> None:
            return None

    await Silent.register(two.there, "silent", lambda: Silent("says nothing"))
    assert await two.here.send_message(Text(), AgentId("silent", "k")) is None


async def test_a_message_that_nobody_handles_is_answered_with_none_and_journaled_as_unhandled(
    two: Two, link: bool
) -> None:
    await recorder(two.there)

    @dataclass
    class Odd:
        n: int

    assert await two.here.send_message(Odd(1), AgentId("recorder", "k")) is None
    if link:
        await until(lambda: [e for e in two.host.journal if e.what == j.UNHANDLED])


async def test_an_agent_that_knows_no_such_message_gets_an_unknown_payload(two: Two) -> None:
    got: list[Any] = []

    class Curious(RoutedAgent):
        async def on_unhandled_message(self, message: Any, ctx: MessageContext) -> None:
            got.append(message)

    @dataclass
    class Odd:
        n: int

    await Curious.register(two.there, "curious", lambda: Curious("takes anything"))
    await two.here.send_message(Odd(1), AgentId("curious", "k"))
    assert got == [UnknownPayload("Odd", "application/json", b'{"n":1}')]


async def test_a_protobuf_message_travels_both_ways(two: Two) -> None:
    class Parrot(RoutedAgent):
        heard: list[StringValue] = []  # noqa: RUF012  one for all is what the test looks at

        @message_handler
        async def on_value(self, message: StringValue, ctx: MessageContext) -> StringValue:
            self.heard.append(message)
            return StringValue(value=message.value.upper())

    await Parrot.register(two.there, "parrot", lambda: Parrot("repeats"))
    two.here.add_message_serializer(serializers(StringValue))
    await two.there.add_subscription(TypeSubscription("t", "parrot"))
    assert await two.here.send_message(StringValue(value="hi"), AgentId("parrot", "k")) == StringValue(value="HI")
    await two.here.publish_message(StringValue(value="news"), TopicId("t", "k"))
    await until(lambda: len(Parrot.heard) == 2)
    assert Parrot.heard[1].value == "news"


async def test_a_message_class_that_was_defined_again_does_not_break_a_running_agent(two: Two) -> None:
    def define() -> Any:
        @dataclass
        class Redefined:
            n: int

        return Redefined

    first, second = define(), define()

    class Keeper(RoutedAgent):
        kept: list[Any] = []  # noqa: RUF012

        @message_handler
        async def on_message_of_mine(self, message: first, ctx: MessageContext) -> first:
            self.kept.append(message)
            return first(message.n + 1)

    await Keeper.register(two.there, "keeper", lambda: Keeper("keeps"))
    two.there.add_message_serializer(serializers(second))  # the notebook cell ran again
    two.here.add_message_serializer(serializers(second))
    assert await two.here.send_message(second(1), AgentId("keeper", "k")) == second(2)
    assert type(Keeper.kept[0]) is first


async def test_what_is_no_message_is_refused_where_it_is_sent(two: Two) -> None:
    await recorder(two.there)
    for wrong in ("text", 5, object()):
        with pytest.raises(ValueError, match="cannot be a message"):
            await two.here.send_message(wrong, AgentId("recorder", "k"))
        with pytest.raises(ValueError, match="cannot be a message"):
            await two.here.publish_message(wrong, TopicId("t", "s"))
    with pytest.raises(TypeError, match="sent to an AgentId, and not to 'recorder'"):
        await two.here.send_message(Text("hi"), "recorder")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="published to a TopicId, and not to 't'"):
        await two.here.publish_message(Text("hi"), "t")  # type: ignore[arg-type]
    assert len(two.here._pending) == 0


# Order


async def test_messages_to_one_agent_start_in_the_order_they_were_sent(two: Two) -> None:
    agent = await recorder(two.there)
    await two.there.add_subscription(TypeSubscription("t", "recorder"))
    calls = []
    for n in range(0, 100, 2):
        calls.append(asyncio.ensure_future(two.here.send_message(Number(n), AgentId("recorder", "k"))))
        await asyncio.sleep(0)
        await two.here.publish_message(Number(n + 1), TopicId("t", "k"))
    await asyncio.gather(*calls)
    await until(lambda: len(agent.messages) == 100)
    assert [message.number for message in agent.messages] == list(range(100))


async def test_order_is_kept_and_one_agent_made_while_a_slow_factory_runs(two: Two) -> None:
    made: list[Recorder] = []
    go = asyncio.Event()

    async def slow() -> Recorder:
        await go.wait()
        made.append(Recorder())
        return made[-1]

    await Recorder.register(two.there, "slow", slow)
    await two.there.add_subscription(TypeSubscription("t", "slow"))
    calls = []
    for n in range(0, 20, 2):
        calls.append(asyncio.ensure_future(two.here.send_message(Number(n), AgentId("slow", "k"))))
        await asyncio.sleep(0)
        await two.here.publish_message(Number(n + 1), TopicId("t", "k"))
    await until(lambda: two.there._deliveries._waiting)
    await asyncio.sleep(0.05)
    go.set()
    await asyncio.gather(*calls)
    await until(lambda: made[0].count == 20)
    assert len(made) == 1
    assert [message.number for message in made[0].messages] == list(range(20))


async def test_handlers_of_one_agent_interleave_and_those_of_a_sequential_one_do_not(two: Two) -> None:
    class Interleaving(RoutedAgent):
        most = now = 0

        @message_handler
        async def on_text(self, message: Text, ctx: MessageContext) -> None:
            cls: Any = type(self)
            cls.now += 1
            cls.most = max(cls.most, cls.now)
            await asyncio.sleep(0.02)
            cls.now -= 1

    class Sequential(SequentialRoutedAgent):
        most = now = 0
        on_text = Interleaving.on_text

    await Interleaving.register(two.there, "interleaving", lambda: Interleaving("x"))
    await Sequential.register(two.there, "sequential", lambda: Sequential("x"))
    for agent_type in ("interleaving", "sequential"):
        await asyncio.gather(*(two.here.send_message(Text(), AgentId(agent_type, "k")) for _ in range(3)))
    assert Interleaving.most == 3
    assert Sequential.most == 1


# Topics


async def test_subscribers_everywhere_receive_and_the_publisher_does_not(two: Two) -> None:
    @default_subscription
    class Member(Recorder):
        @rpc
        async def on_number(self, message: Number, ctx: MessageContext) -> Number:
            await self.publish_message(Text("hello"), DefaultTopicId())
            return message

    await Member.register(two.here, "here", Member)
    await Member.register(two.there, "there", Member)
    await two.there.send_message(Number(1), AgentId("here", "room"))
    here = await two.here.try_get_underlying_agent_instance(AgentId("here", "room"), Member)
    there = await two.there.try_get_underlying_agent_instance(AgentId("there", "room"), Member)
    await until(lambda: there.messages)
    (context,) = there.contexts
    assert (context.sender, context.topic_id, context.is_rpc) == (
        AgentId("here", "room"), TopicId("default", "room"), False,
    )  # fmt: skip
    assert here.messages == []


async def test_a_default_topic_takes_the_key_of_the_handling_agent_also_after_an_await(two: Two) -> None:
    @type_subscription("start")
    class Starter(RoutedAgent):
        @event
        async def on_text(self, message: Text, ctx: MessageContext) -> None:
            await asyncio.sleep(0.01)
            await self.publish_message(Number(1), DefaultTopicId())

    agent = await recorder(two.there, key="room 7")
    await two.there.add_subscription(TypeSubscription("default", "recorder"))
    await Starter.register(two.here, "starter", lambda: Starter("starts"))
    await two.there.publish_message(Text(), TopicId("start", "room 7"))
    await until(lambda: agent.messages)
    assert agent.contexts[0].topic_id == TopicId("default", "room 7")
    assert DefaultTopicId() == TopicId("default", "default")


async def test_two_subscriptions_for_one_agent_deliver_one_copy(two: Two) -> None:
    agent = await recorder(two.there)
    await two.there.add_subscription(TypeSubscription("news", "recorder"))
    await two.there.add_subscription(TypePrefixSubscription("ne", "recorder"))
    await two.here.publish_message(Number(1), TopicId("news", "k"))
    await two.here.publish_message(Number(2), TopicId("new", "k"))
    await until(lambda: agent.count == 2)
    assert [message.number for message in agent.messages] == [1, 2]


async def test_every_agent_type_is_reached_through_topics_of_its_own(two: Two) -> None:
    agent = await recorder(two.there)
    await two.here.publish_message(Number(1), TopicId("recorder:anything", "k"))
    await until(lambda: agent.messages)


async def test_an_equal_subscription_is_refused_also_when_another_worker_has_it(two: Two) -> None:
    await recorder(two.there)
    await two.there.add_subscription(TypeSubscription("t", "recorder"))
    for worker in (two.here, two.there):
        with pytest.raises(ValueError, match="Subscription already exists"):
            await worker.add_subscription(TypeSubscription("t", "recorder"))
    assert list(two.here._subscriptions) == []


async def test_a_subscription_that_was_removed_delivers_no_more(two: Two) -> None:
    agent = await recorder(two.there)
    subscription = TypeSubscription("t", "recorder")
    await two.there.add_subscription(subscription)
    await two.there.remove_subscription(subscription.id)
    with pytest.raises(ValueError, match="Subscription does not exist"):
        await two.there.remove_subscription(subscription.id)
    await two.here.publish_message(Text("unheard"), TopicId("t", "k"))
    await two.here.send_message(Text("heard"), AgentId("recorder", "k"))
    assert agent.messages == [Text("heard")]


async def test_a_handler_of_events_that_raises_is_logged_and_the_next_event_comes(
    two: Two, caplog: pytest.LogCaptureFixture, link: bool
) -> None:
    class Touchy(RoutedAgent):
        heard = 0

        @event
        async def on_number(self, message: Number, ctx: MessageContext) -> None:
            Touchy.heard += 1
            raise LookupError(f"number {message.number}")

    await Touchy.register(two.there, "touchy", lambda: Touchy("x"))
    await two.there.add_subscription(TypeSubscription("t", "touchy"))
    for n in range(2):
        await two.here.publish_message(Number(n), TopicId("t", "k"))
    await until(lambda: Touchy.heard == 2)
    assert "touchy/k failed to handle a message of type Number" in caplog.text
    if link:
        failed = await until(lambda: [e for e in two.host.journal if e.what == j.FAILED])
        assert failed[0].detail == "LookupError: number 0"
        assert "raise LookupError(f" in failed[0].trace


# Registration


async def test_a_type_is_registered_once_here_and_everywhere(two: Two) -> None:
    await recorder(two.there)
    with pytest.raises(ValueError, match="already exists"):
        await Recorder.register(two.there, "recorder", Recorder)
    with pytest.raises(ValueError, match="already registered"):
        await Recorder.register(two.here, "recorder", Recorder)
    assert two.here.agent_types == []
    await two.there.unregister("recorder")
    await recorder(two.here)


async def test_a_registration_that_fails_leaves_nothing_behind(two: Two) -> None:
    @type_subscription("t")
    class Late(Recorder):
        pass

    await recorder(two.there)
    await two.there.add_subscription(TypeSubscription("t", "late", "1"))
    with pytest.raises(ValueError, match="Subscription already exists"):
        await Late.register(two.here, "late", Late)
    assert two.here.agent_types == []
    assert "late" not in two.host.router.directory.types
    await two.there.remove_subscription("1")
    await Late.register(two.here, "late", Late)
    assert await two.there.send_message(Text("hi"), AgentId("late", "k")) == Text("hi")


async def test_an_instance_is_registered_and_reached_by_its_id_and_topic(two: Two) -> None:
    agent, other = Recorder(), Recorder()
    await agent.register_instance(two.there, AgentId("ready", "made"))
    await other.register_instance(two.there, AgentId("ready", "too"))
    await two.here.send_message(Text("one"), AgentId("ready", "made"))
    await two.here.publish_message(Text("two"), TopicId("made", "made"))
    await until(lambda: agent.count == 2)
    assert await two.here.send_message(Number(), AgentId("ready", "too")) == Number(1)
    with pytest.raises(ValueError, match="already exists"):
        await Recorder().register_instance(two.there, AgentId("ready", "made"))
    with pytest.raises(RemoteHandlerError, match="has only the instances"):
        await two.here.send_message(Text(), AgentId("ready", "nobody"))


async def test_a_closure_is_an_agent_too(two: Two) -> None:
    heard: list[Any] = []

    async def on_text(ctx: ClosureContext, message: Text, message_context: MessageContext) -> None:
        heard.append(message)
        await ctx.send_message(Number(9), AgentId("recorder", "k"))

    agent = await recorder(two.here)
    await ClosureAgent.register_closure(
        two.there, "closure", on_text, subscriptions=lambda: [TypeSubscription("t", "closure")]
    )
    await two.here.publish_message(Text("hi"), TopicId("t", "k"))
    await until(lambda: agent.messages)
    assert heard == [Text("hi")]
    assert agent.contexts[0].sender == AgentId("closure", "k")


async def test_a_closure_reads_messages_that_come_while_it_is_being_registered(two: Two) -> None:
    @dataclass
    class Half:
        number: int

    async def double(closure_ctx: ClosureContext, message: Half, ctx: MessageContext) -> Number:
        return Number(message.number * 2)

    async def slowly() -> list[Subscription]:
        replies.append(await two.here.send_message(Half(21), AgentId("double", "k")))
        return []

    replies: list[Any] = []
    await ClosureAgent.register_closure(two.there, "double", double, subscriptions=slowly)
    assert replies == [Number(42)]


async def test_a_factory_knows_for_whom_it_makes_an_agent(two: Two) -> None:
    asked = []

    def make() -> Recorder:
        asked.append((AgentInstantiationContext.current_agent_id(), AgentInstantiationContext.current_runtime()))
        return Recorder()

    await Recorder.register(two.there, "recorder", make)
    await two.here.send_message(Text(), AgentId("recorder", "k"))
    assert asked == [(AgentId("recorder", "k"), two.there)]


async def test_unregistering_gives_up_the_type_its_subscriptions_and_its_agents(two: Two) -> None:
    agent = await recorder(two.there)
    await two.there.add_subscription(TypeSubscription("t", "recorder"))
    await two.there.unregister("recorder")
    assert agent.closed == 1
    assert two.host.router.directory.types == []
    assert two.host.router.directory.subscriptions == []
    with pytest.raises(LookupError):
        await two.here.send_message(Text(), AgentId("recorder", "k"))
    with pytest.raises(LookupError):
        await two.there.unregister("recorder")


# Replacing


class Tallier(Recorder):
    """A newer version of the recorder: it counts in tens."""

    @message_handler
    async def on_number(self, message: Number, ctx: MessageContext) -> Number:
        self.count += 10
        return Number(self.count)


async def test_a_replaced_agent_goes_on_with_the_old_ones_state(two: Two) -> None:
    old = await recorder(two.there)
    for _ in range(3):
        await two.here.send_message(Number(), AgentId("recorder", "k"))
    assert await two.there.replace_factory("recorder", Tallier, expected_class=Tallier) == 1
    assert await two.here.send_message(Number(), AgentId("recorder", "k")) == Number(13)
    assert await two.here.send_message(Number(), AgentId("recorder", "new")) == Number(10)
    assert old.closed == 1


async def test_messages_that_come_while_an_agent_is_replaced_go_to_the_new_one_in_order(two: Two) -> None:
    old = await recorder(two.there)
    go = asyncio.Event()
    new: list[Recorder] = []

    async def slow() -> Recorder:
        await go.wait()
        new.append(Recorder())
        return new[-1]

    replacing = asyncio.ensure_future(two.there.replace_factory("recorder", slow))
    await asyncio.sleep(0)
    calls = []
    for n in range(10):
        calls.append(asyncio.ensure_future(two.here.send_message(Number(n), AgentId("recorder", "k"))))
        await asyncio.sleep(0)
    await until(lambda: two.there._deliveries._waiting)
    go.set()
    await replacing
    await asyncio.gather(*calls)
    assert old.messages == []
    assert [message.number for message in new[0].messages] == list(range(10))


async def test_a_handler_that_runs_while_its_agent_is_replaced_ends_on_the_old_one(two: Two) -> None:
    gate = Gate()
    await two.there.register_factory("gate", lambda: gate)
    call = asyncio.ensure_future(two.here.send_message(Text("old"), AgentId("gate", "k")))
    await asyncio.wait_for(gate.inside.wait(), LIMIT_S)
    await two.there.replace_factory("gate", Recorder)
    assert await two.here.send_message(Text("new"), AgentId("gate", "k")) == Text("new")
    gate.open.set()
    assert await call == Text("old")


@pytest.mark.parametrize("what", ["factory", "state", "class"])
async def test_a_replacement_that_fails_keeps_the_old_agent(two: Two, what: str) -> None:
    class Broken(Recorder):
        async def load_state(self, state: Any) -> None:
            raise KeyError("what is this?")

    def fail() -> Recorder:
        raise RuntimeError("no new one today")

    old = await recorder(two.there)
    await two.here.send_message(Number(), AgentId("recorder", "k"))
    factory, error = {"factory": (fail, RuntimeError), "state": (Broken, KeyError), "class": (Gate, ValueError)}[what]
    with pytest.raises(error):
        await two.there.replace_factory("recorder", factory, expected_class=Recorder)
    assert await two.here.send_message(Number(), AgentId("recorder", "k")) == Number(2)
    assert old.closed == 0
    with pytest.raises(LookupError):
        await two.there.replace_factory("unknown", Recorder)


# Interventions


class Meddler(DefaultInterventionHandler):
    """Changes, drops or fails what its text says."""

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        return self._meddle(message, "send")

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        return self._meddle(message, "publish")

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        return self._meddle(message, "response")

    def _meddle(self, message: Any, step: str) -> Any:
        match message:
            case Text(text) if text == f"drop {step}":
                return DropMessage
            case Text(text) if text == f"raise {step}":
                raise PermissionError(f"no {step}")
            case Text(text) if text.startswith("pass"):
                return Text(f"{text} {step}")
        return message


@pytest.fixture
async def meddled(cast: Cast, host: HostService, link: bool) -> Two:
    workers = [
        await cast.worker(host, name, link=link, intervention_handlers=[Meddler()]) for name in ("here", "there")
    ]
    teach(*workers)
    return Two(host, *workers)


async def test_an_intervention_may_change_a_message_and_its_reply(meddled: Two) -> None:
    agent = await recorder(meddled.there)
    assert await meddled.here.send_message(Text("pass"), AgentId("recorder", "k")) == Text("pass send response")
    await meddled.there.add_subscription(TypeSubscription("t", "recorder"))
    await meddled.here.publish_message(Text("pass"), TopicId("t", "k"))
    await until(lambda: agent.messages[1:] == [Text("pass publish")])


@pytest.mark.parametrize("step", ["send", "response"])
async def test_the_sender_of_a_dropped_message_is_told(meddled: Two, step: str) -> None:
    agent = await recorder(meddled.there)
    with pytest.raises(MessageDroppedException, match=f"on_{step} dropped a Text"):
        await meddled.here.send_message(Text(f"drop {step}"), AgentId("recorder", "k"))
    assert agent.count == (1 if step == "response" else 0)


async def test_what_an_intervention_raises_reaches_the_sender(meddled: Two) -> None:
    await recorder(meddled.there)
    with pytest.raises(PermissionError, match="no send"):
        await meddled.here.send_message(Text("raise send"), AgentId("recorder", "k"))
    with pytest.raises(RemoteHandlerError, match="no response") as error:
        await meddled.here.send_message(Text("raise response"), AgentId("recorder", "k"))
    assert error.value.remote_type == "PermissionError"
    with pytest.raises(PermissionError, match="no publish"):
        await meddled.here.publish_message(Text("raise publish"), TopicId("t", "k"))
    with pytest.raises(MessageDroppedException):
        await meddled.here.publish_message(Text("drop publish"), TopicId("t", "k"))


# Cancellation


async def test_a_cancelled_call_ends_at_once_and_so_does_the_receivers_token(two: Two, link: bool) -> None:
    gate = Gate()
    await two.there.register_factory("gate", lambda: gate)
    token = CancellationToken()
    call = asyncio.ensure_future(two.here.send_message(Text(), AgentId("gate", "k"), cancellation_token=token))
    await asyncio.wait_for(gate.inside.wait(), LIMIT_S)
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(call, LIMIT_S)
    if link:  # AutoGen's wire has no word for it
        await until(gate.contexts[0].cancellation_token.is_cancelled)
    gate.open.set()
    await until(lambda: gate.ended)


async def test_a_cancelled_task_ends_the_call_like_a_token(two: Two, link: bool) -> None:
    gate = Gate()
    await two.there.register_factory("gate", lambda: gate)
    call = asyncio.ensure_future(two.here.send_message(Text(), AgentId("gate", "k")))
    await asyncio.wait_for(gate.inside.wait(), LIMIT_S)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    if link:
        await until(lambda: len(two.host.router.sessions) == 0)
        assert gate.contexts[0].cancellation_token.is_cancelled
    gate.open.set()


async def test_a_token_that_is_cancelled_already_sends_nothing(two: Two) -> None:
    agent = await recorder(two.there)
    token = CancellationToken()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await two.here.send_message(Text("never"), AgentId("recorder", "k"), cancellation_token=token)
    await two.here.send_message(Text("later"), AgentId("recorder", "k"))
    assert agent.messages == [Text("later")]


async def test_a_callback_that_raises_harms_no_connection(cast: Cast, host: HostService, caplog: Any) -> None:
    class Careless(RoutedAgent):
        inside = asyncio.Event()

        @rpc
        async def on_text(self, message: Text, ctx: MessageContext) -> Text:
            ctx.cancellation_token.add_callback(lambda: 1 / 0)
            self.inside.set()
            await asyncio.sleep(60)
            return message

    here, there = await cast.worker(host), await cast.worker(host)
    teach(here, there)
    await Careless.register(there, "careless", lambda: Careless("x"))
    await recorder(there)
    call = asyncio.ensure_future(here.send_message(Text(), AgentId("careless", "k")))
    await asyncio.wait_for(Careless.inside.wait(), LIMIT_S)
    call.cancel()
    await until(lambda: "ZeroDivisionError" in caplog.text)
    assert await here.send_message(Text("still there"), AgentId("recorder", "k")) == Text("still there")


# Looking at agents, their state and their end


async def test_the_state_of_an_agent_elsewhere_is_saved_and_loaded(two: Two) -> None:
    agent = await recorder(two.there)
    await two.here.send_message(Number(), AgentId("recorder", "k"))
    assert await two.here.agent_save_state(AgentId("recorder", "k")) == {"count": 1}
    await two.here.agent_load_state(AgentId("recorder", "k"), {"count": 41})
    assert agent.count == 41
    assert await two.there.agent_save_state(AgentId("recorder", "k")) == {"count": 41}
    proxy = AgentProxy(AgentId("recorder", "k"), two.here)
    assert (await proxy.metadata).description == "keeps what it gets"
    assert await proxy.save_state() == {"count": 41}


async def test_what_is_told_of_an_agent_elsewhere_is_what_it_tells_there(two: Two) -> None:
    await recorder(two.there)
    id = AgentId("recorder", "k")
    assert await two.here.agent_metadata(id) == await two.there.agent_metadata(id)


@pytest.mark.parametrize("state", [{"wrong": 1}, {"count": object()}])
async def test_a_state_that_cannot_be_taken_on_is_an_error_here(two: Two, state: Any) -> None:
    await recorder(two.there)
    with pytest.raises((RemoteHandlerError, ValueError), match=r"count|JSON"):
        await two.here.agent_load_state(AgentId("recorder", "k"), state)


async def test_a_state_that_cannot_travel_is_an_error_here(two: Two) -> None:
    class Odd(Recorder):
        async def save_state(self) -> Any:
            return {"count": object()}

    await Odd.register(two.there, "odd", Odd)
    with pytest.raises(RemoteHandlerError, match="JSON can hold"):
        await two.here.agent_save_state(AgentId("odd", "k"))
    with pytest.raises(RemoteHandlerError, match="Did you mean 'odd'"):
        await two.here.agent_save_state(AgentId("oddd", "k"))


async def test_all_states_of_a_worker_are_saved_and_loaded(cast: Cast, two: Two, link: bool) -> None:
    await recorder(two.there, key="a")
    for key in ("a", "a", "b"):
        await two.here.send_message(Number(), AgentId("recorder", key))
    state = await two.there.save_state()
    assert state == {"recorder/a": {"count": 2}, "recorder/b": {"count": 1}}
    await two.there.stop()
    await until(lambda: two.host.router.directory.holder("recorder") is None)  # a plain worker says no goodbye
    await recorder(two.here, key="a")
    await two.here.load_state({**state, "unknown/k": {}})
    assert await two.here.save_state() == state


async def test_an_agents_object_is_had_only_where_it_lives(two: Two, link: bool) -> None:
    agent = await recorder(two.there)
    id = AgentId("recorder", "k")
    assert await two.there.try_get_underlying_agent_instance(id, Recorder) is agent
    with pytest.raises(TypeError):
        await two.there.try_get_underlying_agent_instance(id, Gate)
    with pytest.raises(NotAccessibleError if link else LookupError):
        await two.here.try_get_underlying_agent_instance(id, Recorder)
    with pytest.raises(LookupError):
        await two.here.try_get_underlying_agent_instance(AgentId("nobody", "k"))


async def test_getting_an_id_makes_the_agent_only_when_asked(two: Two) -> None:
    made = []

    def make() -> Recorder:
        made.append(1)
        return Recorder()

    await Recorder.register(two.there, "recorder", make)
    assert await two.there.get("recorder") == AgentId("recorder", "default")
    assert made == []
    await two.there.get("recorder", "k", lazy=False)
    assert made == [1]


async def test_closing_a_worker_closes_its_agents(two: Two) -> None:
    agent = await recorder(two.there)
    await two.there.close()
    assert agent.closed == 1
    assert not two.there.connected
    await until(lambda: len(two.host.router.connections) == 1)


# Starting and stopping


async def test_a_worker_starts_once_and_stops_once(two: Two) -> None:
    with pytest.raises(RuntimeError, match="already started"):
        await two.here.start()
    await two.here.stop()
    with pytest.raises(RuntimeError, match="not started"):
        await two.here.stop()
    with pytest.raises(RuntimeError, match="start"):
        await two.here.send_message(Text(), AgentId("recorder", "k"))
    with pytest.raises(RuntimeError, match="start"):
        await Recorder.register(two.here, "recorder", Recorder)
    assert two.here.agent_types == []


@pytest.mark.parametrize("many", [20, 500])
async def test_what_was_published_before_a_stop_is_delivered(two: Two, many: int) -> None:
    agent = await recorder(two.there)
    await two.there.add_subscription(TypeSubscription("t", "recorder"))
    for n in range(many):
        await two.here.publish_message(Number(n), TopicId("t", "k"))
    await two.here.stop()
    await until(lambda: agent.count == many)
    assert [message.number for message in agent.messages] == list(range(many))


async def test_a_worker_that_is_started_again_has_its_agents_and_subscriptions(two: Two) -> None:
    agent = await recorder(two.there)
    await two.there.add_subscription(TypeSubscription("t", "recorder"))
    for round in (1, 2):
        await two.there.stop()
        await until(lambda: two.host.router.directory.holder("recorder") is None)
        with pytest.raises(LookupError):
            await two.here.send_message(Text(), AgentId("recorder", "k"))
        await two.there.start()
        await two.here.send_message(Text(), AgentId("recorder", "k"))
        await two.here.publish_message(Text(), TopicId("t", "k"))
        await until(lambda round=round: agent.count == 2 * round)
    assert two.there.name == "there"


async def test_a_handler_may_stop_its_own_worker(two: Two) -> None:
    class Quitter(RoutedAgent):
        @event
        async def on_text(self, message: Text, ctx: MessageContext) -> None:
            await two.there.stop()

    await Quitter.register(two.there, "quitter", lambda: Quitter("x"))
    await two.there.add_subscription(TypeSubscription("t", "quitter"))
    await two.here.publish_message(Text(), TopicId("t", "k"))
    await until(lambda: len(two.host.router.connections) == 1)
    await until(lambda: not two.there._deliveries.tasks)
    await two.there.start()
    await recorder(two.there)
    assert await two.here.send_message(Text("again"), AgentId("recorder", "k")) == Text("again")


async def test_handlers_that_do_not_end_are_cancelled_by_a_stop_and_their_senders_told(two: Two) -> None:
    gate = Gate()
    await two.there.register_factory("gate", lambda: gate)
    call = asyncio.ensure_future(two.here.send_message(Text(), AgentId("gate", "k")))
    await asyncio.wait_for(gate.inside.wait(), LIMIT_S)
    await two.there.stop(grace_s=0.05)
    with pytest.raises(WorkerLostError, match="stopped before gate/k answered"):
        await asyncio.wait_for(call, LIMIT_S)
    assert not two.there._deliveries.tasks


async def test_calls_that_wait_when_their_own_worker_stops_end(two: Two) -> None:
    gate = Gate()
    await two.there.register_factory("gate", lambda: gate)
    call = asyncio.ensure_future(two.here.send_message(Text(), AgentId("gate", "k")))
    await asyncio.wait_for(gate.inside.wait(), LIMIT_S)
    await two.here.stop()
    with pytest.raises(HostLostError, match="the worker stopped"):
        await asyncio.wait_for(call, LIMIT_S)
    assert len(two.here._pending) == 0
    gate.open.set()


async def test_a_worker_that_stops_amid_traffic_leaves_no_handler_running(two: Two) -> None:
    """Messages still come in while it says goodbye."""

    class Sleeper(RoutedAgent):
        @message_handler
        async def on_number(self, message: Number, ctx: MessageContext) -> None:
            await asyncio.sleep(30)

    await Sleeper.register(two.there, "sleeper", lambda: Sleeper("x"))
    await two.there.add_subscription(TypeSubscription("t", "sleeper"))
    stopping = False

    async def publish() -> None:
        while not stopping:
            await two.here.publish_message(Number(), TopicId("t", "k"))
            await asyncio.sleep(0)

    traffic = asyncio.ensure_future(publish())
    await until(lambda: len(two.there._deliveries.tasks) > 50)
    await two.there.stop(grace_s=0)
    assert not two.there._deliveries.tasks
    stopping = True
    await traffic


async def test_a_call_leaves_nothing_in_memory(two: Two) -> None:
    await recorder(two.there)

    async def one(n: int) -> None:
        token = CancellationToken()
        await two.here.send_message(Number(n), AgentId("recorder", "k"), cancellation_token=token)
        assert not token._callbacks

    await asyncio.gather(*(one(n) for n in range(300)))
    router = two.host.router
    await until(lambda: not any(c.outstanding for c in router.connections.values()))
    assert len(router.sessions) == 0
    for worker in (two.here, two.there):
        await until(lambda worker=worker: not worker._deliveries.tasks)
        assert len(worker._pending) == 0
        assert not worker._inbox._tokens
        assert not worker._connection.outbox.in_flight
        assert not worker._connection.outbox.waiting


async def test_a_worker_whose_host_is_not_there_does_not_start(link: bool) -> None:
    worker = WorkerRuntime("127.0.0.1:1", connect_timeout_s=0.3, link=link)
    with pytest.raises(HostLostError, match=r"No host answered at 127\.0\.0\.1:1 within 0\.3 s"):
        await worker.start()
    with pytest.raises(RuntimeError, match="not started"):
        await worker.stop()


@pytest.mark.parametrize("address", ["", "localhost", "localhost:", ":1", "h:0", "h:65536", "h:x"])
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match=r"is no address: it should look like 127\.0\.0\.1:50051"):
        WorkerRuntime(address)


def test_a_serialization_format_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="Unsupported payload serialization format"):
        WorkerRuntime("h:1", payload_serialization_format="text/plain")


async def test_a_worker_describes_itself(two: Two) -> None:
    assert "here connected" in repr(two.here)
    assert "2 workers" in repr(two.host)
    await two.here.stop()
    assert "here stopped" in repr(two.here)


async def test_replacing_a_type_does_not_wait_for_an_agent_that_is_still_being_made(two: Two) -> None:
    class Answering(RoutedAgent):
        @rpc
        async def on_text(self, message: Text, ctx: MessageContext) -> Text:
            return message

    async def never() -> Answering:
        await asyncio.Event().wait()
        raise AssertionError("an event that nobody sets")

    await Answering.register(two.there, "slow", never)
    asking = asyncio.ensure_future(two.here.send_message(Text(), AgentId("slow", "k")))
    await until(lambda: bool(two.there._deliveries.tasks))
    assert await two.there.replace_factory("slow", lambda: Answering("x"), expected_class=Answering) == 0
    assert await asyncio.wait_for(asking, 20) == Text()
