"""What a host must do, check by check, for workers that speak nothing but AutoGen's plain wire.

Each check is a function of a `Visit`; its name with spaces is the check's name, its docstring what is expected. They
use types and topics of their own, so that they can be run against a host that is in use.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable
from typing import Final, Protocol

import grpc
import grpc.aio

from ..wire import calls
from ..wire.codec import encode_plain
from ..wire.parcels import Response
from .peer import Failed, PlainPeer, payload
from .workers import MANY, expect


class Visit(Protocol):
    """A visit to one host."""

    @property
    def limit_s(self) -> float:
        """How long anything may take."""

    def peer(self, client_id: str | None = None) -> PlainPeer:
        """A new peer, closed after the check."""


EMPTY_EVENT: Final = b"\x1a\x00"
"""A message with a CloudEvent in which there is nothing: field 3, of length 0."""


def new(what: str) -> str:
    """A name that nobody has."""
    return f"conform-{what}-{uuid.uuid4().hex[:8]}"


async def answer_all(peer: PlainPeer) -> None:
    """Answer every Echo with its own content, until cancelled."""
    while True:
        request = await peer.requests.get()
        await peer.write(encode_plain(Response(request.request_id, request.payload)))


async def pair(visit: Visit, agent_type: str) -> tuple[PlainPeer, PlainPeer]:
    """Who asks, and who holds the agent type."""
    asker, holder = await visit.peer().open(), await visit.peer().open()
    await holder.register(agent_type)
    return asker, holder


async def accepts_workers(visit: Visit) -> None:
    """A worker's channel is accepted, and its agent type registered."""
    await (await visit.peer().open()).register(new("type"))


async def wants_a_client_id(visit: Visit) -> None:
    """A call without the metadata client-id is INVALID_ARGUMENT."""
    await refused(visit.peer("").call("GetSubscriptions"), "a call without a client id")


async def refuses_a_type_that_is_taken(visit: Visit) -> None:
    """A second worker that registers an agent type gets INVALID_ARGUMENT."""
    agent_type = new("taken")
    asker, _ = await pair(visit, agent_type)
    await refused(asker.register(agent_type), "registering a type that another worker holds")


async def refused(call: Awaitable[object], what: str) -> None:
    """Raises Failed unless the call ends with INVALID_ARGUMENT."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        expect(error.code(), grpc.StatusCode.INVALID_ARGUMENT, f"the status of {what}")
        return
    raise Failed(f"{what} should be refused, and was accepted")


async def delivers_direct_messages(visit: Visit) -> None:
    """A direct message reaches the worker that has the agent type, and the reply its sender."""
    agent_type = new("echo")
    asker, holder = await pair(visit, agent_type)
    asked = await asker.begin(f"{agent_type}/k", "Echo", {"text": "grüß dich 🙂"})
    request = await holder.request()
    expect((request.target.key, request.payload), ("k", payload("Echo", {"text": "grüß dich 🙂"})), "the message")
    await holder.reply(request, "Echo", {"text": "you too"})
    expect((await asker.response(asked)).payload, payload("Echo", {"text": "you too"}), "the reply")


async def passes_on_errors(visit: Visit) -> None:
    """An error that a worker answers with reaches the sender, with its text."""
    agent_type = new("broken")
    asker, holder = await pair(visit, agent_type)
    asked = await asker.begin(f"{agent_type}/k", "Echo", {})
    await holder.reply(await holder.request(), error="the soup is cold")
    response = await asker.response(asked)
    if response.failure is None or "the soup is cold" not in response.failure.text:
        raise Failed(f"the error's text should be in the response, which is {response!r:.200}")


async def answers_for_types_that_nobody_has(visit: Visit) -> None:
    """A direct message to an agent type that nobody has is answered with an error."""
    asker = await visit.peer().open()
    await asker.error(f"{new('nobody')}/k", "Echo", {})


async def tells_of_a_lost_worker(visit: Visit) -> None:
    """When a worker is lost, whoever waits for its reply gets an error."""
    agent_type = new("mortal")
    asker, holder = await pair(visit, agent_type)
    asked = await asker.begin(f"{agent_type}/k", "Echo", {})
    await holder.request()
    await holder.close()
    response = await asker.response(asked)
    if response.failure is None:
        raise Failed(f"a lost worker should be an error, and the reply was {response.payload!r:.200}")


async def frees_the_types_of_a_lost_worker(visit: Visit) -> None:
    """When a worker is gone, another may register its agent types."""
    agent_type = new("heir")
    asker, holder = await pair(visit, agent_type)
    await holder.close()
    end_s = asyncio.get_running_loop().time() + visit.limit_s
    while True:
        try:
            await asker.register(agent_type)
        except grpc.aio.AioRpcError as error:
            if asyncio.get_running_loop().time() > end_s:
                raise Failed(f"the type is still taken: {error.details()}") from None
            await asyncio.sleep(0.05)
        else:
            return


async def keeps_request_ids_apart(visit: Visit) -> None:
    """Two workers may use the same request id at the same time: each gets its own reply."""
    agent_type = new("twice")
    first, holder = await pair(visit, agent_type)
    second = await visit.peer().open()
    asked = [await peer.begin(f"{agent_type}/k", "Echo", {"text": name}, request_id="1")
             for peer, name in ((first, "first"), (second, "second"))]  # fmt: skip
    requests = [await holder.request() for _ in asked]
    for request in requests:
        await holder.write(encode_plain(Response(request.request_id, request.payload)))
    for future, name in zip(asked, ("first", "second"), strict=True):
        expect((await (first if name == "first" else second).response(future)).payload,
               payload("Echo", {"text": name}), f"the reply to the {name}")  # fmt: skip


async def delivers_published_messages(visit: Visit) -> None:
    """A published message reaches every worker that subscribed its topic, and no other."""
    topic, other, types = new("news"), new("other"), (new("reader"), new("reader"), new("elsewhere"))
    publisher = await visit.peer().open()
    readers = [await (await visit.peer().open()).register(agent_type) for agent_type in types]
    for reader, agent_type, wanted in zip(readers, types, (topic, topic, other), strict=True):
        await reader.subscribe(wanted, agent_type)
    await publisher.publish(f"{topic}/today", "Note", {"text": "rain"})
    await publisher.publish(f"{other}/today", "Note", {"text": "sun"})
    for reader, wanted, text in zip(readers, (topic, topic, other), ("rain", "rain", "sun"), strict=True):
        event = await reader.event()
        seen = str(event.topic), event.payload
        expect(seen, (f"{wanted}/today", payload("Note", {"text": text})), "the first message that came")


async def keeps_order(visit: Visit) -> None:
    """Published messages of one worker reach another in the order in which they were sent."""
    topic, agent_type = new("order"), new("reader")
    publisher, reader = await pair(visit, agent_type)
    await reader.subscribe(topic, agent_type)
    texts = [str(n) for n in range(MANY)]
    for text in texts:
        await publisher.publish(f"{topic}/s", "Note", {"text": text})
    seen = [(await reader.event()).payload.data for _ in texts]
    expect(seen, [payload("Note", {"text": text}).data for text in texts], "the order")


async def spares_the_publisher_its_own_message(visit: Visit) -> None:
    """An agent does not receive what it published itself."""
    topic, agent_type, other = new("own"), new("publisher"), new("reader")
    publisher, reader = await pair(visit, other)
    await publisher.register(agent_type)
    await publisher.subscribe(topic, agent_type)
    await reader.subscribe(topic, other)
    await publisher.publish(f"{topic}/k", "Note", {"text": "mine"}, sender=f"{agent_type}/k")
    await reader.event()
    await reader.publish(f"{topic}/k", "Note", {"text": "of another"}, sender=f"{other}/k")
    expect((await publisher.event()).payload, payload("Note", {"text": "of another"}), "the first message that came")


async def lists_and_removes_subscriptions(visit: Visit) -> None:
    """A subscription is listed until it is removed, and then has no more effect."""
    first, second, agent_type = new("first"), new("second"), new("reader")
    publisher, reader = await pair(visit, agent_type)
    ids = [await reader.subscribe(topic, agent_type) for topic in (first, second)]

    async def listed() -> set[str]:
        return {one.id for one in calls.decode_subscriptions(await reader.call("GetSubscriptions"))} & set(ids)

    expect(await listed(), set(ids), "the subscriptions that are listed")
    await reader.unsubscribe(ids[0])
    expect(await listed(), {ids[1]}, "the subscriptions that are listed after one was removed")
    for topic in (first, second):
        await publisher.publish(f"{topic}/k", "Note", {"text": topic})
    expect((await reader.event()).topic.type, second, "the topic of the message that came")


async def refuses_an_equal_subscription(visit: Visit) -> None:
    """Subscribing the same twice is INVALID_ARGUMENT."""
    topic, agent_type = new("twice"), new("reader")
    _, reader = await pair(visit, agent_type)
    await reader.subscribe(topic, agent_type)
    await refused(reader.subscribe(topic, agent_type), "an equal subscription")


async def survives_garbage(visit: Visit) -> None:
    """Bytes that are no message, an empty one, and a reply to nothing harm no other worker."""
    agent_type = new("echo")
    asker, holder = await pair(visit, agent_type)
    bad = await visit.peer().open()
    for data in (b"\xff\xff\xff", b"", EMPTY_EVENT):
        await bad.write(data)
    await bad.write(encode_plain(Response("nobody-asked-this", payload("Echo", {}))))
    answering = asyncio.ensure_future(answer_all(holder))
    try:
        expect(await asker.ask(f"{agent_type}/k", "Echo", {"text": "?"}), {"text": "?"}, "the reply to another worker")
    finally:
        answering.cancel()


CHECKS: Final = (
    accepts_workers,
    wants_a_client_id,
    refuses_a_type_that_is_taken,
    delivers_direct_messages,
    passes_on_errors,
    answers_for_types_that_nobody_has,
    tells_of_a_lost_worker,
    frees_the_types_of_a_lost_worker,
    keeps_request_ids_apart,
    delivers_published_messages,
    keeps_order,
    spares_the_publisher_its_own_message,
    lists_and_removes_subscriptions,
    refuses_an_equal_subscription,
    survives_garbage,
)
