"""Published messages whose stream is lost: the journal says of each that it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from conftest import Cast
from until import until

from agentlab import (
    AgentId,
    HostService,
    MessageContext,
    RoutedAgent,
    TopicId,
    TypeSubscription,
    WorkerRuntime,
    message_handler,
)
from agentlab.core import journal as j
from agentlab.core.journal import Journal
from agentlab.worker import outbox, unconfirmed

from .cast import Number, Recorder, teach

TOPIC = TopicId("t", "k")


class Cable:
    """A cable: the network between a worker and its host. What goes in may be kept from coming out, and then be cut."""

    def __init__(self, to: str) -> None:
        self.passes = True
        self.swallowed = 0
        self._to = to.rpartition(":")
        self._ends: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._to
        try:
            there_reader, there_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        self._ends += [writer, there_writer]
        for source, target, outward in (reader, there_writer, True), (there_reader, writer, False):
            task = asyncio.ensure_future(self._carry(source, target, outward))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, outward: bool) -> None:
        try:
            while data := await source.read(65536):
                if outward and not self.passes:
                    self.swallowed += len(data)
                else:
                    target.write(data)
        except ConnectionError:
            pass
        finally:
            target.close()

    def cut(self) -> None:
        """Every connection is gone; the next one passes."""
        ends, self._ends = self._ends, []
        for end in ends:
            end.transport.abort()
        self.passes = True

    async def stop(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()
        while self._tasks:
            await asyncio.gather(*self._tasks)


@pytest.fixture
async def cable(host: HostService) -> AsyncIterator[Cable]:
    cable = Cable(host.address)
    yield cable
    await cable.stop()


async def _listener(cast: Cast, host: HostService) -> Recorder:
    worker = await cast.worker(host, "listener")
    await Recorder.register(worker, "recorder", Recorder)
    await worker.add_subscription(TypeSubscription("t", "recorder"))
    return await worker.try_get_underlying_agent_instance(AgentId("recorder", "k"), Recorder)


async def _publish(worker: WorkerRuntime, *numbers: int) -> None:
    for n in numbers:
        await worker.publish_message(Number(n), TOPIC, message_id=f"m-{n}")


def _fates(journal: Journal) -> dict[str, list[str]]:
    """What the journal says of each published message before it has receivers."""
    fates: dict[str, list[str]] = {}
    for event in journal:
        if event.kind == j.EVENT and not event.recipient:
            fates.setdefault(event.message_id, []).append(event.what)
    return fates


ARRIVED = [j.SENT, j.ARRIVED]
LOST = [j.SENT, j.LOST]


async def test_what_was_written_to_a_connection_that_was_cut_is_journaled_as_lost(
    cast: Cast, host: HostService, cable: Cable
) -> None:
    agent = await _listener(cast, host)
    worker = await cast.worker(await cable.start(), "publisher")
    teach(worker)
    await _publish(worker, 1, 2, 3)
    await until(lambda: agent.count == 3)
    cable.passes = False
    await _publish(worker, 4, 5)
    await until(lambda: cable.swallowed and not worker._connection.outbox.waiting)
    cable.cut()
    await until(lambda: not worker.connected)
    await _publish(worker, 6)
    await until(lambda: agent.count == 4)
    fates = dict.fromkeys(("m-1", "m-2", "m-3", "m-6"), ARRIVED) | dict.fromkeys(("m-4", "m-5"), LOST)
    assert _fates(host.journal) == fates
    event = next(event for event in host.journal if event.what == j.LOST)
    assert (event.process, event.type, event.topic) == ("publisher", "Number", "t/k")
    assert "never arrived at the host" in event.detail
    assert host.router.counters["lost on the way"] == 2


async def test_what_is_published_while_the_connection_is_being_lost_arrives_or_is_journaled_as_lost(
    cast: Cast, host: HostService, cable: Cable
) -> None:
    worker = await cast.worker(await cable.start(), "publisher")
    teach(worker)
    for n in range(5):
        await _publish(worker, n)
        cable.cut()
        await until(lambda n=n: len(_fates(host.journal)) == n + 1)  # type: ignore[misc]
        await until(lambda: worker.connected)
    assert all(fate in ([*ARRIVED, j.DROPPED], LOST) for fate in _fates(host.journal).values())


async def test_a_host_that_took_the_others_place_hears_of_what_may_be_lost(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unconfirmed, "CONFIRM_S", 0.05)
    first = cast.host()
    worker = await cast.worker(first, "publisher")
    teach(worker)
    await _publish(worker, 1)
    kept = worker._connection.outbox.unconfirmed
    await until(lambda: len(kept))
    await until(lambda: not len(kept))  # asked and answered: it arrived, and there was time to read of it
    monkeypatch.setattr(unconfirmed, "CONFIRM_S", 60.0)
    await _publish(worker, 2)
    await until(lambda: "m-2" in _fates(first.journal))
    await first.stop(grace=0)
    second = cast.host(first.address)
    await until(lambda: _fates(second.journal) == {"m-2": LOST})
    assert [event.detail for event in second.journal if event.what == j.LOST] == [unconfirmed.UNKNOWN]


async def test_nothing_is_told_of_a_copy_that_came_over_an_earlier_connection(
    cast: Cast, host: HostService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may by then be another copy's."""
    monkeypatch.setattr(outbox, "REPORT_WAIT_S", 3600.0)  # nothing of it is told while it is being handled
    inside, gate = asyncio.Event(), asyncio.Event()

    class Slow(RoutedAgent):
        @message_handler
        async def on_number(self, message: Number, ctx: MessageContext) -> None:
            inside.set()
            await gate.wait()

    here, there = await cast.worker(host, "here"), await cast.worker(host, "there")
    teach(here, there)
    await Slow.register(there, "slow", lambda: Slow("waits"))
    await there.add_subscription(TypeSubscription(TOPIC.type, "slow"))
    await there.publish_message(Number(), TopicId("nobody", "k"))
    await there.flush()  # it is busy: it wrote something just now
    await _publish(here, 1)
    await inside.wait()
    (connection,) = (one for one in host.router.connections.values() if one.name == "there")
    assert len(connection.outstanding) == 1
    connection.close("cut by the test")
    await until(lambda: there.connected and connection not in host.router.connections.values())
    gate.set()
    await until(lambda: not there._deliveries.tasks)
    await there.flush()
    await there.snapshot()  # what was written before was read
    assert "unknown report" not in host.router.counters
    assert [e.what for e in host.journal if e.kind == j.EVENT and e.recipient] == [j.LEFT, j.LOST]


async def test_workers_on_one_machine_do_not_learn_the_hosts_time(
    cast: Cast, host: HostService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unconfirmed, "CONFIRM_S", 0.02)
    worker = await cast.worker(host)
    teach(worker)
    await _publish(worker, 1)
    kept = worker._connection.outbox.unconfirmed
    await until(lambda: len(kept))
    await until(lambda: not len(kept))
    assert not worker._connection.clock._samples
