"""The host on the network: what it answers to good, bad and broken clients."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from typing import Any

import grpc
import pytest
from child_scripts.actor import Actor, News, Order, Report
from conftest import Cast
from raw import LIMIT_S, RawClient, code_of, raw_client
from until import until

from agentlab import AgentId, HostService, TopicId, TypeSubscription, WorkerRuntime, try_get_known_serializers_for_type
from agentlab.core import journal as j
from agentlab.host import streams
from agentlab.host.connection import Connection, Limits
from agentlab.wire import calls, control, watching
from agentlab.wire.codec import encode_plain
from agentlab.wire.frames import encode_frame
from agentlab.wire.generated import agent_worker_pb2 as agents_pb
from agentlab.wire.parcels import ClockSample, Event, Hello, Parcel, Payload, Request, Response
from agentlab.wire.rows import row_of

ASK = Payload("Order", "application/json", b'{"do": "echo", "n": 1}')
UNARY = ["RegisterAgent", "AddSubscription", "RemoveSubscription", "GetSubscriptions"]
LINK_UNARY = ["WithdrawAgent", "Snapshot", "CancelSession", "NoteProcess"]


class Pair:
    """A healthy pair of workers: as long as `works` passes, nobody harmed it."""

    def __init__(self, asker: WorkerRuntime, actor: WorkerRuntime) -> None:
        self.asker, self.actor = asker, actor
        self.n = 0

    async def works(self) -> None:
        self.n += 1
        reply = await self.asker.send_message(Order("echo", self.n), AgentId("actor", "k"), deadline_s=LIMIT_S)
        assert reply == Report(self.n)


@pytest.fixture
async def pair(cast: Cast, host: HostService) -> Pair:
    asker, actor = await cast.worker(host, "asker"), await cast.worker(host, "actor")
    await Actor.register(actor, "actor", Actor)
    asker.add_message_serializer(try_get_known_serializers_for_type(Report))
    return Pair(asker, actor)


# Starting and stopping


async def test_a_port_that_is_in_use_is_an_os_error_that_says_so(cast: Cast) -> None:
    first = cast.host()
    with pytest.raises(OSError, match=r"cannot listen on 127\.0\.0\.1:\d+: the port is in use"):
        cast.host(first.address)


async def test_a_port_that_another_program_has_is_an_os_error(cast: Cast) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match="Port 0 takes a free one"):
            cast.host(f"127.0.0.1:{other.getsockname()[1]}")


async def test_port_0_takes_a_free_one_and_says_which(cast: Cast) -> None:
    first, second = cast.host(), cast.host()
    assert first.address != second.address
    assert 0 < int(first.address.rpartition(":")[2]) < 65536


async def test_a_host_starts_once_and_stops_once(cast: Cast) -> None:
    host = cast.host()
    with pytest.raises(RuntimeError, match="already started"):
        host.start()
    await host.stop()
    with pytest.raises(RuntimeError, match="not started"):
        await host.stop()


async def test_a_host_may_be_started_again(cast: Cast) -> None:
    host = cast.host()
    await host.stop()
    host.start()
    async with raw_client(host.address) as client:
        await client.agent_rpc("GetSubscriptions")


async def test_a_host_that_stops_at_once_stops_quickly_with_streams_open(cast: Cast, pair: Pair) -> None:
    (host,) = cast._hosts
    async with raw_client(host.address) as client:
        watch = client.channel.unary_stream(f"/{calls.LINK}/Watch")(
            watching.encode_watch(0, True), metadata=client.metadata
        )
        await watch.read()
        control = client.begin(calls.AGENT_RPC, "OpenControlChannel")
        await control.initial_metadata()
        async with asyncio.timeout(20):
            await host.stop(grace=30)
        assert await control.code() == grpc.StatusCode.OK


# Who calls


@pytest.mark.parametrize("method", UNARY)
async def test_a_call_without_a_client_id_is_an_invalid_argument(host: HostService, method: str) -> None:
    async with raw_client(host.address, "") as client:
        with pytest.raises(grpc.aio.AioRpcError, match="'client-id' is missing") as error:
            await client.agent_rpc(method)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("service", "method"),
    [(calls.AGENT_RPC, "OpenChannel"), (calls.AGENT_RPC, "OpenControlChannel"), (calls.LINK, "Open")],
)
async def test_a_stream_without_a_client_id_is_an_invalid_argument(
    host: HostService, service: str, method: str
) -> None:
    async with raw_client(host.address, "") as client:
        assert await client.begin(service, method).code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_second_connection_with_a_connected_workers_client_id_is_refused_and_harms_nothing(
    host: HostService, pair: Pair
) -> None:
    theirs = next(c.client_id for c in host.router.connections.values() if c.name == "actor")
    async with raw_client(host.address, theirs) as thief:
        plain = thief.begin(calls.AGENT_RPC, "OpenChannel")
        assert await plain.code() == grpc.StatusCode.ALREADY_EXISTS
        control = thief.begin(calls.AGENT_RPC, "OpenControlChannel")
        assert await control.code() == grpc.StatusCode.PERMISSION_DENIED
        link = thief.begin(calls.LINK, "Open")
        await link.write(encode_frame(hello=Hello("thief", 1, "")))
        assert await link.code() == grpc.StatusCode.ALREADY_EXISTS
        await pair.works()
        assert await pair.asker.agent_metadata(AgentId("actor", "k"))
    await pair.works()
    assert host.router.directory.holder("actor") == theirs


async def test_a_registration_without_a_channel_does_not_lock_the_type(cast: Cast, host: HostService) -> None:
    async with raw_client(host.address, "ghost") as ghost:
        await ghost.agent_rpc("RegisterAgent", calls.encode_register_agent("actor"))
        worker = await cast.worker(host)
        worker.add_message_serializer(try_get_known_serializers_for_type(Report))
        await Actor.register(worker, "actor", Actor)
        assert await worker.send_message(Order("echo", 5), AgentId("actor", "k")) == Report(5)


async def test_a_type_that_another_worker_holds_is_an_invalid_argument_in_autogens_words(
    host: HostService, pair: Pair
) -> None:
    async with raw_client(host.address) as client:
        await client.open_plain()
        with pytest.raises(grpc.aio.AioRpcError, match="Agent type actor already registered") as error:
            await client.agent_rpc("RegisterAgent", calls.encode_register_agent("actor"))
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_another_workers_subscription_cannot_be_removed(host: HostService, pair: Pair) -> None:
    subscription = TypeSubscription("news", "actor")
    await pair.actor.add_subscription(subscription)
    async with raw_client(host.address) as client:
        request = calls.encode_remove_subscription(subscription.id)
        assert await code_of(client.agent_rpc("RemoveSubscription", request)) == grpc.StatusCode.PERMISSION_DENIED
        assert await code_of(client.agent_rpc("RemoveSubscription", b"")) == grpc.StatusCode.INVALID_ARGUMENT
        listed = calls.decode_subscriptions(await client.agent_rpc("GetSubscriptions"))
    assert subscription.id in {s.id for s in listed}


# Garbage


@pytest.fixture
def only_warnings(caplog: pytest.LogCaptureFixture) -> Any:
    """Fails the test when anything was logged above WARNING."""
    yield
    loud = [record for record in caplog.get_records("call") if record.levelno > logging.WARNING]
    assert not loud, [record.getMessage() for record in loud]


def _garbage(seed: int) -> list[bytes]:
    chance = random.Random(seed)
    legal = [
        encode_plain(Request("1", AgentId("actor", "k"), ASK)),
        encode_plain(Event(TopicId("t", "s"), ASK)),
        encode_plain(Response("s1", ASK)),
        encode_frame([row_of(Request("1", AgentId("actor", "k"), ASK))]),
        encode_frame(clock=ClockSample(1), hello=Hello("x", 1, "y")),
        calls.encode_add_subscription(TypeSubscription("t", "a")),
        control.encode_control(control.Control("1", "agentid=a/b", "clientid=x", b"")),
    ]
    pieces = [b"", b"\xff" * 20, b"\x0a\xff\xff\xff\xff\x0f", bytes(chance.randbytes(300))]
    for _ in range(40):
        data = bytearray(chance.choice(legal))
        for _ in range(chance.randint(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        pieces.append(bytes(data[: chance.randint(0, len(data))]))
    return pieces


@pytest.mark.parametrize(
    ("service", "method"), [(calls.AGENT_RPC, m) for m in UNARY] + [(calls.LINK, m) for m in LINK_UNARY]
)
@pytest.mark.usefixtures("only_warnings")
async def test_garbage_in_a_call_is_an_invalid_argument(
    host: HostService, pair: Pair, service: str, method: str
) -> None:
    async with raw_client(host.address) as client:
        for data in _garbage(1):
            code = await code_of(client.call(service, method, data))
            assert code in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED)
        if method != "GetSubscriptions" and method != "Snapshot":  # these read nothing
            assert await code_of(client.call(service, method, b"\xff")) == grpc.StatusCode.INVALID_ARGUMENT
        watch = client.channel.unary_stream(f"/{calls.LINK}/Watch")(b"\xff", metadata=client.metadata)
        assert await watch.code() == grpc.StatusCode.INVALID_ARGUMENT
    await pair.works()


@pytest.mark.parametrize("method", ["OpenChannel", "OpenControlChannel", "Open"])
@pytest.mark.usefixtures("only_warnings")
async def test_garbage_on_a_stream_is_noted_and_harms_nobody(host: HostService, pair: Pair, method: str) -> None:
    async with raw_client(host.address) as client:
        if method == "Open":
            await client.open_link("broken")
            stream = client.stream
        else:
            stream = client.begin(calls.AGENT_RPC, method)
            await stream.initial_metadata()
        for seed in range(5):
            for data in _garbage(seed):
                await stream.write(data)
        await stream.write(b"\xff")
        await stream.done_writing()
        while await asyncio.wait_for(stream.read(), LIMIT_S) is not grpc.aio.EOF:
            pass
        assert await stream.code() == grpc.StatusCode.OK  # the host read all of it, and ended its half in turn
    await until(lambda: len(host.router.connections) == 2)
    assert any(event.what == j.REFUSED for event in host.journal)
    await pair.works()


@pytest.mark.usefixtures("only_warnings")
async def test_a_link_that_does_not_introduce_itself_is_an_invalid_argument(host: HostService) -> None:
    for first in (b"\xff", b"", encode_frame(clock=ClockSample(1))):
        async with raw_client(host.address) as client:
            stream = client.begin(calls.LINK, "Open")
            await stream.write(first)
            assert await stream.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.usefixtures("only_warnings")
async def test_numbers_as_large_as_the_wire_can_hold_harm_nobody(host: HostService, pair: Pair) -> None:
    most = 2**64 - 1
    async with raw_client(host.address) as client:
        await client.open_link("large")
        request = Request(
            "1", AgentId("actor", "k"), ASK, sent_ns=most, lamport=most, deadline_s=1e308, delivery_id=most
        )
        data = encode_frame(
            [row_of(request)],
            reports=[(most, j.HANDLED, most, most, "", "")],
            handled=[(most, most, most, most, 2**53, 2**53, 2**53)],
            clock=ClockSample(most),
        )
        await client.stream.write(data)
        answers = []
        while not answers:
            answers = [p for p in (await client.read_frame()).parcels if isinstance(p, Response)]
        assert answers[0].failure is None
    await pair.works()
    async with raw_client(host.address) as client:
        watch = client.channel.unary_stream(f"/{calls.LINK}/Watch")(
            watching.encode_watch(0, False), metadata=client.metadata
        )
        assert [watching.decode_journal_batch(data) async for data in watch]


async def test_a_frame_of_a_flood_is_answered_and_may_be_the_last(host: HostService) -> None:
    rows = [row_of(Event(TopicId("news", "s"), ASK, message_id=str(n))) for n in range(3 * streams.SLICE)]
    async with raw_client(host.address) as client:
        await client.open_link("flood")
        await client.stream.write(encode_frame(rows, clock=ClockSample(7), goodbye=True))
        clock = None
        while clock is None:
            clock = (await client.read_frame()).clock
        assert clock.worker_sent_ns == 7
        await client.stream.done_writing()
        assert await client.stream.code() == grpc.StatusCode.OK
    (gone,) = [e for e in host.journal if e.what == j.GONE and e.process == "flood"]
    assert gone.detail == "stopped"
    assert sum(e.what == j.ARRIVED for e in host.journal) == len(rows)


async def test_of_a_frame_whose_stream_is_lost_meanwhile_what_was_taken_counts(
    host: HostService, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row_of(Event(TopicId("news", "s"), ASK, message_id=str(n))) for n in range(5 * streams.SLICE)]
    receive, router = host.router.receive, host.router

    def lost_soon(source: Connection, parcel: Parcel) -> None:
        receive(source, parcel)
        if isinstance(parcel, Event) and parcel.message_id == str(streams.SLICE):
            router.disconnect(source, "lost")

    monkeypatch.setattr(router, "receive", lost_soon)
    async with raw_client(host.address) as client:
        await client.open_link("flood")
        assert client.welcome is not None
        await client.stream.write(encode_frame(rows))
        await client.stream.code()
        taken = router.taken(client.welcome.resume_token)
    assert taken == streams.SLICE + streams.LOOK
    assert sum(e.what == j.ARRIVED for e in host.journal) == taken


@pytest.mark.usefixtures("only_warnings")
async def test_an_illegal_type_of_any_length_is_answered(host: HostService) -> None:
    async with raw_client(host.address) as client:
        request = calls.encode_register_agent("!" * 60_000)
        assert await code_of(client.agent_rpc("RegisterAgent", request)) == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "destination", ["", "nonsense", "agentid=", "agentid=no slash", "clientid=", "agentid=" + "!/" * 9999]
)
@pytest.mark.usefixtures("only_warnings")
async def test_a_malformed_control_destination_harms_nobody(host: HostService, pair: Pair, destination: str) -> None:
    async with raw_client(host.address) as client:
        stream = client.begin(calls.AGENT_RPC, "OpenControlChannel")
        await stream.initial_metadata()
        body = control.encode_question(control.SaveState(AgentId("actor", "k")))
        await stream.write(control.encode_control(control.Control("1", destination, "clientid=raw", body)))
        answer = control.decode_control(await asyncio.wait_for(stream.read(), LIMIT_S))
        assert control.decode_answer(answer.body).error
        await stream.write(control.encode_control(control.Control("1", destination, "", body)))
        await pair.asker.agent_metadata(AgentId("actor", "k"))
    await pair.works()


async def test_a_published_message_that_lies_about_its_content_reaches_nobody(host: HostService, pair: Pair) -> None:
    await pair.actor.add_subscription(TypeSubscription("news", "actor"))
    async with raw_client(host.address) as client:
        await client.open_plain()
        message = agents_pb.Message.FromString(
            encode_plain(Event(TopicId("news", "k"), Payload("News", "application/json", b"\xff")))
        )
        message.cloudEvent.attributes["datacontenttype"].ce_string = "application/x-protobuf"
        await client.stream.write(message.SerializeToString())
        await until(lambda: any(event.what == j.REFUSED for event in host.journal))
        await client.send(Request("1", AgentId("actor", "k"), ASK))
        assert isinstance(await client.read(), Response)
    await pair.works()


# Sizes


async def test_a_large_payload_of_a_plain_client_is_refused_by_name_and_its_stream_goes_on(
    host: HostService, pair: Pair
) -> None:
    async with raw_client(host.address) as client:
        await client.open_plain()
        await client.send(Request("big", AgentId("actor", "k"), ASK._replace(data=b" " * (5 * 1024 * 1024))))
        await client.send(Request("small", AgentId("actor", "k"), ASK))
        answers = {}
        for _ in range(2):
            answer = await client.read()
            assert isinstance(answer, Response)
            answers[answer.request_id] = answer
        assert answers["big"].failure is not None
        assert answers["big"].failure.kind == "PayloadTooLargeError"
        assert answers["small"].failure is None
    await pair.works()


@pytest.mark.parametrize("where", ["metadata", "key", "attribute", "source"])
async def test_what_is_large_beside_the_payload_counts_as_well(host: HostService, cast: Cast, where: str) -> None:
    """A plain worker takes no more than gRPC's 4 MiB: a larger message would end its stream."""
    large = "x" * (5 * 1024 * 1024)
    async with raw_client(host.address, "victim") as victim, raw_client(host.address) as client:
        victim.channel = grpc.aio.insecure_channel(host.address)  # with gRPC's own limits
        await victim.open_plain("victim")
        await victim.agent_rpc("AddSubscription", calls.encode_add_subscription(TypeSubscription("t", "victim")))
        await client.open_plain()
        if where in ("metadata", "key"):
            request = Request("1", AgentId("victim", large if where == "key" else "k"), ASK)
            request.metadata = {"x": large if where == "metadata" else ""}
            await client.send(request)
            answer = await client.read()
            assert isinstance(answer, Response)
            assert answer.failure is not None
            assert (answer.request_id, answer.failure.kind) == ("1", "UndeliverableException")
        else:
            event = Event(TopicId("t", large if where == "source" else "s"), ASK)
            event.attributes = {"x": large if where == "attribute" else ""}
            await client.send(event)
        await client.send(Request("2", AgentId("victim", "k"), ASK))
        request = await victim.read()
        assert isinstance(request, Request)
        assert request.target.key == "k"
        await victim.channel.close()
    (refused,) = [event for event in host.journal if event.what == j.REFUSED]
    assert "bytes beside its payload" in refused.detail


async def test_a_client_that_asks_and_never_reads_does_not_fill_the_hosts_memory(cast: Cast) -> None:
    host = cast.host(limits=Limits(queue_messages=50))
    async with raw_client(host.address, small_window=True) as client:
        await client.open_plain()
        data = encode_plain(Request("1", AgentId("nobody" * 2000, "k"), ASK))  # the answer names it
        writing = asyncio.ensure_future(_write_for_ever(client, data))
        try:
            (connection,) = host.router.connections.values()
            await until(lambda: len(connection) >= 50 or writing.done())
            most = 0
            for _ in range(50):
                await asyncio.sleep(0.01)
                most = max(most, len(connection))
            assert 50 <= most < 200
            assert not writing.done()
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


async def _write_for_ever(client: RawClient, data: bytes) -> None:
    while True:
        await client.stream.write(data)


# Watching


def _watch(client: RawClient, after: int = 0, follow: bool = True) -> Any:
    return client.channel.unary_stream(f"/{calls.LINK}/Watch")(
        watching.encode_watch(after, follow), metadata=client.metadata
    )


async def _batches(stream: Any) -> list[watching.JournalBatch]:
    return [watching.decode_journal_batch(data) async for data in stream]


async def test_a_watcher_that_does_not_follow_sees_what_there_is_and_ends(host: HostService, pair: Pair) -> None:
    await pair.works()
    last = host.journal.last_seq
    async with raw_client(host.address) as client:
        batches = await _batches(_watch(client, follow=False))
        seqs = [event.seq for batch in batches for event in batch.events]
        assert seqs[:last] == list(range(1, last + 1))
        assert len({batch.journal for batch in batches}) == 1
        rest = [event for batch in await _batches(_watch(client, last - 1, follow=False)) for event in batch.events]
        assert rest[0].seq == last


@pytest.mark.parametrize("after", [1_000_000, 2**63])
async def test_a_watcher_of_what_has_not_happened_yet_sees_nothing(host: HostService, after: int) -> None:
    async with raw_client(host.address) as client:
        assert [e for b in await _batches(_watch(client, after, follow=False)) for e in b.events] == []


async def test_a_watcher_that_follows_sees_what_happens_later(host: HostService, pair: Pair) -> None:
    async with raw_client(host.address) as client:
        stream = _watch(client)
        batch = watching.decode_journal_batch(await stream.read())
        assert (batch.events, batch.missed) == ([], 0)
        assert batch.journal
        await pair.works()
        seen: list[j.JournalEvent] = []
        async with asyncio.timeout(LIMIT_S):
            while not any(e.kind == j.RESPONSE and e.what == j.RECEIVED for e in seen):
                batch = watching.decode_journal_batch(await stream.read())
                assert batch.missed == 0
                seen += batch.events
        assert [event.seq for event in seen] == list(range(1, len(seen) + 1))


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.usefixtures("only_warnings")
async def test_a_watcher_that_comes_too_late_is_told_how_much_it_missed(cast: Cast, follow: bool) -> None:
    host = cast.host(journal_capacity=500)
    for n in range(2000):
        host.router.book.note("somebody", j.REFUSED, str(n))
    async with raw_client(host.address) as client:
        stream = _watch(client, follow=follow)
        batches: list[watching.JournalBatch] = []
        async with asyncio.timeout(LIMIT_S):
            while sum(len(batch.events) for batch in batches) < 500:
                data = await stream.read()
                assert data is not grpc.aio.EOF
                batches.append(watching.decode_journal_batch(data))
        assert sum(batch.missed for batch in batches) == 1500
        assert [e.seq for batch in batches for e in batch.events] == list(range(1501, 2001))
        if follow:
            host.router.book.note("somebody", j.REFUSED, "one more")
            batch = watching.decode_journal_batch(await asyncio.wait_for(stream.read(), LIMIT_S))
            assert [event.seq for event in batch.events] == [2001]


async def test_a_slow_watcher_is_told_of_its_gap_and_slows_nobody(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "WATCH_PERIOD_S", 0.001)
    host = cast.host(journal_capacity=1000)
    async with raw_client(host.address) as client:
        stream = _watch(client)
        await stream.read()
        long = "x" * 5000
        async with asyncio.timeout(LIMIT_S):
            for _ in range(300):  # far more than fits into the buffers on the way, while nobody reads
                for _ in range(100):
                    host.router.book.note("somebody", j.REFUSED, long)
                await asyncio.sleep(0.001)
        batches: list[watching.JournalBatch] = []
        async with asyncio.timeout(LIMIT_S):
            while not batches or batches[-1].events[-1].seq < 30_000:
                batches.append(watching.decode_journal_batch(await stream.read()))
        seen = 0
        for batch in batches:
            assert batch.events[0].seq == seen + batch.missed + 1
            seen = batch.events[-1].seq
        assert sum(batch.missed for batch in batches) > 1000


async def test_another_host_has_another_journal_name(cast: Cast) -> None:
    names = set()
    for host in (cast.host(), cast.host()):
        async with raw_client(host.address) as client:
            names.add(watching.decode_journal_batch(await _watch(client).read()).journal)
    assert len(names) == 2


async def test_a_snapshot_says_who_is_there_and_what_is_open(host: HostService, pair: Pair) -> None:
    await pair.actor.add_subscription(TypeSubscription("news", "actor"))
    waiting = asyncio.ensure_future(pair.asker.send_message(Order("wait"), AgentId("actor", "k"), deadline_s=30))
    await until(lambda: len(host.router.sessions) == 1)
    async with raw_client(host.address) as client:
        snapshot = watching.decode_snapshot(await client.call(calls.LINK, "Snapshot"))
    workers = {worker.name: worker for worker in snapshot.workers}
    assert workers["actor"].types == ["actor"]
    assert workers["actor"].reports
    assert workers["actor"].pid > 0
    assert "127.0.0.1" in workers["actor"].address
    assert {repr(s) for s in workers["actor"].subscriptions} >= {"TypeSubscription('news', 'actor')"}
    (session,) = snapshot.sessions
    assert (session.sender_worker, session.target, session.target_worker, session.type) == (
        "asker", "actor/k", "actor", "Order",
    )  # fmt: skip
    assert session.remaining_s is not None
    assert 0 < session.remaining_s <= 30
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_the_lab_may_note_what_it_did_to_a_process_and_nothing_else(host: HostService) -> None:
    async with raw_client(host.address) as client:
        await client.call(calls.LINK, "NoteProcess", watching.encode_note_process("w", j.KILLED, "by hand"))
        request = watching.encode_note_process("w", j.HANDLED, "")
        assert await code_of(client.call(calls.LINK, "NoteProcess", request)) == grpc.StatusCode.INVALID_ARGUMENT
    (noted,) = list(host.journal)
    assert (noted.kind, noted.what, noted.process, noted.detail) == (j.PROCESS, j.KILLED, "w", "by hand")


async def test_a_plain_worker_is_a_worker_like_any_other(host: HostService, pair: Pair) -> None:
    async with raw_client(host.address) as client:
        await client.open_plain("raw")
        await client.agent_rpc("AddSubscription", calls.encode_add_subscription(TypeSubscription("news", "raw")))
        asking = asyncio.ensure_future(pair.asker.send_message(Order("echo", 7), AgentId("raw", "k")))
        request = await client.read()
        assert isinstance(request, Request)
        assert request.payload.type == "Order"
        await client.send(Response(request.request_id, Payload("Report", "application/json", b'{"n": 7, "text": ""}')))
        assert await asking == Report(7)
        await pair.asker.publish_message(News(3), TopicId("news", "k"))
        event = await client.read()
        assert isinstance(event, Event)
        assert event.payload == Payload("News", "application/json", b'{"n":3,"text":""}')
        await client.stream.done_writing()
        assert await asyncio.wait_for(client.stream.read(), LIMIT_S) is grpc.aio.EOF
    await until(lambda: host.router.directory.holder("raw") is None)
