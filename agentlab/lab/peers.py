"""Which of a lab's programs is at the other end of a connection.

A worker in another language chooses its client id itself, and its library may give it no say in its name. But it and
the host run on one machine, where the operating system knows whose connection is whose.
"""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple
from urllib.parse import unquote

import psutil

_PEER = re.compile(r"ipv[46]:\[?([^\]]+)\]?:(\d+)\Z")


class Peer(NamedTuple):
    """A peer: a program that the lab started, as it joined."""

    name: str
    """The lab's name for it."""
    pid: int


class ExpectedPeers:
    """The programs that may join: each is known by the process that watches over it (see `agentlab.lab.guard`)."""

    def __init__(self, guards: dict[int, str]) -> None:
        self._guards = dict(guards)

    def expect(self, guard: int, name: str) -> None:
        """From now on, what joins from below the process `guard` has this name."""
        self._guards = {pid: known for pid, known in self._guards.items() if known != name} | {guard: name}

    async def __call__(self, peer: str) -> Peer | None:
        """Who has this address, as gRPC writes it (``ipv4:127.0.0.1:40001``); None for nobody of ours."""
        return await asyncio.to_thread(find_peer, peer, self._guards) if self._guards else None


def find_peer(peer: str, guards: dict[int, str]) -> Peer | None:
    """Look through the connections of all processes below the guards."""
    found = _PEER.match(unquote(peer))
    if found is None:
        return None
    address, port = found[1], int(found[2])
    for guard, name in guards.items():
        try:
            below = psutil.Process(guard).children(recursive=True)
        except psutil.NoSuchProcess:
            continue
        for process in below:
            if (address, port) in _connected_from(process):
                return Peer(name, process.pid)
    return None


def _connected_from(process: psutil.Process) -> set[tuple[str, int]]:
    """The local ends of a process's TCP connections; none for a process that is gone, or is not ours to look at."""
    try:
        # An IPv6 socket shows an IPv4 address in its own way.
        return {(c.laddr.ip.removeprefix("::ffff:"), c.laddr.port) for c in process.net_connections("tcp") if c.laddr}
    except psutil.Error:
        return set()
