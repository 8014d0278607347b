"""Tokens: who may call what, what a refusal says, and that a token is nowhere to be read."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from child_scripts.actor import Actor, Order, Report
from conftest import Cast
from raw import LIMIT_S, RawClient, raw_client
from until import until

from agentlab import (
    AgentId,
    HostService,
    Lab,
    NotAccessibleError,
    Tokens,
    UnauthenticatedError,
    WorkerRuntime,
    try_get_known_serializers_for_type,
)
from agentlab.host import gate, streams
from agentlab.wire import calls, security
from agentlab.wire.generated import agent_worker_pb2, agentlab_pb2

TOKENS = Tokens()
OWNERS_CALLS = {"Watch", "Snapshot", "NoteProcess", "SetFault", "RemoveFaults", "ListFaults"}


def all_calls() -> dict[str, Any]:
    """Every call of the wire's services: its path, and what the .proto says of it."""
    services = [
        agent_worker_pb2.DESCRIPTOR.services_by_name["AgentRpc"],
        agentlab_pb2.DESCRIPTOR.services_by_name["Link"],
    ]
    return {f"/{service.full_name}/{name}": m for service in services for name, m in service.methods_by_name.items()}


async def outcome(client: RawClient, path: str, description: Any) -> grpc.StatusCode:
    """How a call ends that says nothing."""
    kinds = {
        (False, False): client.channel.unary_unary,
        (False, True): client.channel.unary_stream,
        (True, True): client.channel.stream_stream,
    }
    method: Any = kinds[description.client_streaming, description.server_streaming](path)
    call = method(metadata=client.metadata) if description.client_streaming else method(b"", metadata=client.metadata)
    try:
        async with asyncio.timeout(LIMIT_S):
            if description.client_streaming:
                with contextlib.suppress(asyncio.InvalidStateError):  # it was refused already
                    await call.done_writing()
            if description.server_streaming:
                async for _ in call:
                    pass
            code: grpc.StatusCode = await call.code()
            return code
    except grpc.aio.AioRpcError as error:
        return error.code()
    finally:
        call.cancel()


@pytest.fixture
async def guarded(cast: Cast) -> HostService:
    """A host that asks for a token."""
    return cast.host(tokens=TOKENS)


# Roles


@pytest.mark.parametrize("path", all_calls())
async def test_every_call_needs_a_token_and_the_owners_calls_the_owners(guarded: HostService, path: str) -> None:
    description = all_calls()[path]
    for token in (None, "x" * 40, TOKENS.worker[:-1], "wrong"):
        async with raw_client(guarded.address, token=token) as client:
            assert await outcome(client, path, description) == grpc.StatusCode.UNAUTHENTICATED
    async with raw_client(guarded.address, token=TOKENS.worker) as client:
        refused = await outcome(client, path, description) == grpc.StatusCode.PERMISSION_DENIED
        assert refused == (description.name not in gate_names())
    async with raw_client(guarded.address, token=TOKENS.owner) as client:
        code = await outcome(client, path, description)
        assert code not in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}


def gate_names() -> set[str]:
    """The workers' calls, by their last name."""
    return {path.rpartition("/")[2] for path in gate.WORKERS_CALLS}


def test_the_workers_calls_exist_and_the_owners_are_not_among_them() -> None:
    assert set(all_calls()) >= gate.WORKERS_CALLS
    assert not OWNERS_CALLS & gate_names()


def test_a_call_that_nobody_thought_of_needs_the_owners_token() -> None:
    def code(token: str, method: str = "/agentlab.v1.Link/NewCall") -> Any:
        refused = gate.refusal(TOKENS, method, (("authorization", f"Bearer {token}"),))
        return None if refused is None else refused[0]

    assert code(TOKENS.owner) is None
    assert code(TOKENS.worker) == grpc.StatusCode.PERMISSION_DENIED
    assert code("nonsense") == grpc.StatusCode.UNAUTHENTICATED
    assert code("nonsense", "/grpc.health.v1.Health/Check") is None
    for odd in ("", "/", "//", "grpc.health.v1.Health", "x/grpc.health.v1.HealthX/Check"):
        assert code("nonsense", odd) == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "metadata",
    [
        (("authorization", "Bearer "),),
        (("authorization", TOKENS.owner),),
        (("authorization", f"Basic {TOKENS.owner}"),),
        (("authorization", f"Bearer {TOKENS.owner}"), ("authorization", "Bearer x")),
        (("authorization", f"Bearer {TOKENS.owner}".encode()),),
        (("authorization-bin", f"Bearer {TOKENS.owner}".encode()),),
        (("authorization", "Bearer ü\udcff"),),
    ],
)
def test_a_strange_header_is_refused(metadata: Any) -> None:
    refused = gate.refusal(TOKENS, "/agents.AgentRpc/OpenChannel", metadata)
    assert refused is not None
    assert refused[0] == grpc.StatusCode.UNAUTHENTICATED
    assert TOKENS.owner not in refused[1]


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    real = security.hmac.compare_digest

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return real(a, b)

    monkeypatch.setattr(security.hmac, "compare_digest", compare)
    assert [TOKENS.role(text) for text in (TOKENS.owner, TOKENS.worker, "", "x")] == ["owner", "worker", None, None]
    assert compared == [(32, 32)] * 8  # both tokens each time, whatever the first comparison said
    assert "==" not in inspect.getsource(Tokens.role)


@pytest.mark.parametrize("bad", ["", "short", "with a space in it", "ümlaut-ümlaut-ümlaut", "new\nline-new-line-new"])
def test_a_token_that_could_be_guessed_or_cannot_travel_is_refused_without_being_shown(bad: str) -> None:
    for make in (lambda: Tokens(bad), lambda: Tokens(owner=bad), lambda: WorkerRuntime("127.0.0.1:1", token=bad)):
        with pytest.raises(ValueError, match="agentlab token") as error:
            make()
        assert not bad or bad not in str(error.value)


def test_one_token_for_both_roles_is_none() -> None:
    with pytest.raises(ValueError, match="must differ"):
        Tokens("x" * 20, "x" * 20)


# Workers


@pytest.mark.parametrize("link", [True, False])
@pytest.mark.parametrize("token", [None, "wrong-wrong-wrong-wrong"])
async def test_a_worker_without_the_right_token_is_told_at_once(
    cast: Cast, guarded: HostService, token: str | None, link: bool
) -> None:
    for _ in range(5):  # a refused stream can look broken, about every tenth time
        with pytest.raises(UnauthenticatedError, match="refused w.*AGENTLAB_TOKEN"):
            await cast.worker(guarded, "w", token=token, link=link, connect_timeout_s=None)
    assert guarded.router.counters["unauthenticated"] >= 5
    assert not guarded.router.connections


@pytest.mark.parametrize("link", [True, False])
async def test_workers_with_the_token_talk(cast: Cast, guarded: HostService, link: bool) -> None:
    asker = await cast.worker(guarded, "asker", token=TOKENS.owner)
    actor = await cast.worker(guarded, "actor", token=TOKENS.worker, link=link)
    await Actor.register(actor, "actor", Actor)
    asker.add_message_serializer(try_get_known_serializers_for_type(Report))
    assert await asker.send_message(Order("echo", 3), AgentId("actor", "k")) == Report(3)
    assert {worker.name for worker in (await asker.snapshot()).workers} == {"asker", "actor"}
    with pytest.raises(grpc.aio.AioRpcError, match="needs the owner's token"):
        await actor.snapshot()


async def test_a_worker_that_may_not_see_the_directory_still_says_that_an_agent_is_elsewhere(
    cast: Cast, guarded: HostService
) -> None:
    actor, other = [await cast.worker(guarded, name, token=TOKENS.worker) for name in ("actor", "other")]
    await Actor.register(actor, "actor", Actor)
    with pytest.raises(NotAccessibleError, match="another worker"):
        await other.try_get_underlying_agent_instance(AgentId("actor", "k"))
    with pytest.raises(LookupError):
        await other.try_get_underlying_agent_instance(AgentId("nobody", "k"))


async def test_a_worker_whose_host_has_a_new_token_gives_up_and_says_so(
    cast: Cast, guarded: HostService, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await cast.worker(guarded, "w", token=TOKENS.worker)
    await guarded.stop(grace=0)
    await until(lambda: not worker.connected)
    waiting = asyncio.ensure_future(worker.send_message(Order("echo", 1), AgentId("actor", "k")))
    await asyncio.sleep(0)
    again = cast.host(guarded.address, tokens=Tokens())
    with pytest.raises(UnauthenticatedError, match="not one of this host's"):
        await asyncio.wait_for(waiting, LIMIT_S)
    with pytest.raises(UnauthenticatedError):
        await worker.send_message(Order("echo", 1), AgentId("actor", "k"))
    refusals = again.router.counters["unauthenticated"]
    await asyncio.sleep(0.3)  # several of its pauses between attempts
    assert again.router.counters["unauthenticated"] == refusals
    assert caplog.text.count("It is not asked again") == 1
    await worker.stop()


# Nothing shows a token


def all_text(folder: Path) -> str:
    """What all files in a folder say."""
    return "".join(path.read_text() for path in folder.rglob("*") if path.is_file())


async def test_nothing_that_a_lab_shows_writes_or_starts_has_a_token_in_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Lab(workers=1, log_level="DEBUG") as lab:
        assert lab.tokens is not None
        secrets = [lab.tokens.worker, lab.tokens.owner]
        await lab.register("worker-1", "actor", Actor)
        await lab.send_message(Order("echo", 1), "actor")
        with pytest.raises(UnauthenticatedError):
            await WorkerRuntime(lab.address, token="wrong-wrong-wrong-wrong").start()
        run = lab.save(tmp_path / "run.jsonl")
        shown = {
            "run": run.read_text(),
            "journal": repr(list(lab.journal)),
            "log": caplog.text,
            "folder": all_text(lab._folder),
            "reprs": "".join(map(repr, (lab, lab.tokens, lab._notebook, lab._crew, lab._options, lab._watcher))),
            "page": lab._repr_html_() + lab.directory()._repr_html_(),
        }
        pids = [row["pid"] for row in lab.processes]
        for pid in [os.getpid(), *pids]:
            shown[f"arguments of {pid}"] = repr(psutil.Process(pid).cmdline())
        for pid in pids:
            shown[f"environment of {pid}"] = repr(psutil.Process(pid).environ())
    assert "worker-1" in shown["folder"] + shown["log"]
    assert len(shown["run"]) > 1000
    assert [where for where, text in shown.items() if any(secret in text for secret in secrets)] == []


async def test_reprs_and_host_logs_do_not_show_a_token(
    cast: Cast, guarded: HostService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    worker = await cast.worker(guarded, token=TOKENS.worker)
    with pytest.raises(UnauthenticatedError):
        await cast.worker(guarded, token="another-hosts-token")
    credentials = security.Credentials(TOKENS.worker)
    texts = [repr(thing) for thing in (guarded, worker, TOKENS, credentials, guarded.router.snapshot())]
    for text in [*texts, str(TOKENS), caplog.text, repr(list(guarded.journal))]:
        assert TOKENS.worker not in text
        assert TOKENS.owner not in text
        assert "another-hosts-token" not in text


# A lab


async def test_a_lab_without_tokens_takes_everybody_and_one_with_tokens_who_has_one(cast: Cast) -> None:
    async with Lab(workers=0, token=None) as lab:
        assert lab.tokens is None
        worker = await cast.worker(lab.address, "stranger")
        assert "stranger" in lab.directory().column("worker")
        await worker.stop()
    async with Lab(workers=0) as lab:
        assert lab.tokens is not None
        with pytest.raises(UnauthenticatedError):
            await cast.worker(lab.address, "stranger")
        worker = await cast.worker(lab.address, "friend", token=lab.tokens.worker)
        assert "friend" in lab.directory().column("worker")
        await worker.stop()


# Beyond this machine


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:5000", "example.org:5000"])
def test_a_host_beyond_this_machine_needs_tokens_and_tls_or_to_be_told(address: str) -> None:
    with pytest.raises(ValueError, match=r"no tokens and TLS.*--insecure"):
        HostService(address)
    with pytest.raises(ValueError, match=r"it has no TLS: .*--insecure"):
        HostService(address, tokens=TOKENS)
    HostService(address, insecure=True)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.0.0.9:0", "localhost:0", "[::1]:0"])
def test_a_host_on_this_machine_alone_needs_neither(address: str) -> None:
    HostService(address)


def test_the_streams_that_the_gate_knows_are_those_that_the_host_has() -> None:
    from agentlab.host.router import Router

    handlers = streams.Streams(Router(), "m").handlers()
    ours = [handler for handler in handlers if hasattr(handler, "_method_handlers")]  # not health and reflection
    names = {name for handler in ours for name in handler._method_handlers}
    assert set(all_calls()) >= names >= gate.WORKERS_CALLS
    assert f"/{calls.LINK}/Open" in names
