"""The connection to the host: kept up, in either dialect, and with a clock that may be another's."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import psutil
import pytest
from conftest import Cast
from raw import raw_client
from until import LIMIT_S, until

from agentlab import AgentId, HostLostError, HostService, TopicId, TypeSubscription
from agentlab.core import journal as j
from agentlab.wire import calls
from agentlab.wire.codec import decode_plain, encode_plain
from agentlab.wire.frames import encode_frame
from agentlab.wire.parcels import ClockSample, Event, Parcel, Payload, Request, Response
from agentlab.worker import connection as module
from agentlab.worker.clock import HostClock
from agentlab.worker.control import ControlChannel

from .cast import Number, Recorder, Text, teach

TEXT = Payload("Text", "application/json", b'{"text": "hi"}')


class PlainHost:
    """A host that knows AutoGen's stream and registrations, and nothing else: everything is sent back to its worker."""

    def __init__(self, *, control: bool = True) -> None:
        self.received: list[Parcel] = []
        self.registered: list[str] = []
        self.streams: list[Any] = []
        unary = grpc.unary_unary_rpc_method_handler
        methods: dict[str, Any] = {
            "OpenChannel": grpc.stream_stream_rpc_method_handler(self._open_channel),
            "RegisterAgent": unary(self._register),
            "AddSubscription": unary(self._nothing),
            "GetSubscriptions": unary(self._nothing),
        }
        if control:
            methods["OpenControlChannel"] = grpc.stream_stream_rpc_method_handler(self._control)
        self._server = grpc.aio.server()
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(calls.AGENT_RPC, methods),))

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(0)

    async def _register(self, request: bytes, context: Any) -> bytes:
        self.registered.append(calls.decode_register_agent(request))
        return b""

    async def _nothing(self, request: bytes, context: Any) -> bytes:
        return b""

    async def _control(self, requests: AsyncIterator[bytes], context: Any) -> None:
        await context.read()

    async def _open_channel(self, requests: AsyncIterator[bytes], context: Any) -> None:
        self.streams.append(context)
        while True:
            data = await context.read()
            if data is grpc.aio.EOF:
                await asyncio.sleep(60)  # like AutoGen's, it never ends its half
            self.received.append(decode_plain(data))
            await context.write(data)


@pytest.fixture(params=[True, False], ids=["with a control channel", "without one"])
async def plain_host(request: pytest.FixtureRequest) -> AsyncIterator[PlainHost]:
    host = PlainHost(control=request.param)
    await host.start()
    yield host
    await host.stop()


async def test_a_host_that_does_not_know_the_link_is_spoken_to_plainly(cast: Cast, plain_host: PlainHost) -> None:
    worker = await cast.worker(plain_host.address, "plain")
    assert not worker._connection.link
    teach(worker)
    await Recorder.register(worker, "recorder", Recorder)
    assert plain_host.registered == ["recorder"]
    assert await worker.send_message(Text("hi"), AgentId("recorder", "k"), deadline_s=LIMIT_S) == Text("hi")


async def test_a_plain_hosts_published_messages_go_to_whom_the_worker_subscribed(
    cast: Cast, plain_host: PlainHost
) -> None:
    worker = await cast.worker(plain_host.address)
    await Recorder.register(worker, "recorder", Recorder)
    await worker.add_subscription(TypeSubscription("t", "recorder"))
    await worker.publish_message(Number(1), TopicId("t", "k"))
    await worker.publish_message(Number(2), TopicId("other", "k"))
    await worker.publish_message(Number(3), TopicId("t", "k"), sender=AgentId("recorder", "k"))  # not to itself
    await worker.publish_message(Number(4), TopicId("t", "k"))
    agent = await worker.try_get_underlying_agent_instance(AgentId("recorder", "k"), Recorder)
    await until(lambda: agent.count == 2)
    assert [message.number for message in agent.messages] == [1, 4]


async def test_a_worker_that_stops_hands_over_everything_to_a_host_that_never_says_goodbye(
    cast: Cast, plain_host: PlainHost
) -> None:
    worker = await cast.worker(plain_host.address)
    for n in range(300):
        await worker.publish_message(Number(n), TopicId("t", "k"))
    started_s = time.monotonic()
    await worker.stop()
    assert time.monotonic() - started_s < 3
    assert len([parcel for parcel in plain_host.received if isinstance(parcel, Event)]) == 300


async def test_illegal_messages_of_a_host_are_logged_and_harm_nothing(
    cast: Cast, plain_host: PlainHost, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await cast.worker(plain_host.address)
    teach(worker)
    await Recorder.register(worker, "recorder", Recorder)
    (stream,) = plain_host.streams
    await stream.write(b"\xff\xff")
    await stream.write(encode_plain(Response("nobody asked", TEXT)))
    await stream.write(encode_plain(Request("r", AgentId("stranger", "k"), TEXT)))
    assert await worker.send_message(Text("hi"), AgentId("recorder", "k"), deadline_s=LIMIT_S) == Text("hi")
    assert "The host sent something illegal" in caplog.text
    answers = [p for p in plain_host.received if isinstance(p, Response) and p.request_id == "r"]
    assert answers[0].failure is not None  # it said that it has no such agent


async def test_logical_time_goes_on_from_what_a_plain_message_says(cast: Cast, plain_host: PlainHost) -> None:
    worker = await cast.worker(plain_host.address)
    await Recorder.register(worker, "recorder", Recorder)
    request = Request("r", AgentId("recorder", "k"), TEXT, lamport=5000)
    await plain_host.streams[0].write(encode_plain(request))
    (answer,) = await until(lambda: [p for p in plain_host.received if isinstance(p, Response)])
    assert answer.lamport > 5000


async def test_a_host_without_a_control_stream_may_say_so_at_any_moment(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host = PlainHost(control=False)
    await host.start()
    open_control = ControlChannel.open

    async def open_late(self: ControlChannel, stream: Any, client_id: str) -> None:
        assert await stream.code() == grpc.StatusCode.UNIMPLEMENTED
        await open_control(self, stream, client_id)

    monkeypatch.setattr(ControlChannel, "open", open_late)
    try:
        worker = await cast.worker(host.address)
        await Recorder.register(worker, "recorder", Recorder)
        assert len(host.streams) == 1
        assert "No connection" not in caplog.text
        with pytest.raises(HostLostError):
            await worker.agent_save_state(AgentId("elsewhere", "k"))
    finally:
        await host.stop()


async def test_what_fails_in_the_connection_is_logged_and_it_comes_back(
    cast: Cast, host: HostService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await cast.worker(host)
    teach(worker)
    await Recorder.register(worker, "recorder", Recorder)
    receive = worker._connection._on_frame

    def fail_once(frame: Any) -> None:
        worker._connection._on_frame = receive
        raise AssertionError("a bug of ours")

    worker._connection._on_frame = fail_once
    with pytest.raises(HostLostError, match="before recorder/k answered"):
        await worker.send_message(Text(), AgentId("recorder", "k"), deadline_s=LIMIT_S)
    await until(lambda: worker.connected)
    assert await worker.send_message(Text("again"), AgentId("recorder", "k"), deadline_s=LIMIT_S) == Text("again")
    assert "a bug of ours" in caplog.text


async def test_a_host_that_is_not_there_is_tried_ever_more_slowly_and_logged_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(module, "LONGEST_RETRY_S", 0.1)
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float, *args: Any) -> None:
        pauses.append(seconds)
        await sleep(seconds, *args)

    host = cast.host()
    worker = await cast.worker(host)
    monkeypatch.setattr(module.asyncio, "sleep", note)
    caplog.set_level(logging.INFO)
    await host.stop(grace=0)
    begin = time.monotonic()
    while len(pauses) < 12:
        await sleep(0.01)
        assert time.monotonic() - begin < LIMIT_S
    tried = pauses[:12]
    for n, pause_s in enumerate(tried):
        most = min(0.01 * 2**n, 0.1)
        assert most / 2 <= pause_s <= most
    assert len({round(pause_s, 6) for pause_s in tried}) == len(tried), "chance keeps workers apart"
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1
    cast.host(host.address)
    while not worker.connected:
        await sleep(0.01)
        assert time.monotonic() - begin < LIMIT_S
    assert "again" in caplog.text


async def test_a_worker_may_be_stopped_while_it_is_not_connected(cast: Cast) -> None:
    host = cast.host()
    worker = await cast.worker(host)
    await host.stop(grace=0)
    await until(lambda: not worker.connected)
    async with asyncio.timeout(4):
        await worker.stop()
    cast.host(host.address)
    await worker.start()
    assert worker.connected


async def test_a_plain_worker_that_comes_back_waits_until_its_types_are_free_again(
    cast: Cast, host: HostService
) -> None:
    """A host may see the end of its earlier stream only after the beginning of the next."""
    worker = await cast.worker(host, link=False)
    await Recorder.register(worker, "recorder", Recorder)
    teach(worker)
    await worker.stop()
    await until(lambda: host.router.directory.holder("recorder") is None)
    async with raw_client(host.address, "the earlier stream") as earlier:
        await earlier.open_plain("recorder")
        starting = asyncio.ensure_future(worker.start())
        await until(lambda: len(host.router.connections) == 2)
        await asyncio.sleep(0.1)
    await asyncio.wait_for(starting, LIMIT_S)
    assert await worker.send_message(Text("hi"), AgentId("recorder", "k")) == Text("hi")


async def test_a_worker_that_comes_back_keeps_its_name(cast: Cast) -> None:
    host = cast.host()
    worker = await cast.worker(host, "me")
    connection = next(iter(host.router.connections.values()))
    connection.close("for the test")
    await until(lambda: len([e for e in host.journal if e.what == j.JOINED]) == 2 and worker.connected)
    assert worker.name == "me"


async def test_a_link_that_is_not_introduced_is_no_host(cast: Cast) -> None:
    async def open_link(requests: AsyncIterator[bytes], context: Any) -> None:
        await context.read()
        await context.write(encode_frame(clock=ClockSample(1)))

    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    handlers = {"Open": grpc.stream_stream_rpc_method_handler(open_link)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(calls.LINK, handlers),))
    await server.start()
    with pytest.raises(HostLostError, match="its first frame is no welcome"):
        await cast.worker(f"127.0.0.1:{port}", connect_timeout_s=0.4)
    await server.stop(0)


# Clocks


class _Clock:
    """A clock that is off."""

    def __init__(self, off_ns: int) -> None:
        self.off_ns = off_ns

    def __call__(self) -> int:
        return time.time_ns() + self.off_ns


def test_of_several_samples_the_one_with_the_shortest_round_trip_is_believed() -> None:
    now = [0]
    clock = HostClock(lambda: now[0])

    def exchange(there_ns: int, back_ns: int, offset_ns: int = 1000) -> None:
        sample = clock.ask()
        now[0] += there_ns
        sample = sample._replace(host_received_ns=now[0] + offset_ns, host_sent_ns=now[0] + offset_ns)
        now[0] += back_ns
        clock.learn(sample)

    exchange(100, 900)
    assert clock.offset_ns == 1000 - 400
    exchange(10, 10)
    assert clock.offset_ns == 1000
    exchange(900, 100)
    assert clock.offset_ns == 1000
    assert clock.now_ns() == now[0] + 1000


@pytest.mark.parametrize("off_s", [5, -5])
async def test_an_arrow_never_runs_backwards_between_clocks_that_disagree(
    cast: Cast, host: HostService, off_s: int
) -> None:
    clock = HostClock(_Clock(off_s * 1_000_000_000))
    here = await cast.worker(host, "here")
    there = await cast.worker(host, "there", clock=clock, machine="another machine")
    teach(here, there)
    # At once: there is no time to learn from experience.
    await Recorder.register(there, "there", Recorder)
    await Recorder.register(here, "here", Recorder)
    await there.add_subscription(TypeSubscription("t", "there"))
    assert abs(clock.offset_ns + off_s * 1_000_000_000) < 50_000_000
    began_ns = time.time_ns()
    for n in range(20):
        await here.send_message(Number(n), AgentId("there", "k"))
        await there.send_message(Number(n), AgentId("here", "k"))
        await here.publish_message(Number(n), TopicId("t", "k"))
    agent = await there.try_get_underlying_agent_instance(AgentId("there", "k"), Recorder)
    await until(lambda: agent.count == 40)
    await until(lambda: not any(c.outstanding for c in host.router.connections.values()))
    ended_ns = time.time_ns()
    order = [j.SENT, j.ARRIVED, j.LEFT, j.RECEIVED, j.STARTED, j.HANDLED]
    steps = 0
    for life in j.messages(host.journal).values():
        way = sorted((e for e in life if e.what in order), key=lambda e: order.index(e.what))
        for earlier, later in itertools.pairwise(way):
            arrow = (earlier.what, later.what) in ((j.SENT, j.ARRIVED), (j.LEFT, j.RECEIVED))
            slack_ns = 0 if arrow or earlier.process == later.process else 2_000_000
            assert earlier.time_ns <= later.time_ns + slack_ns, (earlier, later)
            steps += 1
        assert all(began_ns - 5_000_000 <= e.time_ns <= ended_ns + 5_000_000 for e in way)
    assert steps > 200


async def test_the_clock_is_asked_about_amid_traffic(
    cast: Cast, host: HostService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gRPC takes one message at a time on a stream; two writers would break it."""
    monkeypatch.setattr(module, "CLOCK_PERIOD_S", 0.0005)
    clock = HostClock(_Clock(1_000_000_000))
    worker = await cast.worker(host, clock=clock, machine="another machine")
    teach(worker)
    await Recorder.register(worker, "recorder", Recorder)
    learned = 0
    learn = clock.learn

    def count(sample: ClockSample) -> None:
        nonlocal learned
        learned += 1
        learn(sample)

    monkeypatch.setattr(clock, "learn", count)
    text = Text("x" * 100_000)
    for _ in range(10):
        await asyncio.gather(*(worker.send_message(text, AgentId("recorder", "k")) for _ in range(20)))
    assert learned > 5
    assert [e for e in host.journal if e.what == j.GONE] == []


async def test_workers_on_one_machine_do_not_ask_about_the_clock(cast: Cast, host: HostService) -> None:
    clock = HostClock(_Clock(0))
    await cast.worker(host, clock=clock)
    assert not clock._samples


async def test_attempts_at_a_host_that_is_down_leave_no_connection_behind(cast: Cast) -> None:
    host = cast.host()
    worker = await cast.worker(host)
    port = int(host.address.rpartition(":")[2])

    def connections() -> int:
        return sum(bool(c.raddr) and c.raddr.port == port for c in psutil.Process().net_connections())

    attempts = 0
    open_channel = worker._connection._open_channel

    def count_attempts() -> Any:
        nonlocal attempts
        attempts += 1
        return open_channel()

    worker._connection._open_channel = count_attempts  # type: ignore[method-assign]
    gc.disable()  # what is left shall not be tidied up by chance
    try:
        await host.stop(grace=0)
        await until(lambda: attempts >= 5)
        cast.host(host.address)
        await until(lambda: worker.connected)
        for _ in range(5):  # a channel that was left goes on trying, and gets its connection a moment later
            await until(lambda: connections() <= 1)
            await asyncio.sleep(0.3)
        assert connections() == 1
    finally:
        gc.enable()
