"""Direct messages that are sent again, and handled once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import Cast
from until import until

from agentlab import (
    AgentId,
    BaseAgent,
    CancellationToken,
    HostService,
    MessageContext,
    RemoteHandlerError,
    Retry,
    WorkerLostError,
    WorkerRuntime,
)
from agentlab.core import journal as j
from agentlab.wire.parcels import Payload
from agentlab.worker.remembering import Call, Memory

from .cast import Gate, Number, Recorder, Text, teach

GATE = AgentId("gate", "k")
PATIENT = Retry(attempts=50, backoff_s=0.02, longest_backoff_s=0.2)


async def gated(cast: Cast, host: HostService, **options: Any) -> tuple[WorkerRuntime, WorkerRuntime, Gate]:
    """A sender, and a worker with a gate."""
    here, there = await cast.worker(host, "here"), await cast.worker(host, "there", **options)
    teach(here, there)
    gate = Gate()
    await there.register_agent_instance(gate, GATE)
    return here, there, gate


def cut(host: HostService, name: str) -> None:
    """End a worker's stream from the host's side: the worker comes back by itself."""
    next(c for c in host.router.connections.values() if c.name == name).close("cut by the test")


@pytest.mark.parametrize("link", [True, False])
async def test_a_retry_of_a_message_that_is_being_handled_waits_for_its_end(
    cast: Cast, host: HostService, link: bool
) -> None:
    here, there, gate = await gated(cast, host, link=link)
    sending = asyncio.ensure_future(here.send_message(Text("hi"), GATE, retry=PATIENT))
    await gate.inside.wait()
    cut(host, "there")
    await until(lambda: any(run.later for run in there._inbox._memory._running.values()))
    assert not gate.contexts[0].cancellation_token.is_cancelled()
    gate.open.set()
    assert await sending == Text("hi")
    assert gate.ended == len(gate.contexts) == 1


@pytest.mark.parametrize("link", [True, False])
async def test_a_retry_of_a_message_that_was_handled_gets_the_same_reply(
    cast: Cast, host: HostService, link: bool
) -> None:
    here, there, gate = await gated(cast, host, link=link)
    sending = asyncio.ensure_future(here.send_message(Text("hi"), GATE, retry=PATIENT, message_id="m1"))
    await gate.inside.wait()
    cut(host, "there")
    await until(lambda: not there.connected)
    gate.open.set()  # its reply has nowhere to go
    assert await sending == Text("hi")
    assert gate.ended == len(gate.contexts) == 1
    assert len(there._inbox._memory) == 1
    requests = [e for e in host.journal if e.message_id == "m1" and e.kind == j.REQUEST]
    tried = [e.detail for e in requests if e.what == j.SENT]
    assert tried[:2] == ["", "attempt 2"]
    if link:
        await until(lambda: any(e.what == j.DROPPED and "handled once" in e.detail for e in host.journal))


async def test_a_sender_whose_own_connection_was_lost_gets_the_reply_to_its_second_attempt(
    cast: Cast, host: HostService
) -> None:
    here, there, gate = await gated(cast, host)
    sending = asyncio.ensure_future(here.send_message(Text("hi"), GATE, retry=PATIENT))
    await gate.inside.wait()
    cut(host, "here")
    await until(lambda: any(run.later for run in there._inbox._memory._running.values()) or len(gate.contexts) == 2)
    gate.open.set()
    assert await sending == Text("hi")


async def test_a_message_that_is_lost_in_silence_is_sent_again_and_handled_once(cast: Cast, host: HostService) -> None:
    here, there, gate = await gated(cast, host)
    retry = Retry(attempts=3, attempt_s=0.05)
    sending = asyncio.ensure_future(here.send_message(Text("hi"), GATE, retry=retry))
    await until(lambda: any(len(run.later) == 2 for run in there._inbox._memory._running.values()))
    gate.open.set()
    assert await sending == Text("hi")
    assert gate.ended == len(gate.contexts) == 1
    await until(lambda: not there._inbox._runs)
    await until(lambda: len(host.router.sessions) == 0)


async def test_a_message_whose_worker_died_is_handled_by_the_next_worker_of_its_type(
    cast: Cast, host: HostService
) -> None:
    here, there, gate = await gated(cast, host)
    sending = asyncio.ensure_future(here.send_message(Text("hi"), GATE, retry=PATIENT))
    await gate.inside.wait()
    await there.stop(grace_s=0)
    second = await cast.worker(host, "second")
    await Recorder.register(second, "gate", Recorder)
    assert await sending == Text("hi")
    assert gate.ended == 0


async def test_without_retry_nothing_is_sent_again_or_remembered(cast: Cast, host: HostService) -> None:
    here, there, gate = await gated(cast, host)
    gate.open.set()
    await here.send_message(Text("hi"), GATE, message_id="m1")
    await here.send_message(Text("hi"), GATE, message_id="m1")
    assert gate.ended == 2
    assert len(there._inbox._memory) == 0
    gate.open.clear()
    sending = asyncio.ensure_future(here.send_message(Text("hi"), GATE))
    await until(lambda: len(gate.contexts) == 3)
    cut(host, "there")
    with pytest.raises(WorkerLostError):
        await sending
    await until(lambda: gate.contexts[2].cancellation_token.is_cancelled())


async def test_a_call_that_its_sender_gives_up_is_cancelled_at_the_receiver_and_forgotten(
    cast: Cast, host: HostService
) -> None:
    here, there, gate = await gated(cast, host)
    token = CancellationToken()
    retry = Retry(attempts=2, attempt_s=0.05)
    sending = asyncio.ensure_future(here.send_message(Text("hi"), GATE, retry=retry, cancellation_token=token))
    await until(lambda: any(run.later for run in there._inbox._memory._running.values()))
    assert not gate.contexts[0].cancellation_token.is_cancelled()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await until(lambda: gate.contexts[0].cancellation_token.is_cancelled())


class Flaky(BaseAgent):
    """Fails twice, then answers."""

    def __init__(self) -> None:
        super().__init__("fails twice")
        self.runs = 0

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        self.runs += 1
        if self.runs < 3:
            raise ConnectionError("not yet")
        return Number(self.runs)


async def test_a_handler_that_failed_runs_again_when_the_sender_wants_that(cast: Cast, host: HostService) -> None:
    here, there = await cast.worker(host, "here"), await cast.worker(host, "there")
    teach(here, there)
    await there.register_factory("flaky", Flaky)
    with pytest.raises(RemoteHandlerError, match="not yet"):
        await here.send_message(Text("hi"), AgentId("flaky", "a"), retry=Retry(backoff_s=0))
    retry = Retry(backoff_s=0, on=(RemoteHandlerError,))
    assert await here.send_message(Text("hi"), AgentId("flaky", "b"), retry=retry) == Number(3)


class Stubborn(Gate):
    """Ends as cancelled the first time, when its sender no longer waits."""

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        waiting = asyncio.ensure_future(self.open.wait())
        ctx.cancellation_token.link_future(waiting)
        self.contexts.append(ctx)
        self.inside.set()
        await waiting
        self.ended += 1
        return message


async def test_what_was_cancelled_half_way_is_handled_again(cast: Cast, host: HostService) -> None:
    here, there = await cast.worker(host, "here"), await cast.worker(host, "there")
    teach(here, there)
    gate = Stubborn()
    await there.register_agent_instance(gate, GATE)
    sending = asyncio.ensure_future(here.send_message(Text("hi"), GATE, retry=PATIENT))
    await gate.inside.wait()
    cut(host, "here")  # the host cancels what nobody waits for any more
    await until(lambda: gate.contexts[0].cancellation_token.is_cancelled())
    gate.open.set()
    assert await sending == Text("hi")
    assert len(gate.contexts) == 2
    assert gate.ended == 1


def call(sender: str, number: int) -> Call:
    return Call(sender, "gate/k", f"m{number}")


def reply(size: int = 10) -> Payload:
    return Payload("Text", "application/json", b"x" * size)


def test_a_memory_keeps_each_senders_last_replies() -> None:
    memory: Memory[int] = Memory(per_sender=3)
    for number in range(5):
        memory.keep(call("a/k", number), reply())
    memory.keep(call("b/k", 0), reply())
    assert [number for number in range(5) if memory.reply(call("a/k", number))] == [2, 3, 4]
    assert memory.reply(call("b/k", 0))
    assert memory.reply(call("b/k", 1)) is None
    assert len(memory) == 4


def test_a_memory_is_bounded_in_all_and_forgets_who_was_silent_longest() -> None:
    memory: Memory[int] = Memory(in_all=10)
    memory.keep(call("quiet/k", 0), reply())
    for number in range(5):
        memory.keep(call(f"busy-{number}/k", 0), reply())
        memory.keep(call(f"busy-{number}/k", 1), reply())
    assert len(memory) == 10
    assert memory.reply(call("quiet/k", 0)) is None
    assert memory.reply(call("busy-0/k", 0))


def test_a_memory_is_bounded_in_bytes() -> None:
    memory: Memory[int] = Memory(bytes_in_all=1000)
    for number in range(100):
        memory.keep(call("a/k", number), reply(100))
    assert len(memory) == 10
    memory.keep(call("a/k", 100), reply(2000))
    assert len(memory) == 0
    memory.keep(call("a/k", 101), reply())
    assert memory.reply(call("a/k", 101))
