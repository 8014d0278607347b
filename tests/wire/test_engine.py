"""Which of its network engines gRPC uses: chosen before it is imported, and seen in its own trace."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from agentlab.engine import OLDER_ENGINE, VARIABLE, choose_engine, for_other_programs, has_older_engine

CONNECT = """
import asyncio, agentlab, grpc.aio
async def connect():
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await channel.channel_ready()
    await server.stop(0)
asyncio.run(connect())
"""
NEWER_ENGINE_AT_WORK = "Endpoint["
"""How its trace names a connection of the newer engine."""


def connecting(**environment: str) -> str:
    """What a process that connects to itself says on stderr."""
    inherited = {key: value for key, value in os.environ.items() if key != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", CONNECT], env=inherited | environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere gRPC keeps its usual engine")
class TestOnLinux:
    def test_the_older_engine_is_at_work(self) -> None:
        assert NEWER_ENGINE_AT_WORK not in connecting(GRPC_VERBOSITY="DEBUG", GRPC_TRACE="event_engine_endpoint")

    def test_what_the_user_chose_is_kept(self) -> None:
        said = connecting(GRPC_VERBOSITY="DEBUG", GRPC_TRACE="event_engine_endpoint", **{VARIABLE: ""})
        assert NEWER_ENGINE_AT_WORK in said

    def test_the_installed_grpc_knows_what_it_is_asked_for(self) -> None:
        assert connecting() == ""


@pytest.mark.parametrize(
    ("release", "has"), [((1, 79), False), ((1, 80), True), ((1, 85), True), ((1, 86), False), (None, False)]
)
def test_only_releases_that_were_tried_are_asked(release: tuple[int, int] | None, has: bool) -> None:
    assert has_older_engine(release) is has


def test_a_choice_is_never_replaced() -> None:
    environment = {VARIABLE: "event_engine_client"}
    choose_engine(environment)
    assert for_other_programs(environment) == {VARIABLE: "event_engine_client"}


def test_other_programs_do_not_inherit_our_choice() -> None:
    assert for_other_programs({VARIABLE: OLDER_ENGINE, "HOME": "/home/student"}) == {"HOME": "/home/student"}
