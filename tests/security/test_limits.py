"""What a worker may cost, and that it can take nothing that is another's."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from conftest import Cast
from msgspec import msgpack
from raw import RawClient, code_of, raw_client
from until import until

from agentlab import AgentId, TopicId, TypeSubscription
from agentlab.core.journal import TEXT_CAPACITY, Journal
from agentlab.host.clients import REMEMBERED, Clients
from agentlab.host.connection import LimitError, Limits
from agentlab.wire import calls, codec, counting, frames, rows
from agentlab.wire.control import Control, SaveState, decode_control, encode_control, encode_question
from agentlab.wire.generated import agent_worker_pb2 as agents_pb
from agentlab.wire.generated import agentlab_pb2 as lab_pb
from agentlab.wire.parcels import Event, Failure, Handled, Payload, Report, Request, Response, WireError

ASK = Payload("Order", "application/json", b"{}")
LONG = "x" * (codec.LONGEST_NAME + 1)


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    """How a call was refused."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details() or ""


def registering(*names: str) -> list[tuple[str, bytes]]:
    """Calls that register types and subscribe them."""
    found = [("RegisterAgent", calls.encode_register_agent(name)) for name in names]
    return found + [("AddSubscription", calls.encode_add_subscription(TypeSubscription("t", name))) for name in names]


# What is another's


async def test_nobody_else_can_act_in_the_name_of_a_connected_worker(cast: Cast) -> None:
    host = cast.host()
    subscription = TypeSubscription("news", "mine")
    async with raw_client(host.address, "victim") as victim, raw_client(host.address, "victim") as thief:
        await victim.open_plain("mine")
        await victim.agent_rpc("AddSubscription", calls.encode_add_subscription(subscription))
        before = host.router.snapshot().workers
        theft: list[tuple[str, str, bytes]] = [
            (calls.AGENT_RPC, "RegisterAgent", calls.encode_register_agent("thieves-own")),
            (calls.AGENT_RPC, "AddSubscription", calls.encode_add_subscription(TypeSubscription("x", "mine"))),
            (calls.AGENT_RPC, "RemoveSubscription", calls.encode_remove_subscription(subscription.id)),
            (calls.AGENT_RPC, "GetSubscriptions", b""),
            (calls.LINK, "WithdrawAgent", calls.encode_withdraw_agent("mine")),
        ]
        for service, method, request in theft:
            assert await code_of(thief.call(service, method, request)) == grpc.StatusCode.PERMISSION_DENIED
        for method, code in (
            ("OpenChannel", grpc.StatusCode.ALREADY_EXISTS),
            ("OpenControlChannel", grpc.StatusCode.PERMISSION_DENIED),
        ):
            assert await thief.begin(calls.AGENT_RPC, method).code() == code
        assert host.router.snapshot().workers == before
        await victim.agent_rpc("RemoveSubscription", calls.encode_remove_subscription(subscription.id))


async def test_what_is_wished_in_anothers_name_before_it_comes_is_forgotten_when_it_does(cast: Cast) -> None:
    host = cast.host()
    async with raw_client(host.address, "victim") as thief, raw_client(host.address, "victim") as victim:
        for method, request in registering("planted"):
            await thief.agent_rpc(method, request)
        await victim.agent_rpc("RegisterAgent", calls.encode_register_agent("own"))
        await victim.open_plain()
        (worker,) = host.router.snapshot().workers
        assert worker.types == ["own"]
        assert worker.subscriptions == []


async def test_a_client_id_is_free_again_when_its_worker_has_gone(cast: Cast) -> None:
    host = cast.host()
    async with raw_client(host.address, "id") as first:
        await first.open_plain("mine")
    async with raw_client(host.address, "id") as second:
        await until(lambda: "id" not in host.router.connections)
        await second.open_plain("mine")
        assert host.router.snapshot().workers[0].types == ["mine"]


async def test_a_reply_comes_only_from_who_was_asked_and_goes_only_to_who_asked(cast: Cast) -> None:
    host = cast.host()
    async with (
        raw_client(host.address, "asker") as asker,
        raw_client(host.address, "target") as target,
        raw_client(host.address, "thief") as thief,
    ):
        await asker.open_plain()
        await target.open_plain("target")
        await thief.open_plain()
        await asker.send(Request("same", AgentId("target", "k"), ASK))
        asked = await target.read()
        assert isinstance(asked, Request)
        for guess in (asked.request_id, "same", "s1", "s2"):
            await thief.send(Response(guess, Payload("Order", "application/json", b'{"stolen": 1}')))
        await thief.send(Request("same", AgentId("target", "k"), ASK))  # the same request id, another worker's
        second = await target.read()
        assert isinstance(second, Request)
        await target.send(Response(asked.request_id, ASK))
        await target.send(Response(second.request_id, failure=Failure("RemoteHandlerError", "for the thief")))
        mine, theirs = await asker.read(), await thief.read()
        assert isinstance(mine, Response)
        assert mine.payload == ASK
        assert isinstance(theirs, Response)
        assert theirs.failure is not None
        assert host.router.counters["unasked reply"] >= 3


async def test_an_agents_state_is_told_only_to_who_asked(cast: Cast) -> None:
    host = cast.host()
    async with raw_client(host.address, "asker") as asker, raw_client(host.address, "target") as target:
        streams = []
        for client in (asker, target):
            await client.open_plain(client.client_id)
            streams.append(client.begin(calls.AGENT_RPC, "OpenControlChannel"))
            await streams[-1].initial_metadata()
        question = encode_question(SaveState(AgentId("target", "k")))
        lie = Control("1", "agentid=target/k", "clientid=somebody-else", question)
        await streams[0].write(encode_control(lie))
        assert decode_control(await streams[1].read()).respond_to == "clientid=asker"
        for stream in streams:
            stream.cancel()


async def test_a_resume_token_is_not_told_to_others(cast: Cast) -> None:
    host = cast.host()
    async with raw_client(host.address, "a") as client:
        await client.open_link("w")
        assert client.welcome is not None
        token = client.welcome.resume_token
        assert len(token) >= 32
        assert token not in repr(host.router.snapshot()) + repr(list(host.journal))


# What a worker may have


async def told(client: RawClient, names: list[str]) -> list[tuple[grpc.StatusCode, str]]:
    """What a worker is told that registers and subscribes."""
    answers = []
    for method, request in registering(*names):
        try:
            await client.agent_rpc(method, request)
            answers.append((grpc.StatusCode.OK, ""))
        except grpc.aio.AioRpcError as error:
            answers.append((error.code(), error.details() or ""))
    return answers


async def test_types_and_subscriptions_have_a_limit(cast: Cast) -> None:
    host = cast.host(limits=Limits(types=3, subscriptions=2))
    async with raw_client(host.address) as client:
        await client.open_plain()
        answers = await told(client, ["a", "b", "c", "d"])
        codes = [code for code, _ in answers]
        exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
        assert codes == [grpc.StatusCode.OK] * 3 + [exhausted] + [grpc.StatusCode.OK] * 2 + [exhausted] * 2
        assert "may advertise 3 agent types" in answers[3][1]
        assert "may have 2 subscriptions" in answers[-1][1]
    assert host.router.counters["limit"] == 3


async def test_registrations_have_a_pace(cast: Cast) -> None:
    host = cast.host(limits=Limits(types=4, subscriptions=4, registrations_per_s=0.001))
    async with raw_client(host.address) as client:
        await client.open_plain()
        for _ in range(4):
            await client.agent_rpc("RegisterAgent", calls.encode_register_agent("on-and-off"))
            await client.call(calls.LINK, "WithdrawAgent", calls.encode_withdraw_agent("on-and-off"))
        code, text = await refusal(client.agent_rpc("RegisterAgent", calls.encode_register_agent("on-and-off")))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "Too many registrations" in text


async def test_workers_have_a_limit_and_one_that_goes_makes_room(cast: Cast) -> None:
    host = cast.host(limits=Limits(workers=1))
    first = await cast.worker(host)
    async with raw_client(host.address, "second") as second:
        stream = second.begin(calls.AGENT_RPC, "OpenChannel")
        assert await stream.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "1 workers are connected" in await stream.details()
        waiting = asyncio.ensure_future(cast.worker(host, "third", connect_timeout_s=None))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await first.stop()
        assert (await asyncio.wait_for(waiting, 30)).connected


async def test_open_requests_of_a_worker_have_a_limit_and_the_others_wait_on(cast: Cast) -> None:
    host = cast.host(limits=Limits(sessions=2))
    async with raw_client(host.address, "asker") as asker, raw_client(host.address, "target") as target:
        await target.open_plain("target")
        await asker.open_plain()
        for n in range(3):
            await asker.send(Request(f"r{n}", AgentId("target", "k"), ASK))
        refused = await asker.read()
        assert isinstance(refused, Response)
        assert refused.request_id == "r2"
        assert refused.failure is not None
        assert refused.failure.kind == "QueueFullError"
        assert "2 requests of" in refused.failure.text
        assert len(host.router.sessions) == 2


async def test_calls_and_metadata_have_a_largest_size(cast: Cast) -> None:
    host = cast.host()
    async with raw_client(host.address) as client:
        await client.open_plain("mine")
        code, text = await refusal(client.agent_rpc("RegisterAgent", calls.encode_register_agent("x" * 70_000)))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "65,536" in text
        call = client.channel.unary_unary(f"/{calls.AGENT_RPC}/GetSubscriptions")
        code, _ = await refusal(call(b"", metadata=(("client-id", "raw"), ("x", "y" * 20_000))))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        code, text = await refusal(call(b"", metadata=(("client-id", LONG),)))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert "client-id" in text
        await client.agent_rpc("GetSubscriptions")


def test_clients_that_never_open_a_stream_are_forgotten_and_others_are_not() -> None:
    streams = {"keeper"}
    clients = Clients(Limits(), streams.__contains__)
    clients.enter("keeper", "p0")
    for n in range(3 * REMEMBERED):
        clients.enter(f"c{n}", f"p{n}")
    assert len(clients._known) <= REMEMBERED
    with pytest.raises(PermissionError):
        clients.check("keeper", "elsewhere")


def test_an_allowance_grows_again_with_time() -> None:
    now_s = [0.0]
    clients = Clients(Limits(types=1, subscriptions=1, registrations_per_s=2.0), lambda id: True, lambda: now_s[0])
    for _ in range(2):
        clients.register("a", "p")
    with pytest.raises(LimitError, match="2 a second"):
        clients.register("a", "p")
    now_s[0] = 0.5
    clients.register("a", "p")


# What a message may be


@pytest.mark.parametrize(
    "parcel",
    [
        Request(LONG, AgentId("a", "k"), ASK),
        Request("r", AgentId("a" * len(LONG), "k"), ASK),
        Request("r", AgentId("a", LONG), ASK),
        Request("r", AgentId("a", "k"), ASK, AgentId("a", LONG)),
        Request("r", AgentId("a", "k"), Payload(LONG, "application/json", b"")),
        Request("r", AgentId("a", "k"), ASK, message_id=LONG),
        Request("r", AgentId("a", "k"), ASK, cause=LONG),
        Response(LONG),
        Event(TopicId("t", LONG), ASK),
        Event(TopicId("t", "s"), ASK, message_id=LONG),
        Event(TopicId("t", "s"), ASK, cause=LONG),
        Event(TopicId("t", "s"), ASK, sender=AgentId("a", LONG)),
    ],
)
def test_names_have_a_longest_length_in_both_dialects(parcel: Any) -> None:
    with pytest.raises(WireError, match="512 may be"):
        codec.decode_plain(codec.encode_plain(parcel))
    (rejected,) = frames.decode_frame(frames.encode_frame([rows.row_of(parcel)])).rejected
    assert "512 may be" in str(rejected)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_frame_of_very_many_messages_or_reports_is_refused_before_they_are_looked_at(place: int) -> None:
    lists: list[list[int]] = [[], [], []]
    lists[place] = [0] * (frames.MOST_IN_A_FRAME + 1)  # none of them is legal, but it is the number that is refused
    with pytest.raises(WireError, match="length <= 20000"):
        frames.decode_frame(lab_pb.Frame(batch=msgpack.encode(lists)).SerializeToString())


def test_very_many_cancellations_reports_receivers_and_map_entries_are_refused() -> None:
    with pytest.raises(WireError, match="20,000 may be"):
        frames.decode_frame(b"\x22\x00" * (frames.MOST_IN_A_FRAME + 1))
    assert len(frames.decode_frame(b"\x22\x00" * 100).cancels) == 100
    some = frames.MOST_IN_A_FRAME // 2 + 1
    data = frames.encode_frame(reports=[Report(1, "handled", 1, 1)] * some, handled=[Handled(*[1] * 7)] * some)
    with pytest.raises(WireError, match="20,000 may be"):
        frames.decode_frame(data)
    frame = lab_pb.Frame()
    for _ in range(frames.MOST_IN_A_FRAME + 1):
        frame.lost.add()
    with pytest.raises(WireError, match="20,000 may be"):
        frames.decode_frame(frame.SerializeToString())
    event = Event(TopicId("t", "s"), ASK, recipients=[(AgentId("a", "k"), 1)] * (rows.MOST_RECIPIENTS + 1))
    with pytest.raises(WireError, match="length <= 100000"):
        frames.decode_frame(frames.encode_frame([rows.row_of(event)]))
    message = agents_pb.Message()
    message.request.request_id = "r"
    for n in range(40_000):
        message.request.metadata[str(n)] = "value"
    with pytest.raises(WireError, match="beside its payload") as error:
        codec.decode_plain(message.SerializeToString())
    assert error.value.request_id == "r"


def test_the_fields_of_a_large_message_are_counted_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST_FIELDS", 3)
    monkeypatch.setattr(counting, "MOST_ITEMS", 3)
    monkeypatch.setattr(counting, "LARGE", 10)
    payload = Payload("Order", "application/json", b"x" * 100)
    for parcel in (Request("r", AgentId("a", "k"), payload), Event(TopicId("t", "s"), payload)):
        with pytest.raises(WireError, match="more than 3 fields"):
            codec.decode_plain(codec.encode_plain(parcel))
        with pytest.raises(WireError, match="more than 3 items"):
            frames.decode_frame(frames.encode_frame([rows.row_of(parcel)]))
    monkeypatch.setattr(counting, "MOST_FIELDS", 50)
    request = Request("r", AgentId("a", "k"), payload, metadata={str(n): "" for n in range(30)})
    monkeypatch.setattr(counting, "MOST_ITEMS", 100)
    assert frames.decode_frame(frames.encode_frame([rows.row_of(request)])).parcels == [request]
    with pytest.raises(WireError, match="more than 100 items"):
        frames.decode_frame(frames.encode_frame([rows.row_of(request)] * 2))
    assert codec.decode_plain(codec.encode_plain(request)) == request
    for broken in (b"\x0a\xff", b"\x0a" + b"\xff" * 20, b"\x0b" * 20, b"\xff" * 20, b"\x09\x01" * 10):
        with pytest.raises(WireError):
            codec.decode_plain(broken)


def test_what_travels_beside_a_payload_counts_for_the_room_that_it_takes() -> None:
    request = Request("r", AgentId("a", "k"), ASK, metadata={"name": "x" * 100_000})
    event = Event(TopicId("t", "s"), ASK, recipients=[(AgentId("a", "k"), 1)] * 10_000)
    failed = Response("r", failure=Failure("RemoteHandlerError", "x" * 15_000))
    for parcel, size in ((request, 100_000), (event, 100_000), (failed, 15_000)):
        assert rows.row_bytes(rows.row_of(parcel)) > size


async def test_control_messages_have_a_largest_size(cast: Cast) -> None:
    host = cast.host(limits=Limits(max_message_bytes=1000))
    async with raw_client(host.address) as client:
        await client.open_plain("mine")
        control = client.begin(calls.AGENT_RPC, "OpenControlChannel")
        await control.write(encode_control(Control("1", "agentid=mine/k", "clientid=raw", b"x" * 300_000)))
        await until(lambda: any("its content may have 1,000" in event.detail for event in host.journal))
        code, text = await refusal(client.call(calls.LINK, "KeepAgents", bytes(600_000)))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "the host takes 524,288" in text
        control.cancel()


def test_long_texts_of_errors_and_cancellations_are_cut() -> None:
    text = "e" * 100_000
    failed = codec.decode_plain(
        agents_pb.Message(response=agents_pb.RpcResponse(request_id="r", error=text)).SerializeToString()
    )
    assert isinstance(failed, Response)
    assert failed.failure is not None
    assert len(failed.failure.text) < 20_000
    frame = lab_pb.Frame(batch=msgpack.encode(([], [Report(1, "failed", 1, 1, text, text)], [])))
    frame.cancels.add(request_id="r", reason=text)
    read = frames.decode_frame(frame.SerializeToString())
    report = Report(*read.reports[0])
    assert max(len(read.cancels[0].reason), len(report.detail), len(report.trace)) < 20_000


def test_the_journal_lets_go_of_old_events_when_texts_are_long() -> None:
    journal = Journal(1000)
    for _ in range(20):
        journal.append("failed", "request", *[""] * 7, 0, 0, 0, "d" * 1_000_000, "t" * 9_000_000)
    assert len(journal) * 10_000_000 <= TEXT_CAPACITY
    assert journal.last_seq == 20
    assert journal.let_go == 20 - len(journal)
    assert [event.seq for event in journal][-1] == 20
