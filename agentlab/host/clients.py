"""Who calls under which client id: a name that each client chooses for itself, and that nobody else may use.

Pure: no gRPC, no asyncio. Read next: `agentlab.host.streams`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .connection import LimitError, Limits

REMEMBERED: Final = 1024
"""Clients without a stream that are remembered: a worker may register a moment before its stream opens."""


@dataclass(slots=True)
class _Client:
    peer: str
    """The connection that it calls from, as gRPC names it: address and port of its other end."""
    allowance: float
    """How many registrations it may make at once."""
    since_s: float


class Clients:
    """The clients that registered something or have a stream, and the connection that each calls from.

    A client id is no secret: it is in the messages that workers answer. So a call in the name of a client that has a
    stream must come over the same connection as the stream.
    """

    def __init__(
        self, limits: Limits, has_stream: Callable[[str], bool], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._has_stream = has_stream
        self._now_s = now_s
        self._known: OrderedDict[str, _Client] = OrderedDict()

    def check(self, client_id: str, peer: str) -> None:
        """Raises PermissionError when the client id is another connection's."""
        client = self._known.get(client_id)
        if client is not None and client.peer != peer and self._has_stream(client_id):
            raise PermissionError("The client id belongs to a worker that is connected from elsewhere.")

    def enter(self, client_id: str, peer: str) -> bool:
        """A client registers, or opens a stream. Returns whether it takes the place of one that had this id, opened no
        stream, and called from elsewhere: what that one asked for is not this one's wish. Raises PermissionError."""
        self.check(client_id, peer)
        client = self._known.get(client_id)
        if client is not None and client.peer == peer:
            return False
        self._known[client_id] = _Client(peer, self._burst, self._now_s())
        self._known.move_to_end(client_id)
        if len(self._known) > REMEMBERED:
            self._forget()
        return client is not None

    def register(self, client_id: str, peer: str) -> bool:
        """As `enter`; raises LimitError when the client registers faster than it may."""
        takes_place = self.enter(client_id, peer)
        client, now_s = self._known[client_id], self._now_s()
        rate = self._limits.registrations_per_s
        client.allowance = min(self._burst, client.allowance + rate * (now_s - client.since_s))
        client.since_s = now_s
        if client.allowance < 1:
            raise LimitError(f"Too many registrations at once: {rate:g} a second are taken from one worker.")
        client.allowance -= 1
        return takes_place

    @property
    def _burst(self) -> float:
        # A worker that comes back registers all that it has.
        return float(self._limits.types + self._limits.subscriptions)

    def _forget(self) -> None:
        for client_id in list(self._known):
            if not self._has_stream(client_id):
                del self._known[client_id]
            if len(self._known) <= REMEMBERED:
                return
