"""Every direct message ends: each row of the failure table, really done, with processes that die or hang.

The asker is a worker in the test's own process; hosts and the other workers are processes of their own where they must
die, and in the same loop where they need not.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import pytest
from child_scripts.actor import Actor, News, Order, Report
from child_scripts.child import Child
from conftest import Cast
from raw import raw_client
from until import LIMIT_S, until

from agentlab import (
    AgentId,
    AgentNotFoundError,
    CancellationToken,
    DeadlineExceededError,
    HostLostError,
    HostService,
    PayloadTooLargeError,
    QueueFullError,
    RemoteHandlerError,
    TopicId,
    TypeSubscription,
    WorkerLostError,
    WorkerRuntime,
)
from agentlab import try_get_known_serializers_for_type as serializers
from agentlab.core import journal as j
from agentlab.host.connection import Limits
from agentlab.wire.parcels import Payload, Request, Response

ACTOR = AgentId("actor", "k")
SOON_S = 1.0
"""At once, on a busy machine."""


class Lane:
    """Starts child processes that end with the test."""

    def __init__(self, children: list[Child]) -> None:
        self._children = children

    async def host(self, **options: Any) -> Child:
        child = await Child.start("host", **options)
        self._children.append(child)
        return child

    async def worker(self, address: str, **options: Any) -> Child:
        child = await Child.start("worker", host=address, **options)
        self._children.append(child)
        return child


@pytest.fixture
def lane(children: list[Child]) -> Lane:
    return Lane(children)


async def asker(cast: Cast, address: str, name: str = "asker", **options: Any) -> WorkerRuntime:
    worker = await cast.worker(address, name, **options)
    worker.add_message_serializer(serializers(Report))
    return worker


async def ask(worker: WorkerRuntime, do: str = "echo", n: int = 0, text: str = "", **options: Any) -> Any:
    return await worker.send_message(Order(do, n, text), options.pop("to", ACTOR), **options)


async def _waiting(worker: WorkerRuntime, many: int = 1) -> None:
    """Until so many handlers of the actor wait."""

    async def they_wait() -> bool:
        return bool((await ask(worker, "waiting")).n >= many)

    await until(they_wait)


async def test_nobody_advertises_the_type(cast: Cast, host: HostService) -> None:
    worker = await asker(cast, host.address)
    await Actor.register(worker, "actor", Actor)
    started_s = time.monotonic()
    with pytest.raises(AgentNotFoundError, match=r"'acter'.*Did you mean 'actor'\?.*Advertised: actor"):
        await ask(worker, to=AgentId("acter", "k"))
    assert time.monotonic() - started_s < SOON_S


async def test_the_handler_raises(cast: Cast, lane: Lane, host: HostService) -> None:
    await lane.worker(host.address, types=["actor"])
    worker = await asker(cast, host.address)
    with pytest.raises(RemoteHandlerError, match="bad luck") as error:
        await ask(worker, "raise", text="bad luck")
    assert error.value.remote_type == "LookupError"
    assert "raise LookupError(message.text) if message.text else LookupError" in error.value.remote_traceback
    assert "bad luck" in error.value.remote_traceback


async def test_the_handler_raises_with_empty_text(cast: Cast, lane: Lane, host: HostService) -> None:
    await lane.worker(host.address, types=["actor"])
    worker = await asker(cast, host.address)
    with pytest.raises(RemoteHandlerError, match="LookupError"):
        await ask(worker, "raise")


async def test_the_factory_raises(cast: Cast, lane: Lane, host: HostService) -> None:
    await lane.worker(host.address, unborn=["unborn"])
    worker = await asker(cast, host.address)
    with pytest.raises(
        RemoteHandlerError, match="making the agent unborn/k: FileNotFoundError: there is no such thing"
    ):
        await ask(worker, to=AgentId("unborn", "k"))


async def test_the_reply_cannot_be_serialized(cast: Cast, lane: Lane, host: HostService) -> None:
    await lane.worker(host.address, types=["actor"])
    worker = await asker(cast, host.address)
    with pytest.raises(RemoteHandlerError, match=r"serializing the reply.*Unspeakable cannot be a message"):
        await ask(worker, "unspeakable")


async def test_the_handler_returns_none(cast: Cast, lane: Lane, host: HostService) -> None:
    await lane.worker(host.address, types=["actor"])
    worker = await asker(cast, host.address)
    assert await ask(worker, "none") is None


async def test_the_target_worker_is_killed(cast: Cast, lane: Lane, host: HostService) -> None:
    actor = await lane.worker(host.address, name="victim", types=["actor"], subscribe=[("news", "actor")])
    worker = await asker(cast, host.address)
    calls = [asyncio.ensure_future(ask(worker, "wait", n)) for n in range(5)]
    await _waiting(worker, 5)
    actor.kill()
    started_s = time.monotonic()
    for error in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(error, WorkerLostError)
        assert "victim" in str(error)
        assert "actor/k" in str(error)
    assert time.monotonic() - started_s < SOON_S
    with pytest.raises(AgentNotFoundError):
        await ask(worker)
    assert len(host.router.sessions) == 0
    assert {e.what for e in host.journal if e.kind == j.REQUEST and e.what in j.ENDINGS} >= {j.LOST}


async def test_the_target_worker_ends_by_itself(cast: Cast, lane: Lane, host: HostService) -> None:
    await lane.worker(host.address, types=["actor"])
    worker = await asker(cast, host.address)
    with pytest.raises(WorkerLostError):
        await ask(worker, "exit")


async def test_the_target_worker_disconnects(cast: Cast, host: HostService) -> None:
    there, worker = await cast.worker(host), await asker(cast, host.address)
    await Actor.register(there, "actor", Actor)
    call = asyncio.ensure_future(ask(worker, "wait"))
    await _waiting(worker)
    await there.stop(grace_s=0)
    with pytest.raises((WorkerLostError, RemoteHandlerError)):
        await asyncio.wait_for(call, LIMIT_S)


async def test_the_target_worker_is_paused_and_the_host_notices_its_silence(cast: Cast, lane: Lane) -> None:
    host = cast.host(keepalive_s=0.5)
    actor = await lane.worker(host.address, types=["actor"])
    worker = await asker(cast, host.address, keepalive_s=0.5)
    call = asyncio.ensure_future(ask(worker, "wait"))
    await _waiting(worker)
    actor.pause()
    started_s = time.monotonic()
    with pytest.raises(WorkerLostError):
        await asyncio.wait_for(call, LIMIT_S)
    assert 0.2 < time.monotonic() - started_s < 3
    actor.resume()
    # It finds out, comes back, and is at work again.
    await until(lambda: host.router.directory.holder("actor"))
    assert await ask(worker, "echo", 5) == Report(5)


async def test_a_busy_asker_does_not_keep_a_paused_worker_alive(cast: Cast, lane: Lane) -> None:
    """Messages that are written to it are no sign of life."""
    host = cast.host(keepalive_s=0.5)
    actor = await lane.worker(host.address, types=["actor"], subscribe=[("news", "actor")])
    worker = await asker(cast, host.address, keepalive_s=0.5)
    await ask(worker)
    actor.pause()
    started_s = time.monotonic()
    while host.router.directory.holder("actor") is not None:
        await worker.publish_message(News(1), TopicId("news", "k"))
        await asyncio.sleep(0.02)
        assert time.monotonic() - started_s < 5


async def test_the_host_is_killed(cast: Cast, lane: Lane) -> None:
    host = await lane.host()
    await lane.worker(host.address, types=["actor"])
    worker = await asker(cast, host.address)
    call = asyncio.ensure_future(ask(worker, "wait"))
    await _waiting(worker)
    host.kill()
    started_s = time.monotonic()
    with pytest.raises(HostLostError, match="before actor/k answered"):
        await asyncio.wait_for(call, LIMIT_S)
    assert time.monotonic() - started_s < SOON_S


async def test_the_host_is_paused_and_the_worker_notices_its_silence(cast: Cast, lane: Lane) -> None:
    host = await lane.host(keepalive_s=0.5)
    await lane.worker(host.address, types=["actor"], keepalive_s=0.5)
    worker = await asker(cast, host.address, keepalive_s=0.5)
    call = asyncio.ensure_future(ask(worker, "wait"))
    await _waiting(worker)
    host.pause()
    started_s = time.monotonic()
    with pytest.raises(HostLostError):
        await asyncio.wait_for(call, LIMIT_S)
    assert 0.2 < time.monotonic() - started_s < 3
    host.resume()
    assert await ask(worker, "echo", 5, deadline_s=LIMIT_S) == Report(5)


@pytest.mark.parametrize("how", ["of the call", "of the runtime"])
async def test_nothing_answers_within_the_deadline(cast: Cast, host: HostService, how: str) -> None:
    there = await cast.worker(host)
    await Actor.register(there, "actor", Actor)
    options = {"default_deadline_s": 0.3} if how == "of the runtime" else {}
    worker = await asker(cast, host.address, **options)
    started_s = time.monotonic()
    with pytest.raises(DeadlineExceededError, match=r"actor/k did not answer within 0\.3 s"):
        await ask(worker, "wait", **({} if options else {"deadline_s": 0.3}))
    assert 0.25 < time.monotonic() - started_s < 0.3 + SOON_S
    agent = await there.try_get_underlying_agent_instance(ACTOR, Actor)
    await until(lambda: agent.cancelled == 1)
    (late,) = await until(lambda: [e for e in host.journal if e.kind == j.RESPONSE and e.what == j.DROPPED])
    assert late.detail.startswith("late")
    assert await ask(worker, "echo", 5) == Report(5)


async def test_a_call_without_a_deadline_outlives_the_hosts_own(cast: Cast) -> None:
    host = cast.host(default_deadline_s=0.1)
    there, worker = await cast.worker(host), await asker(cast, host.address)
    await Actor.register(there, "actor", Actor)
    assert await ask(worker, "sleep", 7, "0.5", deadline_s=None) == Report(7)


@pytest.mark.parametrize("reads", [True, False], ids=["and reads", "and is paused"])
async def test_the_deadline_of_a_plain_client_is_the_hosts(cast: Cast, lane: Lane, reads: bool) -> None:
    host = cast.host(default_deadline_s=0.3)
    actor = await lane.worker(host.address, types=["actor"])
    async with raw_client(host.address) as client:
        await client.open_plain()
        if not reads:
            actor.pause()
        await client.send(Request("1", ACTOR, Payload("Order", "application/json", b'{"do": "wait"}')))
        answer = await client.read()
    assert isinstance(answer, Response)
    assert answer.failure is not None
    assert answer.failure.kind == "DeadlineExceededError"


async def test_the_sender_cancels_its_token(cast: Cast, lane: Lane, host: HostService) -> None:
    await lane.worker(host.address, types=["actor"])
    worker = await asker(cast, host.address)
    token = CancellationToken()
    call = asyncio.ensure_future(ask(worker, "wait", cancellation_token=token))
    await _waiting(worker)
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(call, SOON_S)

    async def told() -> bool:
        return bool((await ask(worker, "cancelled")).n)

    await until(told)
    assert await ask(worker, "waiting") == Report(1)


async def test_the_senders_worker_is_killed(cast: Cast, lane: Lane, host: HostService) -> None:
    there = await cast.worker(host)
    await Actor.register(there, "actor", Actor)
    relay = await lane.worker(host.address, name="relay", types=["relay"])

    agent = await there.try_get_underlying_agent_instance(ACTOR, Actor)
    worker = await asker(cast, host.address)
    call = asyncio.ensure_future(ask(worker, "forward", text="wait", to=AgentId("relay", "k")))
    await until(lambda: agent.waiting == 1)
    relay.kill()
    await until(lambda: agent.cancelled == 1)
    with pytest.raises(WorkerLostError):
        await asyncio.wait_for(call, LIMIT_S)
    await until(lambda: len(host.router.sessions) == 0)


async def test_two_senders_use_the_same_request_id(cast: Cast, lane: Lane, host: HostService) -> None:
    await lane.worker(host.address, types=["actor"])
    async with raw_client(host.address, "one") as one, raw_client(host.address, "two") as two:
        await one.open_plain()
        await two.open_plain()
        for client, seconds in ((one, 0.2), (two, 0.1)):  # the second is answered first
            data = b'{"do": "sleep", "n": %d, "text": "%.1f"}' % (1 if client is one else 2, seconds)
            await client.send(Request("the same", ACTOR, Payload("Order", "application/json", data)))
        for client, n in ((one, b'"n":1'), (two, b'"n":2')):
            answer = await client.read()
            assert isinstance(answer, Response)
            assert answer.request_id == "the same"
            assert n in answer.payload.data


@pytest.mark.parametrize("link", [True, False])
async def test_the_message_is_larger_than_the_limit(cast: Cast, lane: Lane, host: HostService, link: bool) -> None:
    await lane.worker(host.address, types=["actor"], subscribe=[("news", "actor")])
    worker = await asker(cast, host.address, link=link)
    large = "x" * (5 * 1024 * 1024)
    with pytest.raises(PayloadTooLargeError, match="It was not sent"):
        await ask(worker, text=large)
    with pytest.raises(PayloadTooLargeError, match="It was not sent"):
        await worker.publish_message(News(1, large), TopicId("news", "k"))
    assert await ask(worker, "echo", 5) == Report(5)
    assert len([e for e in host.journal if e.what == j.GONE]) == 0


@pytest.mark.parametrize("mebibytes", [5, 80])
@pytest.mark.parametrize("link", [True, False])
async def test_the_reply_is_larger_than_the_limit(
    cast: Cast, lane: Lane, host: HostService, mebibytes: int, link: bool
) -> None:
    await lane.worker(host.address, types=["actor"], link=link)
    worker = await asker(cast, host.address)
    with pytest.raises(PayloadTooLargeError, match="reply of actor/k"):
        await ask(worker, "big", mebibytes * 1024 * 1024)
    assert await ask(worker, "echo", 5) == Report(5)
    assert len([e for e in host.journal if e.what == j.GONE]) == 0


async def test_an_error_text_is_of_any_length(cast: Cast, lane: Lane, host: HostService) -> None:
    await lane.worker(host.address, types=["actor"])
    worker = await asker(cast, host.address)
    with pytest.raises(RemoteHandlerError, match="characters left out"):
        await ask(worker, "raise at length", 70 * 1024 * 1024)
    assert await ask(worker, "echo", 5) == Report(5)
    assert len([e for e in host.journal if e.what == j.GONE]) == 0


async def test_a_large_message_of_a_plain_client(cast: Cast, lane: Lane, host: HostService) -> None:
    await lane.worker(host.address, types=["actor"])
    worker = await asker(cast, host.address)
    async with raw_client(host.address) as client:
        await client.open_plain()
        data = b'{"do": "echo", "text": "%s"}' % (b"x" * (5 * 1024 * 1024))
        await client.send(Request("1", ACTOR, Payload("Order", "application/json", data)))
        answer = await client.read()
        assert isinstance(answer, Response)
        assert answer.failure is not None
        assert answer.failure.kind == "PayloadTooLargeError"
        assert await ask(worker, "echo", 5) == Report(5)
        assert client.stream.done() is False


async def test_the_receivers_queue_is_full(cast: Cast, lane: Lane) -> None:
    host = cast.host(limits=Limits(queue_messages=20, queue_bytes=2 * 1024 * 1024), keepalive_s=30)
    slow = await lane.worker(host.address, name="slow", types=["slow"], subscribe=[("news", "slow")], keepalive_s=30)
    await lane.worker(host.address, name="actor", types=["actor"], subscribe=[("news", "actor")])
    worker = await asker(cast, host.address)
    await ask(worker, to=AgentId("slow", "k"))
    slow.pause()
    text = "x" * 500_000
    sent = 0
    # First what the kernel and gRPC hold for it, then the queue, is filled.
    while host.router.counters["queue full"] < 10:
        await worker.publish_message(News(sent, text), TopicId("news", "k"))
        sent += 1
        await ask(worker)
        assert sent < 500
    started_s = time.monotonic()
    with pytest.raises(QueueFullError, match="slow"):
        await ask(worker, to=AgentId("slow", "k"))
    assert time.monotonic() - started_s < SOON_S

    async def all_received() -> bool:
        return bool((await ask(worker, "news")).n == sent)

    await until(all_received)  # the other receiver missed nothing
    dropped = [e for e in host.journal if e.kind == j.EVENT and e.what == j.DROPPED]
    assert {e.recipient for e in dropped} == {"slow/k"}
    assert len(dropped) == host.router.counters["queue full"]
    slow.resume()

    async def slow_has_the_rest() -> bool:
        return bool((await ask(worker, "news", to=AgentId("slow", "k"))).n == sent - len(dropped))

    await until(lambda: host.router.connections and _room(host, "slow"))
    await until(slow_has_the_rest)


def _room(host: HostService, name: str) -> bool:
    return next(c for c in host.router.connections.values() if c.name == name).has_room()


async def test_the_host_is_not_up_yet(cast: Cast, lane: Lane) -> None:
    host = await lane.host()
    address = host.address
    host.kill()
    starting = asyncio.ensure_future(cast.worker(address, "early", connect_timeout_s=None))
    await asyncio.sleep(0.2)
    assert not starting.done()
    await lane.host(address=address)
    worker = await asyncio.wait_for(starting, LIMIT_S)
    assert worker.connected


async def test_the_host_is_restarted_and_sends_wait_for_it(
    cast: Cast, lane: Lane, caplog: pytest.LogCaptureFixture
) -> None:
    host = await lane.host()
    await lane.worker(host.address, types=["actor"], subscribe=[("news", "actor")])
    worker = await asker(cast, host.address)
    await Actor.register(worker, "mine", Actor)
    assert await ask(worker, "echo", 1) == Report(1)
    host.kill()
    await until(lambda: not worker.connected)
    with pytest.raises(DeadlineExceededError, match="There is no connection to the host"):
        await ask(worker, deadline_s=0.1)
    waiting = asyncio.ensure_future(ask(worker, "echo", 2, to=AgentId("mine", "k"), deadline_s=LIMIT_S))
    await worker.publish_message(News(7), TopicId("mine:", "k"))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    warnings = [r for r in caplog.records if r.name == "agentlab.worker" and r.levelname == "WARNING"]
    assert 1 <= len(warnings) <= 2, "logged once a change, not once an attempt"
    await lane.host(address=host.address)
    assert await waiting == Report(2)  # its own agents are advertised again before what waited is sent

    async def others_are_back() -> bool:
        try:
            return bool(await ask(worker, "echo", 3, deadline_s=1) == Report(3))
        except AgentNotFoundError:
            return False

    await until(others_are_back)
    await worker.publish_message(News(8), TopicId("news", "k"))

    async def heard() -> bool:
        return bool((await ask(worker, "news")).text == "8")

    await until(heard)
    assert (await ask(worker, "news", to=AgentId("mine", "k"))).text == "7"


async def test_a_reply_never_reaches_another_call_after_the_host_was_restarted(cast: Cast) -> None:
    """A new host counts its sessions and copies from one again; what an old one left running must not be mistaken."""
    first = cast.host()
    there, worker = await cast.worker(first, "there"), await asker(cast, first.address)
    await Actor.register(there, "actor", Actor)
    agent = await there.try_get_underlying_agent_instance(ACTOR, Actor)
    old = asyncio.ensure_future(ask(worker, "sleep", 111, "1.0"))
    await until(lambda: len(there._inbox._tokens) == 1)
    await first.stop(grace=0)
    with pytest.raises(HostLostError):
        await old
    second = cast.host(first.address)
    await until(lambda: worker.connected and there.connected)
    assert await ask(worker, "sleep", 222, "1.5", deadline_s=LIMIT_S) == Report(222)
    await until(lambda: not there._deliveries.tasks)
    lives = j.messages(second.journal).values()
    (life,) = [life for life in lives if life[0].kind == j.REQUEST]
    assert [e.what for e in life] == [j.SENT, j.ARRIVED, j.LEFT, j.RECEIVED, j.STARTED, j.HANDLED]
    assert "unknown report" not in second.router.counters
    assert agent.cancelled == 0


async def test_an_agent_may_be_registered_while_the_host_is_away(cast: Cast) -> None:
    host = cast.host()
    worker = await asker(cast, host.address)
    await host.stop(grace=0)
    await until(lambda: not worker.connected)
    registering = asyncio.ensure_future(Actor.register(worker, "actor", Actor))
    subscribing = asyncio.ensure_future(worker.add_subscription(TypeSubscription("news", "actor")))
    await asyncio.sleep(0.1)
    assert not registering.done()
    cast.host(host.address)
    await asyncio.wait_for(registering, LIMIT_S)
    await asyncio.wait_for(subscribing, LIMIT_S)
    assert await ask(worker, "echo", 5) == Report(5)


async def test_a_question_about_a_state_ends_when_the_host_does(cast: Cast) -> None:
    class Silent(Actor):
        asked = asyncio.Event()

        async def save_state(self) -> Any:
            self.asked.set()
            await asyncio.sleep(60)

    host = cast.host()
    there, worker = await cast.worker(host), await asker(cast, host.address)
    await Silent.register(there, "silent", Silent)
    question = asyncio.ensure_future(worker.agent_save_state(AgentId("silent", "k")))
    await asyncio.wait_for(Silent.asked.wait(), LIMIT_S)
    await host.stop(grace=0)
    with pytest.raises(HostLostError):
        await asyncio.wait_for(question, SOON_S)


async def test_a_question_about_a_state_ends_when_the_worker_that_was_asked_is_killed(
    cast: Cast, lane: Lane, host: HostService
) -> None:
    actor = await lane.worker(host.address, types=["actor"])
    worker = await asker(cast, host.address)
    actor.pause()
    question = asyncio.ensure_future(worker.agent_metadata(ACTOR))
    await asyncio.sleep(0.1)
    assert not question.done()
    actor.kill()
    with pytest.raises(RemoteHandlerError, match="lost"):
        await asyncio.wait_for(question, LIMIT_S)


async def test_what_cannot_be_sent_before_a_stop_is_told(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    host = cast.host()
    worker = await asker(cast, host.address)
    await host.stop(grace=0)
    await until(lambda: not worker.connected)
    for n in range(3):
        await worker.publish_message(News(n), TopicId("news", "k"))
    await worker.stop()
    assert "3 messages were not sent" in caplog.text


async def test_the_wrong_kind_of_server_is_no_host(cast: Cast) -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        with pytest.raises(HostLostError):
            await cast.worker(f"127.0.0.1:{port}", connect_timeout_s=0.5)
    finally:
        await server.stop(0)
