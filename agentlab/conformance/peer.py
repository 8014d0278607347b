"""A peer of the examination: it speaks AutoGen's plain wire and nothing else, under a client id of its choice.

Whatever it asks for, it waits only `limit_s` seconds: who does not answer has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from itertools import count
from typing import Any, Final, TypeVar

import grpc
import grpc.aio

from ..core.ids import AgentId
from ..core.subscriptions import TypeSubscription
from ..core.topics import TopicId
from ..wire import calls
from ..wire.channel import end_call
from ..wire.codec import decode_plain, encode_bare_error, encode_plain
from ..wire.parcels import Event, Payload, Request, Response, WireError

T = TypeVar("T")

JSON: Final = "application/json"


class Failed(Exception):
    """What is examined does not do what it should; the text says what it did."""


def payload(message_type: str, content: Any) -> Payload:
    """A JSON payload; bytes are taken as they are."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Payload(message_type, JSON, data)


class PlainPeer:
    """A plain peer: a worker that an examination steers by hand."""

    def __init__(self, address: str, limit_s: float, client_id: str | None = None) -> None:
        self.limit_s = limit_s
        self.client_id = f"examiner-{uuid.uuid4().hex[:8]}" if client_id is None else client_id
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.strangers: list[Response] = []
        """Responses to what it did not ask, or asked twice."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        self._channel = grpc.aio.insecure_channel(address, options=options)
        self._stream: Any = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[str, asyncio.Future[Response]] = {}
        self._numbers = count(1)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return ((calls.CLIENT_ID, self.client_id),) if self.client_id else ()

    async def open(self) -> PlainPeer:
        """Open the message stream. Raises Failed."""
        method: Any = self._channel.stream_stream(f"/{calls.AGENT_RPC}/OpenChannel")
        self._stream = method(metadata=self.metadata)
        try:
            await asyncio.wait_for(self._stream.wait_for_connection(), self.limit_s)
        except TimeoutError:
            raise Failed(f"the host did not accept the channel within {self.limit_s:g} s") from None
        except grpc.aio.AioRpcError as error:
            raise Failed(f"the host refused the channel: {error.code().name}, {error.details()}") from None
        self._reading = asyncio.ensure_future(self._read())
        return self

    async def _read(self) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
            while (data := await self._stream.read()) is not grpc.aio.EOF:
                try:
                    parcel = decode_plain(data)
                except WireError:
                    continue
                if isinstance(parcel, Request):
                    self.requests.put_nowait(parcel)
                elif isinstance(parcel, Event):
                    self.events.put_nowait(parcel)
                elif (future := self._waiting.pop(parcel.request_id, None)) is not None:
                    if not future.done():
                        future.set_result(parcel)
                else:
                    self.strangers.append(parcel)

    async def close(self) -> None:
        """End the stream and the connection. Doing it twice does nothing."""
        if self._stream is not None:
            end_call(self._stream)
        if self._reading is not None:
            self._reading.cancel()
            await self._reading
        await self._channel.close()

    async def call(self, method: str, request: bytes = b"") -> bytes:
        """A unary call of AutoGen's service. Raises grpc.aio.AioRpcError, and Failed when nothing answers."""
        unary: Any = self._channel.unary_unary(f"/{calls.AGENT_RPC}/{method}")
        try:
            answer: bytes = await unary(request, metadata=self.metadata, timeout=self.limit_s)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise Failed(f"{method} was not answered within {self.limit_s:g} s") from None
            raise
        return answer

    async def register(self, *agent_types: str) -> PlainPeer:
        """Advertise agent types."""
        for agent_type in agent_types:
            await self.call("RegisterAgent", calls.encode_register_agent(agent_type))
        return self

    async def subscribe(self, topic_type: str, agent_type: str) -> str:
        """Subscribe a type; returns the subscription's id."""
        subscription = TypeSubscription(topic_type, agent_type)
        await self.call("AddSubscription", calls.encode_add_subscription(subscription))
        return subscription.id

    async def unsubscribe(self, id: str) -> None:
        """Remove a subscription."""
        await self.call("RemoveSubscription", calls.encode_remove_subscription(id))

    async def write(self, data: bytes) -> None:
        """Put any bytes on the stream."""
        await self._stream.write(data)

    async def begin(
        self, target: str, message_type: str, content: Any, request_id: str = ""
    ) -> asyncio.Future[Response]:
        """Send a direct message; returns what will hold the response."""
        request_id = request_id or f"{next(self._numbers)}"
        future = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        await self.write(encode_plain(Request(request_id, AgentId.from_str(target), payload(message_type, content))))
        return future

    async def response(self, asked: asyncio.Future[Response], within_s: float | None = None) -> Response:
        """The response. Raises Failed when there is none in time."""
        limit_s = within_s or self.limit_s
        done, _ = await asyncio.wait({asked}, timeout=limit_s)
        if not done:
            raise Failed(f"no response within {limit_s:g} s")
        return asked.result()

    async def ask(self, target: str, message_type: str, content: Any) -> Any:
        """Send a direct message and return the reply's content. Raises Failed for an error, or no reply in time."""
        response = await self.response(await self.begin(target, message_type, content))
        if response.failure is not None:
            raise Failed(f"{message_type} was answered with the error {response.failure.text[:300]!r}")
        return json.loads(response.payload.data) if response.payload.data else None

    async def error(self, target: str, message_type: str, content: Any) -> str:
        """Send a direct message and return its error's text. Raises Failed when it is answered, or nothing comes."""
        response = await self.response(await self.begin(target, message_type, content))
        if response.failure is None:
            raise Failed(f"{message_type} should have failed, and was answered with {response.payload.data[:300]!r}")
        return response.failure.text

    async def publish(self, topic: str, message_type: str, content: Any, sender: str = "") -> None:
        """Publish a message."""
        source = AgentId.from_str(sender) if sender else None
        event = Event(TopicId.from_str(topic), payload(message_type, content), source, uuid.uuid4().hex)
        await self.write(encode_plain(event))

    async def request(self) -> Request:
        """The next direct message that came. Raises Failed."""
        return await self._next(self.requests, "direct message")

    async def event(self) -> Event:
        """The next published message that came. Raises Failed."""
        return await self._next(self.events, "published message")

    async def _next(self, queue: asyncio.Queue[T], what: str) -> T:
        try:
            return await asyncio.wait_for(queue.get(), self.limit_s)
        except TimeoutError:
            raise Failed(f"no {what} came within {self.limit_s:g} s") from None

    async def reply(self, request: Request, message_type: str = "", content: Any = b"", error: str = "") -> None:
        """Answer a direct message."""
        if error:
            return await self.write(encode_bare_error(request.request_id, error))
        return await self.write(encode_plain(Response(request.request_id, payload(message_type, content))))
