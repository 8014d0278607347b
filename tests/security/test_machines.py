"""Separate machines: a host and workers that share no network but a cable, which is cut and mended.

Each is a network namespace of Linux, with addresses, routes and a network card of its own; a cable is a pair of virtual
cards.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from child_scripts.actor import Order, Report
from child_scripts.child import Child
from conftest import Cast
from until import until

from agentlab import AgentId, Tls, Tokens, WorkerLostError, try_get_known_serializers_for_type
from agentlab.lab.certs import Certificates, write_certificates

LIMIT_S = 60.0
KEEPALIVE_S = 1.0
ACTOR = AgentId("actor", "k")


def ip(*arguments: str) -> None:
    """Run ``ip …``. Raises CalledProcessError."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=30)


class Machines:
    """Machines, each on a cable of its own to the host's: ``far`` and this one. Names and addresses are this test's."""

    def __init__(self) -> None:
        self.number = os.getpid() % 250
        self.host, self.far = f"agl-host-{self.number}", f"agl-far-{self.number}"

    def address(self, cable: int, end: int) -> str:
        """The address of an end of a cable: 1 is the host's."""
        return f"198.18.{self.number}.{4 * cable + end}"  # a range for tests of networks, which nobody else uses

    def build(self) -> None:
        """Machines and cables: 1 leads to the far one, 2 to this one."""
        for machine in (self.host, self.far):
            ip("netns", "add", machine)
            ip("-n", machine, "link", "set", "lo", "up")
        ip("link", "add", "agl1", "netns", self.host, "type", "veth", "peer", "name", "agl1", "netns", self.far)
        ip("link", "add", "agl2", "netns", self.host, "type", "veth", "peer", "name", f"agl{self.number}")
        for at, name, cable, end in (
            (["-n", self.host], "agl1", 1, 1), (["-n", self.far], "agl1", 1, 2),
            (["-n", self.host], "agl2", 2, 1), ([], f"agl{self.number}", 2, 2),
        ):  # fmt: skip
            ip(*at, "addr", "add", f"{self.address(cable, end)}/30", "dev", name)
            ip(*at, "link", "set", name, "up")

    def cut(self) -> None:
        """Cut the cable to the far machine."""
        ip("-n", self.far, "link", "set", "agl1", "down")

    def mend(self) -> None:
        """And plug it in again."""
        ip("-n", self.far, "link", "set", "agl1", "up")

    def remove(self) -> None:
        """Take all of it away; the cables go with the machines."""
        commands = (["link", "del", f"agl{self.number}"], ["netns", "del", self.far], ["netns", "del", self.host])
        for command in commands:
            subprocess.run(["ip", *command], capture_output=True, check=False, timeout=30)


@pytest.fixture
def machines() -> Iterator[Machines]:
    """Machines for one test. Where the kernel does not let this user make any, the test says so."""
    if shutil.which("ip") is None:
        if os.environ.get("AGENTLAB_CI"):
            pytest.fail("The command `ip` is missing: apt-get install iproute2")
        pytest.skip("network namespaces are made with `ip`, of the package iproute2, which is not installed")
    machines = Machines()
    try:
        ip("netns", "add", machines.far)
        ip("netns", "del", machines.far)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the kernel does not allow network namespaces here: {error.stderr.strip()}")
    try:
        machines.build()
        yield machines
    finally:
        machines.remove()


async def test_a_cable_is_cut_and_mended_between_machines_that_talk_over_tls(
    machines: Machines, tmp_path: Path, cast: Cast, children: list[Child]
) -> None:
    write_certificates(tmp_path, [machines.address(1, 1), machines.address(2, 1)])
    tokens = Tokens()

    def files(name: str) -> dict[str, str]:
        return {part: str(tmp_path / file) for part, file in
                {"cert": f"{name}.pem", "key": f"{name}.key", "ca": "ca.pem"}.items()}  # fmt: skip

    options: dict[str, Any] = {"worker": tokens.worker, "owner": tokens.owner}
    on_host, on_far = (["ip", "netns", "exec", machine] for machine in (machines.host, machines.far))
    children.append(
        await Child.start(
            "host", *on_host, address="0.0.0.0:0", tokens=options, tls=files("host"), keepalive_s=KEEPALIVE_S
        )
    )
    port = children[0].address.rpartition(":")[2]
    there, here = (f"{machines.address(cable, 1)}:{port}" for cable in (1, 2))
    shared = {"token": tokens.worker, "tls": files("worker"), "keepalive_s": KEEPALIVE_S}
    children.append(await Child.start("worker", *on_far, host=there, name="far", types=["actor"], **shared))
    asker = await cast.worker(
        here, "asker", token=tokens.owner, tls=Certificates.read(tmp_path).worker, keepalive_s=KEEPALIVE_S
    )
    asker.add_message_serializer(try_get_known_serializers_for_type(Report))

    async def ask(n: int, do: str = "echo") -> Any:
        return await asker.send_message(Order(do, n), ACTOR, deadline_s=LIMIT_S)

    async def far_is_there() -> bool:
        return "far" in {worker.name for worker in (await asker.snapshot()).workers}

    assert await ask(1) == Report(1)
    (far,) = [worker for worker in (await asker.snapshot()).workers if worker.name == "far"]
    assert machines.address(1, 2) in far.address
    for n in (2, 3):
        waiting = asyncio.ensure_future(ask(n, "wait"))
        await until(lambda: _open_sessions(asker), LIMIT_S)
        machines.cut()
        with pytest.raises(WorkerLostError, match="far"):  # and not when its deadline comes
            await asyncio.wait_for(waiting, LIMIT_S)
        assert not await far_is_there()
        machines.mend()
        await until(far_is_there, LIMIT_S)
        await until(lambda: _advertised(asker), LIMIT_S)
        assert await ask(10 * n) == Report(10 * n)


async def _open_sessions(asker: Any) -> bool:
    return bool((await asker.snapshot()).sessions)


async def _advertised(asker: Any) -> bool:
    return any("actor" in worker.types for worker in (await asker.snapshot()).workers)


async def test_a_worker_that_trusts_another_authority_does_not_join_from_another_machine(
    machines: Machines, tmp_path: Path, cast: Cast, children: list[Child], caplog: pytest.LogCaptureFixture
) -> None:
    write_certificates(tmp_path, [machines.address(2, 1)])
    certificates = Certificates.read(tmp_path)
    tls = {part: str(tmp_path / f"host.{end}") for part, end in (("cert", "pem"), ("key", "key"))}
    tokens = Tokens()
    on_host = ["ip", "netns", "exec", machines.host]
    options = {"worker": tokens.worker, "owner": tokens.owner}
    children.append(await Child.start("host", *on_host, address="0.0.0.0:0", tokens=options, tls=tls))
    address = f"{machines.address(2, 1)}:{children[0].address.rpartition(':')[2]}"
    worker = await cast.worker(address, token=tokens.worker, tls=Tls(ca=certificates.worker.ca))
    assert worker.connected
    joining = asyncio.ensure_future(
        cast.worker(address, token=tokens.worker, tls=Certificates.make().worker, connect_timeout_s=None)
    )
    await until(lambda: "another authority vouches for it" in caplog.text, LIMIT_S)
    joining.cancel()
    await asyncio.gather(joining, return_exceptions=True)
