"""The lab's copy of the journal tells of every message what became of it, also when the host ends meanwhile."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass

import psutil
import pytest
from conftest import Cast
from until import until

from agentlab import MessageContext, RoutedAgent, TopicId, TypeSubscription, event, try_get_known_serializers_for_type
from agentlab.core import journal as j
from agentlab.core.journal import FIELDS, JournalEvent
from agentlab.host import streams
from agentlab.lab.watching import HOST_ENDED, JournalWatcher
from agentlab.wire.security import Credentials
from agentlab.wire.watching import JournalBatch

TOPIC = TopicId("t", "k")


@dataclass
class News:
    """A published message."""

    n: int


class Reader(RoutedAgent):
    """Never comes to the end of the news."""

    def __init__(self) -> None:
        super().__init__("reads for ever")

    @event
    async def on_news(self, message: News, ctx: MessageContext) -> None:
        await asyncio.Event().wait()


def step(seq: int, what: str, message_id: str, recipient: str = "", detail: str = "") -> JournalEvent:
    """An event of a published message."""
    own = {"what": what, "message_id": message_id, "recipient": recipient, "detail": detail, "kind": j.EVENT}
    process = "worker" if what in (j.SENT, j.RECEIVED, j.HANDLED) else j.HOST
    plain = dict.fromkeys(FIELDS, "") | {"size": 1, "time_ns": seq, "lamport": seq, "process": process, "topic": "t/k"}
    return JournalEvent(**(plain | own | {"seq": seq}))  # type: ignore[arg-type]


def watcher() -> JournalWatcher:
    return JournalWatcher("127.0.0.1:1", 1000, Credentials(), {"silent"})


async def test_what_was_under_way_when_a_host_ended_is_lost() -> None:
    watching = watcher()
    events = [
        step(1, j.SENT, "ended"),
        step(2, j.ARRIVED, "ended"),
        step(3, j.LEFT, "ended", "a/k", "worker"),
        step(4, j.LEFT, "ended", "b/k", "worker"),
        step(5, j.RECEIVED, "ended", "a/k"),
        step(6, j.HANDLED, "ended", "a/k"),
        step(7, j.LEFT, "quiet", "c/k", "silent"),
        step(8, j.ARRIVED, "not routed"),
    ]
    assert await watching._take(JournalBatch("first", events, 0))
    for name in "second", "third":
        assert not await watching._take(JournalBatch(name, [], 0))
        assert await watching._take(JournalBatch(name, [step(1, j.ARRIVED, name)], 0))
    lost = [event for event in watching.journal if event.what == j.LOST]
    assert [(e.message_id, e.recipient, e.detail) for e in lost] == [
        ("ended", "b/k", HOST_ENDED), ("not routed", "", HOST_ENDED), ("second", "", HOST_ENDED),
    ]  # fmt: skip
    assert all(event.process == j.HOST and event.topic == "t/k" for event in lost)
    assert min(event.time_ns for event in lost[:2]) == 8


async def test_what_a_sender_is_in_doubt_about_is_not_lost_when_it_was_seen_to_arrive() -> None:
    watching = watcher()
    first = [step(1, j.ARRIVED, "seen"), step(2, j.LEFT, "seen", "a/k", "worker"), step(3, j.HANDLED, "seen", "a/k")]
    assert await watching._take(JournalBatch("first", first, 0))
    assert not await watching._take(JournalBatch("second", [], 0))
    second = [step(n + 1, (j.SENT, j.LOST)[n % 2], ("seen", "unseen")[n // 2]) for n in range(4)]
    assert await watching._take(JournalBatch("second", second, 0))
    assert [(e.message_id, e.what) for e in watching.journal][3:] == [("unseen", j.SENT), ("unseen", j.LOST)]


async def test_a_host_that_stops_is_read_to_the_end(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "WATCH_PACE", 5)
    monkeypatch.setattr(streams, "WATCH_BATCH", 5)
    monkeypatch.setattr(streams, "WATCH_PERIOD_S", 0.005)
    host = cast.host()
    worker = await cast.worker(host, "reader")
    worker.add_message_serializer(try_get_known_serializers_for_type(News))
    await Reader.register(worker, "reader", Reader)
    await worker.add_subscription(TypeSubscription("t", "reader"))
    watching = JournalWatcher(host.address, 1000, Credentials())
    watching.start()
    try:
        for n in range(30):
            await worker.publish_message(News(n), TOPIC, message_id=f"m-{n}")
        await until(lambda: sum(event.what == j.STARTED for event in watching.journal) == 30)
        await host.stop()
        await until(lambda: sum(event.what == j.LOST for event in watching.journal) == 30)
        assert [e.detail for e in watching.journal if e.what == j.GONE] == ["the host stopped"]
    finally:
        await watching.stop()


async def test_following_one_host_after_the_other_leaves_no_connection_behind(cast: Cast) -> None:
    host = cast.host()
    port = int(host.address.rpartition(":")[2])

    def connections() -> int:
        return sum(bool(c.raddr) and c.raddr.port == port for c in psutil.Process().net_connections())

    watching = JournalWatcher(host.address, 1000, Credentials())
    watching.start()
    gc.disable()  # what is left shall not be tidied up by chance
    try:
        for times in range(1, 4):
            host.router.book.note("somebody", j.JOINED)
            await until(lambda times=times: sum(e.what == j.JOINED for e in watching.journal) == times)  # type: ignore[misc]
            await until(lambda: connections() == 1)
            await host.stop(grace=0)
            host = cast.host(host.address)
    finally:
        gc.enable()
        await watching.stop()
