"""What a worker remembers of messages that may come again: those that were sent with a `Retry`.

Read next: `agentlab.worker.inbox`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

from ..core.cancellation import CancellationToken
from ..wire.parcels import Payload

A = TypeVar("A")

PER_SENDER: Final = 1_000
"""Replies remembered for one sender: its last ones. Attempts follow each other within seconds; a sender with more
calls than this in between has a thousand open at once."""

IN_ALL: Final = 20_000
"""Replies remembered for all senders together."""

BYTES_IN_ALL: Final = 16 * 1024 * 1024
"""Bytes of them; beyond any of these limits, the oldest is forgotten."""


class Call(NamedTuple):
    """What all attempts of one call have in common."""

    sender: str
    """The sending agent as text; empty for none."""
    recipient: str
    message_id: str


@dataclass(slots=True)
class Run(Generic[A]):
    """A run: the one handling of a message, whichever of its attempts came first."""

    token: CancellationToken = field(default_factory=CancellationToken)
    interested: set[str] = field(default_factory=set)
    """The session ids of the attempts that wait for it; when the last one no longer does, its token is cancelled."""
    later: list[A] = field(default_factory=list)
    """The attempts that came while it ran."""


class Memory(Generic[A]):
    """A memory of calls: which run now, and what was replied to those that ended well.

    So long as a call is in it, a further attempt is not handled again: it waits for the run, or gets the reply. What
    failed or was cancelled is not kept, because trying again is to do it again. The memory is bounded, per sender and
    in all, and lives as long as the worker: an attempt that comes after its call was forgotten, or to another worker,
    is handled again. So a retried message is handled *at least* once, and exactly once only within these limits.
    """

    def __init__(self, per_sender: int = PER_SENDER, in_all: int = IN_ALL, bytes_in_all: int = BYTES_IN_ALL) -> None:
        self._per_sender = per_sender
        self._in_all = in_all
        self._bytes_in_all = bytes_in_all
        self._running: dict[Call, Run[A]] = {}
        self._replies: OrderedDict[str, OrderedDict[Call, Payload]] = OrderedDict()
        """By sender, the one heard of longest ago first."""
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        """How many replies are remembered."""
        return self._count

    def reply(self, call: Call) -> Payload | None:
        """What was replied to the call, if that is remembered."""
        own = self._replies.get(call.sender)
        return None if own is None else own.get(call)

    def running(self, call: Call) -> Run[A] | None:
        """The call's run, if it runs."""
        return self._running.get(call)

    def begin(self, call: Call) -> Run[A]:
        """The call's run begins."""
        run = self._running[call] = Run()
        return run

    def forget(self, call: Call) -> None:
        """Its run ended, and not well."""
        self._running.pop(call, None)

    def keep(self, call: Call, reply: Payload) -> None:
        """Its run ended with this reply."""
        self._running.pop(call, None)
        own = self._replies.setdefault(call.sender, OrderedDict())
        self._replies.move_to_end(call.sender)
        own[call] = reply
        self._count += 1
        self._bytes += len(reply.data)
        if len(own) > self._per_sender:
            self._drop_oldest(call.sender)
        while self._count > self._in_all or self._bytes > self._bytes_in_all:
            self._drop_oldest(next(iter(self._replies)))

    def _drop_oldest(self, sender: str) -> None:
        own = self._replies[sender]
        _, reply = own.popitem(last=False)
        self._count -= 1
        self._bytes -= len(reply.data)
        if not own:
            del self._replies[sender]
