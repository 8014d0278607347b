"""More than 20,000 generated inputs against a running host, while two honest workers talk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import grpc
import grpc.aio
import psutil
import pytest
from child_scripts.actor import Actor, Order, Report
from child_scripts.child import Child
from conftest import Cast
from raw import LIMIT_S, raw_client
from until import until

from agentlab import AgentId, Tokens, WorkerRuntime, try_get_known_serializers_for_type
from agentlab.wire import calls, watching

from . import hostile

SEED = int(os.environ.get("AGENTLAB_SEED", "0")) or Random().getrandbits(32)
"""Printed by every test that fails; given back in the environment, it repeats the run."""

TOKENS = Tokens()
STREAM_MESSAGES, UNARY_CALLS, CONNECTIONS, STRANGE_METADATA = 15_000, 4_000, 1_000, 300
MOST_MEMORY = 300 * 1024 * 1024
"""Bytes by which a host's memory may have grown: its journal, and what gRPC keeps for later."""


class Honest:
    """Two workers that talk all the while, and whose calls must all succeed."""

    def __init__(self, asker: WorkerRuntime) -> None:
        self._asker = asker
        self.calls = 0
        self._talking = asyncio.ensure_future(self._talk())

    async def _talk(self) -> None:
        while True:
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


class Target:
    """A host in a process of its own, and what must be true of it after an attack."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.address = child.address
        self.process = psutil.Process(child.pid)
        self.memory = self.process.memory_info().rss
        self.files = self.process.num_fds()

    async def stands(self) -> None:
        """It runs, took little memory, keeps no connection, and logged nothing worse than a warning."""
        await until(lambda: self.process.num_fds() <= self.files + 5, 30)
        assert self.process.status() != psutil.STATUS_ZOMBIE
        assert self.process.memory_info().rss - self.memory < MOST_MEMORY, f"seed {SEED}"
        log = self.child.log()
        bad = [line for line in log.splitlines() if line.startswith(("ERROR", "CRITICAL")) or "Traceback" in line]
        assert not bad, f"seed {SEED}\n" + "\n".join(bad[:5]) + log[log.find("Traceback") :][:3000]


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
    target, honest = Target(children[0]), Honest(asker)
    await until(lambda: honest.calls > 3)
    print(f"AGENTLAB_SEED={SEED}")
    yield target
    await honest.end()
    await target.stands()


async def test_mutated_messages_on_every_stream(attacked: Target) -> None:
    methods = [(calls.LINK, "Open"), (calls.AGENT_RPC, "OpenChannel"), (calls.AGENT_RPC, "OpenControlChannel")]

    async def flood(number: int) -> None:
        random = Random(f"{SEED} stream {number}")
        service, method = methods[number % 3]
        sent = 0
        while sent < STREAM_MESSAGES / 12:
            async with raw_client(attacked.address, f"flood-{number}-{sent}", TOKENS.worker) as client:
                if method == "Open" and random.random() < 0.9:
                    await client.open_link(hostile.text(random)[:200])  # a longer one is refused
                else:
                    client.stream = client.begin(service, method)
                reading = asyncio.ensure_future(_drain(client.stream))
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    for _ in range(250):
                        sent += 1
                        await asyncio.wait_for(client.stream.write(hostile.stream_message(random, method)), LIMIT_S)
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    await asyncio.gather(*(flood(number) for number in range(12)))
    async with raw_client(attacked.address, "owner", TOKENS.owner) as owner:
        snapshot = watching.decode_snapshot(await owner.call(calls.LINK, "Snapshot"))
    # They were looked at: very many were illegal, and very many legal, and for nobody.
    assert snapshot.counters["illegal"] > 1000
    assert snapshot.counters["no subscriber"] > 100
    assert snapshot.counters["unasked reply"] > 100


async def _drain(stream: Any) -> None:
    """Read what comes, as a worker would."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        while await stream.read() is not grpc.aio.EOF:
            pass


async def test_mutated_calls_and_hostile_metadata(attacked: Target) -> None:
    codes: set[grpc.StatusCode] = set()

    async def flood(number: int) -> None:
        random = Random(f"{SEED} unary {number}")
        token = [TOKENS.worker, TOKENS.worker, TOKENS.owner, None][number % 4]
        async with raw_client(attacked.address, f"unary-{number}", token) as client:
            for n in range(UNARY_CALLS // 8):
                service, method, request = hostile.unary(random)
                metadata = client.metadata
                if n < STRANGE_METADATA / 8:
                    junk = "".join(chr(random.randrange(0x20, 0x7F)) for _ in range(random.choice([0, 5, 4000])))
                    keys = ["client-id", "authorization", "agentlab-name", "x", "grpc-timeout-x", "y-bin"]
                    key = random.choice(keys)
                    metadata = (*metadata, (key, junk.encode() if key.endswith("-bin") else junk.strip()))
                path = f"/{service}/{method}".encode("ascii", "replace").decode().replace("\0", "?")
                try:
                    await client.channel.unary_unary(path)(request, metadata=metadata, timeout=LIMIT_S)
                except grpc.aio.AioRpcError as error:
                    codes.add(error.code())

    await asyncio.gather(*(flood(number) for number in range(8)))
    assert {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
    } <= codes
    assert grpc.StatusCode.UNKNOWN not in codes, f"an exception came out of a call: seed {SEED}"


async def test_random_bytes_broken_http2_and_a_thousand_connections_that_stay(attacked: Target) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    host, _, port = attacked.address.rpartition(":")
    random = Random(f"{SEED} bytes")
    together = asyncio.Semaphore(100)

    async def strike(data: bytes) -> asyncio.StreamWriter:
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

    try:
        for writer in await asyncio.gather(*(strike(hostile.http2(random)) for _ in range(CONNECTIONS))):
            await leave(writer)
        # They say nothing, or half a greeting, or a greeting and half a frame; and then a byte now and then.
        greetings = [b"", hostile.PREFACE[:12], hostile.PREFACE, hostile.PREFACE + b"\0\0\x10\x01\x04\0\0\0\x01\x82"]
        held = await asyncio.gather(*(strike(greetings[n % 4]) for n in range(1000)))
        for _ in range(5):
            await asyncio.sleep(0.1)
            for writer in held:
                with contextlib.suppress(OSError):
                    writer.write(b"\0")
        newcomer = WorkerRuntime(attacked.address, token=TOKENS.worker, connect_timeout_s=30)
        await newcomer.start()  # among a thousand others
        await newcomer.stop()
        await asyncio.gather(*map(leave, held))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_streams_that_are_opened_and_left_half_open(attacked: Target) -> None:
    random = Random(f"{SEED} half open")
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
                await stream.write(random.randbytes(10))
        await asyncio.sleep(0.5)
        for stream in streams:
            stream.cancel()
