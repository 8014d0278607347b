"""An unmodified AutoGen worker joins our host, and talks with a worker of ours."""

from __future__ import annotations

import asyncio

import pytest
from conftest import Cast
from google.protobuf.wrappers_pb2 import StringValue
from until import until

from agentlab import (
    AgentId,
    CancellationToken,
    DeadlineExceededError,
    HostService,
    RemoteHandlerError,
    TopicId,
    TypeSubscription,
    WorkerLostError,
    WorkerRuntime,
)
from agentlab.core import journal as j

from .cast import Greeting, broken, register_greeter, register_meeting
from .peers import Peer, PeerError, StartPeer

pytestmark = pytest.mark.autogen

ECHO = AgentId("echo", "a")
PROTOBUF = "application/x-protobuf"


@pytest.fixture
async def autogen(host: HostService, start_peer: StartPeer) -> Peer:
    """An AutoGen worker on our host, with agents of the type echo."""
    peer = await start_peer("autogen_worker.py", host.address)
    await peer.order("register", type="echo")
    return peer


@pytest.fixture
async def ours(host: HostService, cast: Cast) -> WorkerRuntime:
    """A worker of ours on our host."""
    return await cast.worker(host, "ours")


class TestDirectMessages:
    async def test_our_message_is_answered_by_an_autogen_agent(self, autogen: Peer, ours: WorkerRuntime) -> None:
        reply = await ours.send_message(Greeting("hello"), ECHO, sender=AgentId("asker", "me"))
        assert reply == Greeting("hello from echo/a")
        line = await autogen.wait("received")
        assert line == {
            "what": "received",
            "agent": "echo/a",
            "type": "Greeting",
            "text": "hello",
            "sender": "asker/me",
            "topic": None,
        }

    async def test_a_protobuf_message_of_ours_is_answered_by_an_autogen_agent(
        self, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        await register_greeter(ours)  # whose handlers know how to read a Greeting
        assert await ours.send_message(StringValue(value="hej"), ECHO) == Greeting("hej from echo/a")
        assert (await autogen.wait("received"))["type"] == "StringValue"

    async def test_a_message_of_autogen_is_answered_by_our_agent(self, autogen: Peer, ours: WorkerRuntime) -> None:
        received = await register_greeter(ours)
        assert await autogen.order("send", to="greeter/b", text="hello") == "hello from greeter/b"
        assert await autogen.order("send", to="greeter/b", text="again", sender="echo/me") == "again from greeter/b"
        assert [(one.text, one.sender, one.topic) for one in received] == [
            ("hello", None, None),
            ("again", "echo/me", None),
        ]

    async def test_an_autogen_agent_answers_another_on_the_same_worker(self, autogen: Peer) -> None:
        assert await autogen.order("send", to="echo/b", text="hello") == "hello from echo/b"

    async def test_two_autogen_workers_that_use_the_same_request_id_each_get_their_own_reply(
        self, host: HostService, autogen: Peer, ours: WorkerRuntime, start_peer: StartPeer
    ) -> None:
        second = await start_peer("autogen_worker.py", host.address)
        await register_meeting(ours)
        replies = await asyncio.gather(
            autogen.order("send", to="meeting/x", text="first"), second.order("send", to="meeting/x", text="second")
        )
        assert replies == ["first", "second"]

    async def test_our_reply_of_none_reaches_autogen_as_an_empty_payload(
        self, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        await register_greeter(ours)
        reply = await autogen.order("send", to="greeter/x", text="answer nothing")
        assert reply == "UnknownPayload(type_name='', data_content_type='', payload=b'')"

    async def test_the_largest_message_goes_there_and_back(
        self, host: HostService, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        await register_greeter(ours)
        room = host.router.limits.max_message_bytes - len('{"text":" from echo/a"}') - 1
        reply = await ours.send_message(Greeting("x" * room), ECHO)
        assert len(reply.text) == room + len(" from echo/a")


class TestPublishedMessages:
    @pytest.mark.parametrize("protobuf", [False, True], ids=["json", "protobuf"])
    async def test_what_we_publish_arrives_at_an_autogen_agent(
        self, autogen: Peer, ours: WorkerRuntime, protobuf: bool
    ) -> None:
        await autogen.order("subscribe", topic_type="news", agent_type="echo")
        message = StringValue(value="rain") if protobuf else Greeting("rain")
        await ours.publish_message(message, TopicId("news", "today"), sender=AgentId("writer", "w"))
        line = await autogen.wait("received")
        assert line == {
            "what": "received",
            "agent": "echo/today",
            "type": "StringValue" if protobuf else "Greeting",
            "text": "rain",
            "sender": "writer/w",
            "topic": "news/today",
        }

    @pytest.mark.parametrize("protobuf", [False, True], ids=["json", "protobuf"])
    async def test_what_autogen_publishes_arrives_at_our_agent(
        self, host: HostService, ours: WorkerRuntime, start_peer: StartPeer, protobuf: bool
    ) -> None:
        peer = await start_peer("autogen_worker.py", host.address, *([PROTOBUF] if protobuf else []))
        received = await register_greeter(ours)
        await ours.add_subscription(TypeSubscription("news", "greeter"))
        await peer.order("publish", topic="news/today", text="rain", protobuf=protobuf)
        await peer.order("publish", topic="news/today", text="sun", protobuf=protobuf, sender="writer/w")
        await until(lambda: len(received) == 2)
        assert {(one.agent, one.topic) for one in received} == {("greeter/today", "news/today")}
        assert {one.type for one in received} == {"StringValue" if protobuf else "Greeting"}
        # AutoGen writes "nobody" as unknown/unknown; that is no sender.
        assert [(one.text, one.sender) for one in received] == [("rain", None), ("sun", "writer/w")]

    async def test_the_autogen_agent_that_publishes_does_not_receive_its_own_message(self, autogen: Peer) -> None:
        await autogen.order("subscribe", topic_type="news", agent_type="echo")
        await autogen.order("publish", topic="news/me", text="own", sender="echo/me")
        await autogen.order("publish", topic="news/me", text="other", sender="echo/you")
        await autogen.wait("received", text="other")
        assert autogen.received == ["other"]

    async def test_events_arrive_in_the_order_they_were_published_in(self, autogen: Peer, ours: WorkerRuntime) -> None:
        received = await register_greeter(ours)
        await ours.add_subscription(TypeSubscription("from-autogen", "greeter"))
        await autogen.order("subscribe", topic_type="from-us", agent_type="echo")
        texts = [str(n) for n in range(50)]
        for text in texts:
            await ours.publish_message(Greeting(text), TopicId("from-us", "x"))
            await autogen.order("publish", topic="from-autogen/x", text=text)
        await until(lambda: len(received) == len(texts) and len(autogen.received) == len(texts))
        assert [one.text for one in received] == autogen.received == texts


class TestErrors:
    async def test_an_autogen_handler_that_raises_is_our_remote_handler_error(
        self, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        with pytest.raises(RemoteHandlerError, match="there is no such greeting"):
            await ours.send_message(Greeting("raise"), ECHO)

    async def test_an_autogen_handler_that_raises_without_a_text_is_no_success(
        self, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        with pytest.raises(RemoteHandlerError):
            await ours.send_message(Greeting("raise without a text"), ECHO)

    @pytest.mark.parametrize("text", ["raise", "raise without a text"])
    async def test_our_handler_that_raises_is_an_error_at_the_autogen_sender(
        self, autogen: Peer, ours: WorkerRuntime, text: str
    ) -> None:
        await register_greeter(ours)
        with pytest.raises(PeerError, match="greeter/x failed while handling the message: ValueError"):
            await autogen.order("send", to="greeter/x", text=text)

    async def test_our_factory_that_raises_is_an_error_at_the_autogen_sender(
        self, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        await ours.register_factory("broken", broken)
        with pytest.raises(PeerError, match="broken/x failed while making the agent broken/x: ValueError"):
            await autogen.order("send", to="broken/x", text="hello")

    async def test_a_very_long_error_of_ours_does_not_break_the_autogen_workers_stream(
        self, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        await register_greeter(ours)
        with pytest.raises(PeerError, match="ValueError") as caught:
            await autogen.order("send", to="greeter/x", text="raise with a very long text")
        assert caught.value.length < 100_000
        assert await autogen.order("send", to="greeter/x", text="still here") == "still here from greeter/x"

    async def test_an_autogen_message_that_is_too_large_is_refused_and_its_stream_goes_on(
        self, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        received = await register_greeter(ours)
        with pytest.raises(PeerError, match="the host takes"):
            await autogen.order("send", to="greeter/x", text="x", times=5_000_000)
        assert await autogen.order("send", to="greeter/x", text="small") == "small from greeter/x"
        assert len(received) == 1

    async def test_a_reply_of_ours_that_is_too_large_for_autogen_is_an_error_there(
        self, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        await register_greeter(ours)
        with pytest.raises(PeerError, match="the host takes"):
            await autogen.order("send", to="greeter/x", text="answer with very much")
        assert await autogen.order("send", to="greeter/x", text="still here") == "still here from greeter/x"

    async def test_an_autogen_sender_is_told_at_once_that_nobody_has_the_type(self, autogen: Peer) -> None:
        with pytest.raises(PeerError, match=r"'ecko' is advertised. Did you mean 'echo'\?"):
            await autogen.order("send", to="ecko/x", text="hello")

    async def test_an_autogen_sender_is_told_when_our_worker_is_killed(
        self, host: HostService, autogen: Peer, start_peer: StartPeer
    ) -> None:
        sleepers = await start_peer("our_worker.py", host.address)
        asking = asyncio.ensure_future(autogen.order("send", to="sleeper/s", text="hello"))
        await sleepers.wait("received")
        await sleepers.kill()
        with pytest.raises(PeerError, match=r"The worker sleepers was lost .* before sleeper/s answered"):
            await asking

    async def test_killing_the_autogen_worker_is_our_worker_lost_error(
        self, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        asking = asyncio.ensure_future(ours.send_message(Greeting("wait"), ECHO))
        await autogen.wait("received")
        await autogen.kill()
        with pytest.raises(WorkerLostError, match="before echo/a answered"):
            await asking

    async def test_killing_the_autogen_sender_cancels_our_handler(
        self, host: HostService, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        received = await register_greeter(ours)
        asking = asyncio.ensure_future(autogen.order("send", to="greeter/x", text="wait"))
        await until(lambda: received)
        await autogen.kill()
        with pytest.raises(AssertionError, match="never carried out"):
            await asking
        await until(lambda: len(host.router.sessions) == 0)

    async def test_our_deadline_ends_what_autogen_never_answers(self, autogen: Peer, ours: WorkerRuntime) -> None:
        # Its worker cannot write a None, and then says nothing at all.
        with pytest.raises(DeadlineExceededError):
            await ours.send_message(Greeting("answer nothing"), ECHO, deadline_s=0.5)
        await autogen.order("register", type="broken", factory="broken")
        with pytest.raises(DeadlineExceededError):
            await ours.send_message(Greeting("hello"), AgentId("broken", "x"), deadline_s=0.5)
        assert (await ours.send_message(Greeting("still here"), ECHO)) is not None

    async def test_our_hosts_deadline_ends_an_autogen_senders_wait(self, start_peer: StartPeer, cast: Cast) -> None:
        host = cast.host(default_deadline_s=0.5)
        peer = await start_peer("autogen_worker.py", host.address)
        await register_greeter(await cast.worker(host))
        with pytest.raises(PeerError, match=r"greeter/x did not answer within 0\.5 s"):
            await peer.order("send", to="greeter/x", text="wait")

    async def test_cancelling_our_token_ends_the_wait_for_an_autogen_agent(
        self, host: HostService, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        token = CancellationToken()
        asking = asyncio.ensure_future(ours.send_message(Greeting("wait"), ECHO, cancellation_token=token))
        await autogen.wait("received")
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: len(host.router.sessions) == 0)


class TestDirectory:
    async def test_an_autogen_subscription_that_is_removed_has_no_more_effect(
        self, host: HostService, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        news = TopicId("news", "today")
        await ours.publish_message(Greeting("before"), news)
        await ours.send_message(Greeting("a message later"), ECHO)  # what was published before it is through
        subscription = await autogen.order("subscribe", topic_type="news", agent_type="echo")
        await ours.publish_message(Greeting("during"), news)
        await autogen.wait("received", text="during")
        await autogen.order("unsubscribe", id=subscription)
        await ours.publish_message(Greeting("after"), news)
        await ours.send_message(Greeting("last"), ECHO)
        assert autogen.received == ["a message later", "during", "last"]
        dropped = [event.detail for event in host.journal.after(0) if event.what == j.DROPPED]
        assert dropped == ["nobody subscribes to news/today"] * 2

    async def test_our_subscription_that_is_removed_has_no_more_effect_for_autogen(
        self, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        received = await register_greeter(ours)
        subscription = TypeSubscription("news", "greeter")
        await autogen.order("publish", topic="news/today", text="before")
        await autogen.order("send", to="greeter/x", text="a message later")  # what was published before it is through
        await ours.add_subscription(subscription)
        await autogen.order("publish", topic="news/today", text="during")
        await until(lambda: len(received) == 2)
        await ours.remove_subscription(subscription.id)
        await autogen.order("publish", topic="news/today", text="after")
        await autogen.order("send", to="greeter/x", text="last")
        assert [one.text for one in received] == ["a message later", "during", "last"]

    async def test_autogen_is_refused_a_type_that_our_worker_holds(self, autogen: Peer, ours: WorkerRuntime) -> None:
        await register_greeter(ours)
        with pytest.raises(PeerError, match="Agent type greeter already registered"):
            await autogen.order("register", type="greeter")

    async def test_we_are_refused_a_type_that_an_autogen_worker_holds(self, autogen: Peer, ours: WorkerRuntime) -> None:
        with pytest.raises(ValueError, match="Agent type echo already registered"):
            await register_greeter(ours, "echo")

    async def test_a_type_is_free_again_when_its_autogen_worker_has_gone(
        self, host: HostService, autogen: Peer, ours: WorkerRuntime
    ) -> None:
        await autogen.order("subscribe", topic_type="news", agent_type="echo")
        await autogen.end()
        await until(lambda: host.router.directory.holder("echo") is None)
        assert not host.router.directory.subscriptions
        received = await register_greeter(ours, "echo")
        await ours.add_subscription(TypeSubscription("news", "echo"))
        await ours.publish_message(Greeting("rain"), TopicId("news", "today"))
        await until(lambda: received)


async def test_the_journal_tells_of_an_autogen_worker_what_the_host_can_know(
    host: HostService, autogen: Peer, ours: WorkerRuntime
) -> None:
    await register_greeter(ours)
    await ours.send_message(Greeting("hello"), ECHO, message_id="ours")
    await autogen.order("send", to="greeter/x", text="hello")

    def told(message_id: str, kind: str) -> list[str]:
        return [e.what for e in host.journal.after(0) if (e.message_id, e.kind) == (message_id, kind)]

    assert told("ours", j.REQUEST) == [j.SENT, j.ARRIVED, j.LEFT, j.HANDLED]
    await until(lambda: j.RECEIVED in told("ours", j.RESPONSE))
    assert told("ours", j.RESPONSE) == [j.ARRIVED, j.LEFT, j.RECEIVED]
    (theirs,) = {e.message_id for e in host.journal.after(0) if e.kind == j.REQUEST and e.message_id != "ours"}
    assert told(theirs, j.REQUEST) == [j.ARRIVED, j.LEFT, j.RECEIVED, j.STARTED, j.HANDLED]
    assert told(theirs, j.RESPONSE) == [j.SENT, j.ARRIVED, j.LEFT]
