"""More than 20,000 generated inputs against a running host, while two honest workers talk.

They come in batches: a batch is an example of hypothesis, after which the host is asked how it is. What it does not
stand is made smaller until it would stand anything smaller, and is then printed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from itertools import count
from random import Random
from typing import Any
from unittest.mock import patch

import grpc
import grpc.aio
import hypothesis
import psutil
import pytest
from child_scripts.actor import Actor, Order, Report
from child_scripts.child import Child
from conftest import Cast
from google.protobuf.internal.encoder import _VarintBytes
from hypothesis import strategies as st
from raw import LIMIT_S, RawClient, raw_client
from until import until

from agentlab import AgentId, Tokens, WorkerRuntime, try_get_known_serializers_for_type
from agentlab.wire import calls, watching
from agentlab.wire.frames import encode_frame
from agentlab.wire.parcels import Hello, Payload, Request
from agentlab.wire.rows import row_of

from . import hostile

SEED = int(os.environ.get("AGENTLAB_SEED", "0")) or Random().getrandbits(32)
"""Printed by every test that fails; given back in the environment, it repeats the run."""

TOKENS = Tokens()
STREAM_BATCHES, CALL_BATCHES, GREETING_BATCHES = 200, 210, 60
"""Examples: with some 120 messages, 30 calls or 30 connections in each."""
SHRINKING_S = 40
"""How long an example that fails is made smaller: the test has a limit of its own."""
MOST_MEMORY = 300 * 1024 * 1024
"""Bytes by which a host's memory may have grown: its journal, and what gRPC keeps for later."""


class Honest:
    """Two workers that talk all the while, and whose calls must all succeed."""

    def __init__(self, asker: WorkerRuntime, host: psutil.Process) -> None:
        self._asker = asker
        self._host = host
        self.calls = 0
        self.waited_s = 0.0
        """How long the host worked, at most, from one reply to the next."""
        self._talking = asyncio.ensure_future(self._talk())

    async def _talk(self) -> None:
        worked_s = _worked_s(self._host)
        while True:
            before_s, worked_s = worked_s, _worked_s(self._host)
            self.waited_s = max(self.waited_s, worked_s - before_s)
            self.calls += 1
            reply = await self._asker.send_message(Order("echo", self.calls), AgentId("actor", "k"), deadline_s=30)
            assert reply == Report(self.calls)
            await asyncio.sleep(0.005)

    async def end(self) -> None:
        """Every call so far has had its reply, and the next one has."""
        sofar = self.calls
        await until(lambda: self._talking.done() or self.calls > sofar + 1, 40)
        self._talking.cancel()
        results = await asyncio.gather(self._talking, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError), results[0]


def _worked_s(process: psutil.Process) -> float:
    """Its processor's time: what a busy machine does otherwise is not in it."""
    times = process.cpu_times()
    return times.user + times.system


class Target:
    """A host in a process of its own, and what must be true of it after an attack."""

    honest: Honest

    def __init__(self, child: Child) -> None:
        self.child = child
        self.address = child.address
        self.process = psutil.Process(child.pid)
        self.memory = self.process.memory_info().rss
        self.files = self.process.num_fds()
        self.died = False

    def check(self) -> None:
        """It runs, and logged nothing worse than a warning since it was looked at last."""
        self.died = not self.process.is_running() or self.process.status() == psutil.STATUS_ZOMBIE
        log = self.child.new_log()
        bad = [line for line in log.splitlines() if line.startswith(("ERROR", "CRITICAL")) or "Traceback" in line]
        assert not bad, "\n".join(bad[:5]) + "\n" + log[log.find("Traceback") :][:3000]
        assert not self.died, log

    async def stands(self) -> None:
        """It also took little memory, and keeps no connection."""
        await until(lambda: self.died or self.process.num_fds() <= self.files + 5, 30)
        self.check()
        assert self.process.memory_info().rss - self.memory < MOST_MEMORY


@pytest.fixture
async def attacked(cast: Cast, children: list[Child]) -> AsyncIterator[Target]:
    """A host with two honest workers, which is looked at after the test."""
    options: dict[str, Any] = {"worker": TOKENS.worker, "owner": TOKENS.owner}
    children.append(await Child.start("host", tokens=options, journal_capacity=2_000))
    address = children[0].address
    actor = await cast.worker(address, "actor", token=TOKENS.worker)
    asker = await cast.worker(address, "asker", token=TOKENS.worker)
    await Actor.register(actor, "actor", Actor)
    asker.add_message_serializer(try_get_known_serializers_for_type(Report))
    target = Target(children[0])
    honest = target.honest = Honest(asker, target.process)
    await until(lambda: honest.calls > 3)
    print(f"AGENTLAB_SEED={SEED}")
    yield target
    await honest.end()
    await target.stands()


async def attack(
    target: Target, examples: int, strategy: st.SearchStrategy[Any], strike: Callable[[Any], Awaitable[None]]
) -> None:
    """Let the host have so many examples, each of which it must stand. They are made in a thread of their own, so that
    the honest go on meanwhile."""
    loop = asyncio.get_running_loop()

    async def one(batch: Any) -> None:
        await strike(batch)
        target.check()

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def example(batch: Any) -> None:
        if not target.died:  # and else it is said that it does not fail again: nobody can ask a dead host
            asyncio.run_coroutine_threadsafe(one(batch), loop).result(4 * LIMIT_S)

    with patch("hypothesis.internal.conjecture.engine.MAX_SHRINKING_SECONDS", SHRINKING_S):
        await asyncio.to_thread(example)


async def test_mutated_messages_on_every_stream(attacked: Target) -> None:
    numbers, sent = count(), 0
    link, plain, controls = (
        (calls.LINK, "Open"),
        (calls.AGENT_RPC, "OpenChannel"),
        (calls.AGENT_RPC, "OpenControlChannel"),
    )

    async def send(
        channel: grpc.aio.Channel, method: tuple[str, str], first: list[bytes], inputs: Iterable[bytes]
    ) -> None:
        """A stream from its beginning to its end: when the host ends it, it has looked at everything."""
        nonlocal sent
        client = RawClient(channel, f"flood-{next(numbers)}", TOKENS.worker)
        client.stream = client.begin(*method)
        reading = asyncio.ensure_future(_drain(client.stream))
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for data in [*first, *inputs]:
                sent += 1
                await asyncio.wait_for(client.stream.write(data), LIMIT_S)
            await client.stream.done_writing()
        await asyncio.wait_for(reading, LIMIT_S)

    async with raw_client(attacked.address, "owner", TOKENS.owner) as owner:

        async def strike(batch: tuple[str, hostile.Inputs, hostile.Inputs, hostile.Inputs]) -> None:
            name, *inputs = batch
            hello = [] if name == "s1" else [encode_frame(hello=Hello(name[:200], 0, "hostile"))]
            await asyncio.gather(
                send(owner.channel, link, hello, inputs[0]),
                send(owner.channel, plain, [], inputs[1]),
                send(owner.channel, controls, [], inputs[2]),
            )

        batch = st.tuples(hostile.names, hostile.frame_inputs, hostile.plain_inputs, hostile.control_inputs)
        await attack(attacked, STREAM_BATCHES, batch, strike)
        snapshot = watching.decode_snapshot(await owner.call(calls.LINK, "Snapshot"))
    print(f"{sent} messages", snapshot.counters)
    assert sent > 15_000
    # They were looked at: very many were illegal, and very many legal, and for nobody.
    assert snapshot.counters["illegal"] > 1000
    assert snapshot.counters["no subscriber"] > 100
    assert snapshot.counters["unasked reply"] > 20


async def _drain(stream: Any) -> None:
    """Read what comes, as a worker would."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        while await stream.read() is not grpc.aio.EOF:
            pass


async def test_mutated_calls_and_hostile_metadata(attacked: Target) -> None:
    codes: set[grpc.StatusCode] = set()
    numbers = count()

    async with raw_client(attacked.address, "", None) as client:

        async def ask(call: hostile.Call) -> None:
            number = next(numbers)
            one = RawClient(
                client.channel, f"unary-{number % 20}", [TOKENS.worker, TOKENS.worker, TOKENS.owner, None][number % 4]
            )
            try:
                await client.channel.unary_unary(call.path)(
                    call.data, metadata=(*one.metadata, *call.metadata), timeout=LIMIT_S
                )
            except grpc.aio.AioRpcError as error:
                codes.add(error.code())

        async def strike(batch: list[hostile.Call]) -> None:
            await asyncio.gather(*map(ask, batch))
            assert grpc.StatusCode.UNKNOWN not in codes, "an exception came out of a call"

        await attack(attacked, CALL_BATCHES, hostile.several(hostile.unary_calls, 40), strike)
    asked = next(numbers)
    print(f"{asked} calls")
    assert asked > 4_000
    assert {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
    } <= codes


@pytest.fixture
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_many_files")
async def test_random_bytes_broken_http2_and_a_thousand_connections_that_stay(attacked: Target) -> None:
    host, _, port = attacked.address.rpartition(":")
    together = asyncio.Semaphore(100)
    struck = 0

    async def greet(data: bytes) -> asyncio.StreamWriter:
        async with together:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), LIMIT_S)
            with contextlib.suppress(OSError):
                writer.write(data)
                await writer.drain()
            return writer

    async def leave(writer: asyncio.StreamWriter) -> None:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def strike(batch: list[bytes]) -> None:
        nonlocal struck
        struck += len(batch)
        await asyncio.gather(*map(leave, await asyncio.gather(*map(greet, batch))))

    await attack(attacked, GREETING_BATCHES, hostile.several(hostile.greetings, 40), strike)
    print(f"{struck} connections")
    assert struck > 1_000
    # They say nothing, or half a greeting, or a greeting and half a frame; and then a byte now and then.
    greetings = [b"", hostile.PREFACE[:12], hostile.PREFACE, hostile.PREFACE + b"\0\0\x10\x01\x04\0\0\0\x01\x82"]
    held = await asyncio.gather(*(greet(greetings[n % 4]) for n in range(1000)))
    for _ in range(5):
        await asyncio.sleep(0.1)
        for writer in held:
            with contextlib.suppress(OSError):
                writer.write(b"\0")
    newcomer = WorkerRuntime(attacked.address, token=TOKENS.worker, connect_timeout_s=30)
    await newcomer.start()  # among a thousand others
    await newcomer.stop()
    await asyncio.gather(*map(leave, held))


async def test_streams_that_are_opened_and_left_half_open(attacked: Target) -> None:
    async with raw_client(attacked.address, "", TOKENS.worker) as client:
        streams = []
        for n in range(90):
            client.client_id = f"half-{n}"
            service, method = [(calls.LINK, "Open"), (calls.AGENT_RPC, "OpenChannel"), (calls.LINK, "Watch")][n % 3]
            if method == "Watch":  # one that never reads, with the token for it
                client.token = TOKENS.owner
                streams.append(client.channel.unary_stream(f"/{service}/Watch")(b"\x10\x01", metadata=client.metadata))
                client.token = TOKENS.worker
            else:
                streams.append(client.begin(service, method))
        for stream in streams[::7]:
            with contextlib.suppress(AttributeError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await stream.write(b"\xff" * 10)
        await asyncio.sleep(0.5)
        for stream in streams:
            stream.cancel()


def _repeated(field: int, item: bytes = b"", size: int = 8_000_000) -> bytes:
    """A field so many times that they make a message of this size."""
    one = _field(field, item)
    return one * (size // len(one))


def _field(number: int, data: bytes) -> bytes:
    return _VarintBytes(number << 3 | 2) + _VarintBytes(len(data)) + data


def _map(field: int, size: int = 8_000_000) -> bytes:
    """A map of texts, with as many entries as have room."""
    return b"".join(_field(field, b"\x0a\x06%06x" % n) for n in range(size // 10))


LONG_WORK = {
    "objects of a frame": (calls.LINK, "Open", lambda: [_repeated(8)]),
    "metadata of a frame's object": (calls.LINK, "Open", lambda: [_field(8, b"\x08\x01" + _field(14, _map(1)))]),
    "metadata of a frame's row": (
        calls.LINK,
        "Open",
        lambda: [_field(3, _field(14, b"\x08\x00" + _field(2, _map(1))))],
    ),
    "rows of a table": (calls.LINK, "Open", lambda: [_field(3, _repeated(2))]),
    "requests for nobody": (calls.LINK, "Open", lambda: [encode_frame([row_of(FOR_NOBODY)] * 19_000)]),
    "metadata": (calls.AGENT_RPC, "OpenChannel", lambda: [_field(1, _map(6))]),
    "attributes": (calls.AGENT_RPC, "OpenChannel", lambda: [_field(3, _map(5))]),
}
FOR_NOBODY = Request("r", AgentId("nobody-of-this-name", "k"), Payload("Order", "application/json", b"{}"))


async def test_a_message_that_would_take_long_to_read_is_refused_or_gives_way_to_others(attacked: Target) -> None:
    async with raw_client(attacked.address, "heavy", TOKENS.worker) as client:
        for n in range(300):  # one of them might be meant
            await client.agent_rpc("RegisterAgent", calls.encode_register_agent(f"nobody-of-that-name-{n}"))
        for what, (service, method, make) in LONG_WORK.items():
            attacked.honest.waited_s = 0.0
            one = RawClient(client.channel, f"heavy {what}", TOKENS.worker)
            stream = one.begin(service, method)
            if method == "Open":
                await stream.write(encode_frame(hello=Hello(what, 0, "heavy")))
            reading = asyncio.ensure_future(_drain(stream))
            for data in make():
                await stream.write(data)
            await stream.done_writing()
            await asyncio.wait_for(reading, 60)
            calls_so_far = attacked.honest.calls
            await until(lambda so_far=calls_so_far: attacked.honest.calls > so_far + 2, 30)  # type: ignore[misc]
            print(f"{what}: {attacked.honest.waited_s:.2f} s")
            assert attacked.honest.waited_s < 0.5, what
    attacked.check()
