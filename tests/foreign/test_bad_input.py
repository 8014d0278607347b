"""What a foreign worker may send that it should not: everybody else goes on, and nobody waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest
from conftest import Cast
from raw import LIMIT_S, RawClient, raw_client
from until import until

from agentlab import (
    AgentId,
    HostService,
    MessageContext,
    RoutedAgent,
    TopicId,
    TypeSubscription,
    UndeliverableException,
    WorkerRuntime,
    message_handler,
)
from agentlab.core import journal as j
from agentlab.wire import calls
from agentlab.wire.codec import encode_plain
from agentlab.wire.generated import agent_worker_pb2 as pb
from agentlab.wire.parcels import Event, Failure, Payload, Request, Response

from .messages import Shout

TEXT = Payload("Shout", "application/json", b'{"text":"hello"}')


class Echo(RoutedAgent):
    """Says what it hears."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__("Echo")
        self._heard = heard

    @message_handler
    async def on_shout(self, message: Shout, ctx: MessageContext) -> Shout:
        self._heard.append(message.text)
        return message


@dataclass
class World:
    """A worker of ours, which must go on, and a foreign one on its plain stream, which does what it should not."""

    host: HostService
    ours: WorkerRuntime
    heard: list[str]
    raw: RawClient

    def refusals(self) -> list[str]:
        return [event.detail for event in self.host.journal if event.what == j.REFUSED]

    async def is_unharmed(self) -> None:
        """Both still answer."""
        asking = asyncio.ensure_future(self.ours.send_message(Shout("there?"), AgentId("raw", "k")))
        request = await self.request()
        await self.raw.send(Response(request.request_id, TEXT))
        assert await asking == Shout("hello")
        await self.raw.send(Request("last", AgentId("echo", "k"), TEXT))
        answer = await self.raw.read()
        assert isinstance(answer, Response)
        assert (answer.request_id, answer.failure) == ("last", None)

    async def request(self) -> Request:
        request = await self.raw.read()
        assert isinstance(request, Request)
        return request


@pytest.fixture
async def world(cast: Cast, host: HostService) -> AsyncIterator[World]:
    ours, heard = await cast.worker(host, "ours"), list[str]()
    await Echo.register(ours, "echo", lambda: Echo(heard))
    await ours.add_subscription(TypeSubscription("news", "echo"))
    async with raw_client(host.address) as raw:
        yield World(host, ours, heard, await raw.open_plain("raw"))


def response_with_broken_text(request_id: str) -> bytes:
    """A response whose error is no UTF-8: protobuf refuses the whole message."""
    data = pb.Message(response=pb.RpcResponse(request_id=request_id, error="XX")).SerializeToString()
    return data.replace(b"XX", b"\xff\xfe")


def response_with_much_metadata(request_id: str) -> bytes:
    return pb.Message(response=pb.RpcResponse(request_id=request_id, metadata={"x": "x" * 300_000})).SerializeToString()


@pytest.mark.parametrize("illegal", [response_with_broken_text, response_with_much_metadata])
async def test_an_illegal_reply_is_an_error_at_once(world: World, illegal: Any) -> None:
    asking = asyncio.ensure_future(world.ours.send_message(Shout("hi"), AgentId("raw", "k"), deadline_s=None))
    request = await world.request()
    await world.raw.stream.write(illegal(request.request_id))
    with pytest.raises(UndeliverableException, match=r"raw/k on .* answered with something illegal"):
        await asyncio.wait_for(asking, LIMIT_S)
    await world.is_unharmed()


async def test_a_request_with_a_broken_text_is_answered_at_once(world: World) -> None:
    data = encode_plain(Request("7", AgentId("echo", "XX"), TEXT)).replace(b"XX", b"\xff\xfe")
    await world.raw.stream.write(data)
    answer = await world.raw.read()
    assert isinstance(answer, Response)
    assert answer.request_id == "7"
    assert answer.failure is not None
    assert "These bytes are no agents.Message" in answer.failure.text
    await world.is_unharmed()


async def test_a_reply_to_a_request_that_it_never_got_is_refused_in_the_journal(world: World) -> None:
    await world.raw.send(Response("s4711", TEXT))
    await world.raw.send(Response("s4712", failure=Failure("RemoteHandlerError", "no")))
    await world.is_unharmed()
    refused = [text for text in world.refusals() if "which nobody asked for" in text]
    assert [text.split("'")[1] for text in refused] == ["s4711", "s4712"]


@pytest.mark.parametrize("data", [b'{"text":', b"\xff\xfe", b'{"other": 1}', b""])
async def test_an_undecodable_payload_is_an_error_to_its_sender(world: World, data: bytes) -> None:
    await world.raw.send(Request("7", AgentId("echo", "k"), Payload("Shout", "application/json", data)))
    answer = await world.raw.read()
    assert isinstance(answer, Response)
    assert answer.failure is not None
    assert answer.failure.text
    await world.is_unharmed()
    assert world.heard == ["hello"]


async def test_an_undecodable_reply_is_an_error_to_who_asked(world: World) -> None:
    asking = asyncio.ensure_future(world.ours.send_message(Shout("hi"), AgentId("raw", "k"), deadline_s=None))
    request = await world.request()
    await world.raw.send(Response(request.request_id, Payload("Shout", "application/json", b"{")))
    with pytest.raises(UndeliverableException):
        await asyncio.wait_for(asking, LIMIT_S)
    await world.is_unharmed()


async def test_an_undecodable_published_message_has_an_ending_in_the_journal(world: World) -> None:
    await world.raw.send(Event(TopicId("news", "k"), Payload("Shout", "application/json", b"{"), message_id="broken"))
    await until(lambda: [e.what for e in world.host.journal if e.message_id == "broken" and e.what in j.ENDINGS])
    await world.is_unharmed()


async def test_a_cloud_event_without_attributes_is_refused_in_the_journal(world: World) -> None:
    await world.raw.stream.write(pb.Message(cloudEvent={"type": "news", "source": "k"}).SerializeToString())
    await world.raw.stream.write(pb.Message(cloudEvent={}).SerializeToString())
    await world.is_unharmed()
    assert world.refusals() == ["A CloudEvent needs the attribute dataschema: the message type's name."] * 2
    assert world.heard == ["hello"]


async def test_a_type_that_is_taken_is_refused_to_who_asks_and_in_the_journal(world: World) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="Agent type echo already registered") as caught:
        await world.raw.agent_rpc("RegisterAgent", calls.encode_register_agent("echo"))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert len([text for text in world.refusals() if text.startswith("Agent type echo already registered")]) == 1
    await world.is_unharmed()
