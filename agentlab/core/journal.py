"""The journal: the ordered record of what happened to every message.

An event is one step in the life of one message copy. A request goes *sent* → *arrived* (at the host) →
*left* (the host) → *received* → *started* → *handled*, and its response *sent* → *arrived* → *left* →
*received*. A published message is *sent* and *arrives* once, then every receiver's copy has a life of its own.
Besides the messages the journal holds what happened to the processes (``kind == "process"``).

The host keeps a `Journal`: a ring that counts what it had to let go. `agentlab.core.run` saves it as a file.
Read next: `agentlab.core.run`, then `agentlab.timeline`, which draws it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

# What happened, in the order of a message's life.
SENT: Final = "sent"
"""The sender handed the message to its runtime (the sender's clock)."""
ARRIVED: Final = "arrived"
"""The host read the message off the sender's stream."""
LEFT: Final = "left"
"""The host put the message on the receiver's stream."""
RECEIVED: Final = "received"
"""The receiver's runtime read the message off its stream."""
STARTED: Final = "started"
"""The handler began to run."""
HANDLED: Final = "handled"
"""The handler ended normally."""
UNHANDLED: Final = "unhandled"
"""The agent was reached but has no handler for this type of message."""
FAILED: Final = "failed"
"""The handler, or the making of its agent, raised; or the request ended with an error (`detail` says which)."""
DROPPED: Final = "dropped"
"""The message was thrown away on purpose; `detail` says why."""
DUPLICATED: Final = "duplicated"
"""A second copy was made."""
DELAYED: Final = "delayed"
"""The host holds the message back on purpose; `detail` says for how long, and because of which rule."""
LOST: Final = "lost"
"""Nobody will ever say what became of the message; `detail` says why."""

ENDINGS: Final = frozenset({HANDLED, UNHANDLED, FAILED, DROPPED, LOST})
"""After one of these, nothing more happens to that copy. (A response ends with *received*.)"""

# What happened to a process, in an event of kind "process".
JOINED: Final = "joined"
"""A worker's stream was accepted by the host."""
GONE: Final = "gone"
"""A worker's stream ended; `detail` is "stopped" when it said goodbye, else the reason."""
REFUSED: Final = "refused"
"""The host refused something that a worker asked for; `detail` says what and why."""
ADVERTISED: Final = "advertised"
"""A worker registered an agent type (`type`)."""
WITHDRAWN: Final = "withdrawn"
"""A worker gave up an agent type (`type`)."""
LEAVING: Final = "leaving"
"""A worker is about to leave in order: what comes for its agents waits at the host until they have moved."""
STAYING: Final = "staying"
"""A worker that was about to leave does not."""
MOVED: Final = "moved"
"""A leaving worker handed an agent over; `detail` says which, and to whom."""
KILLED: Final = "killed"
"""The lab sent SIGKILL."""
PAUSED: Final = "paused"
"""The lab sent SIGSTOP."""
RESUMED: Final = "resumed"
"""The lab sent SIGCONT."""

PARTED: Final = "parted"
"""The process cannot hear some others from now on, on purpose; `detail` says which, and because of which rule."""
HEALED: Final = "healed"
"""A partition that the process was part of is over."""
FAULT: Final = "fault"
"""A rule of the fault lab began, or ended; `detail` says which. Written on the host's lane."""

REQUEST: Final = "request"
RESPONSE: Final = "response"
EVENT: Final = "event"
PROCESS: Final = "process"

HOST: Final = "host"
"""The name of the host's own lane."""


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """One step in the life of one message copy, or of a process.

    A copy is named by ``(message_id, kind, recipient)``: a response carries its request's `message_id`, and the
    copies of one published message differ in `recipient`.
    """

    seq: int
    """Place in the host's journal, counted from 1 without holes."""
    what: str
    """What happened: one of the constants of this module."""
    kind: str
    """``request``, ``response``, ``event`` or ``process``."""
    message_id: str
    """The message's id; empty for a process event."""
    cause: str
    """The id of the message that was being handled when this one was sent; empty when none was."""
    sender: str
    """The sending agent as ``type/key``; empty when it was sent from outside any agent."""
    recipient: str
    """The receiving agent as ``type/key``; empty while a published message has not been routed yet."""
    topic: str
    """The topic as ``type/source`` of a published message, else empty."""
    process: str
    """The name of the process (lane) where it happened: ``host`` or a worker's name."""
    type: str
    """The message type's name; of *advertised* and *withdrawn*, the agent type."""
    size: int
    """Bytes of the serialized payload."""
    time_ns: int
    """When, in nanoseconds since the epoch, on the host's clock (others' clocks are translated to it)."""
    lamport: int
    """Lamport clock of the process at this event: a cause has a smaller one than its effect."""
    detail: str = ""
    """Why (of an end that was not normal), or the error's text."""
    trace: str = ""
    """The remote traceback of a failed handler."""
    payload: str = ""
    """What the message said, of *arrived*, if the host records payloads; an ellipsis stands for what was cut off."""

    @property
    def copy(self) -> tuple[str, str, str]:
        """What names this message copy: ``(message_id, kind, recipient)``."""
        return (self.message_id, self.kind, self.recipient)


FIELDS: Final = tuple(f.name for f in fields(JournalEvent))
"""The field names of a journal event, in order."""


TEXT_CAPACITY: Final = 128 * 1024 * 1024
"""Characters of details and tracebacks, and bytes of payloads, that a journal keeps: events differ in size a
thousandfold, so that their number alone would not bound its memory."""

FEW: Final = 5
"""So few events are written one by one as fast as together."""

MessageFields = tuple[str, str, str, str, str, str, str, int]
"""What all events of one message copy have in common: kind, message_id, cause, sender, recipient, topic, type, size."""


class Journal:
    """A bounded, ordered record of events; what no longer fits is let go from the old end, and counted.

    Written by one thread. The events are columns, and the event object is made when it is read, because most events of
    a busy host are never looked at one by one. What all events of one message copy have in common is kept once: so an
    event takes about 80 bytes, where it took 230 as a tuple; 48 of them are taken when the journal is made.
    """

    def __init__(self, capacity: int = 200_000) -> None:
        if capacity < 1:
            raise ValueError(f"A journal needs room for at least one event, not {capacity}.")
        self.capacity = capacity
        # All of its room at once: what a host takes should not depend on how long it has run.
        self._what = [""] * capacity
        self._message: list[MessageFields | None] = [None] * capacity
        self._process = [""] * capacity
        self._time_ns = array("Q", bytes(8 * capacity))
        self._lamport = array("Q", bytes(8 * capacity))
        self._texts: list[str | tuple[str, str, str | bytes]] = [""] * capacity
        """The detail; with trace and payload where there are any."""
        self._written = 0
        self._let_go = 0
        self._text = 0
        """Characters and bytes in the texts."""

    def __len__(self) -> int:
        return self._written - self._let_go

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest event; 0 when nothing was written."""
        return self._written

    @property
    def let_go(self) -> int:
        """How many of the oldest events had to make room."""
        return self._let_go

    def append(self, *record: Any) -> None:
        """Write one event, given as the fields of `JournalEvent` after `seq` (the last three may be left out).

        A payload is given as its bytes, or the first of them: it is made text when somebody reads the event.
        """
        what, kind, message_id, cause, sender, recipient, topic, process, type_, size, time_ns, lamport, *texts = record
        message = (kind, message_id, cause, sender, recipient, topic, type_, size)
        detail, trace, payload = (*texts, "", "", "")[:3]
        alone = not trace and payload == ""
        self.write(what, message, process, time_ns, lamport, detail if alone else (detail, trace, payload))

    def write(
        self,
        what: str,
        message: MessageFields,
        process: str,
        time_ns: int,
        lamport: int,
        texts: str | tuple[str, str, str | bytes] = "",
    ) -> None:
        """Like `append`, for who keeps a copy's fields together. `texts` is the detail; or detail, trace, payload."""
        at = self._written % self.capacity
        if self._written - self._let_go == self.capacity:  # then the oldest event is in this event's place
            if old := self._texts[at]:
                self._text -= _length(old)
            self._let_go += 1
        self._what[at] = what
        self._message[at] = message
        self._process[at] = process
        self._time_ns[at] = time_ns
        self._lamport[at] = lamport
        self._texts[at] = texts
        self._written += 1
        if texts:
            self._text += _length(texts)
            while self._text > TEXT_CAPACITY:
                self._let_oldest_go()

    def write_all(
        self,
        steps: list[str],
        messages: Sequence[MessageFields],
        process: str,
        times_ns: list[int],
        lamports: list[int],
        detail: str = "",
    ) -> None:
        """Like `write` for each of several events at one process: a fourth of the time, if there are many."""
        number = len(steps)
        begin = self._written % self.capacity
        end = begin + number
        if number < FEW or end > self.capacity:
            for what, message, time_ns, lamport in zip(steps, messages, times_ns, lamports, strict=True):
                self.write(what, message, process, time_ns, lamport, detail)
            return
        self._time_ns[begin:end] = array("Q", times_ns)
        self._lamport[begin:end] = array("Q", lamports)
        self._what[begin:end] = steps
        self._message[begin:end] = messages
        self._process[begin:end] = [process] * number
        self._text += number * len(detail) - sum([_length(old) for old in self._texts[begin:end] if old])
        self._texts[begin:end] = [detail] * number
        self._written += number
        self._let_go = max(self._let_go, self._written - self.capacity)
        while self._text > TEXT_CAPACITY:
            self._let_oldest_go()

    def _let_oldest_go(self) -> None:
        at = self._let_go % self.capacity
        self._text -= _length(self._texts[at])
        self._texts[at], self._message[at] = "", None
        self._let_go += 1

    def after(self, seq: int, limit: int | None = None) -> list[JournalEvent]:
        """Up to `limit` events that follow number `seq`, oldest first. Those let go are left out silently: see
        whether the first one's `seq` is the one expected."""
        first = max(seq, self._let_go)
        stop = self._written if limit is None else min(first + limit, self._written)
        return [self._event(number) for number in range(first, stop)]

    def _event(self, number: int) -> JournalEvent:
        at = number % self.capacity
        message, texts = self._message[at], self._texts[at]
        assert message is not None, "an event that was let go is not asked for"
        kind, message_id, cause, sender, recipient, topic, type_, size = message
        detail, trace, payload = (texts, "", "") if isinstance(texts, str) else texts
        return JournalEvent(
            number + 1, self._what[at], kind, message_id, cause, sender, recipient, topic, self._process[at], type_,
            size, self._time_ns[at], self._lamport[at], detail, trace,
            payload_text(payload, size) if isinstance(payload, bytes) else payload,
        )  # fmt: skip

    def __iter__(self) -> Iterator[JournalEvent]:
        return iter(self.after(0))

    def __repr__(self) -> str:
        return f"<Journal of {len(self)} events, {self.let_go} let go>"


def _length(texts: str | tuple[str | bytes, ...]) -> int:
    return len(texts) if isinstance(texts, str) else sum(map(len, texts))


def payload_text(data: bytes, size: int) -> str:
    """The first bytes of a payload of `size` bytes as text; of one that is no text, some bytes in hexadecimal."""
    cut = size > len(data)
    try:
        # A cut may go through the middle of a character, which takes four bytes at most.
        text = data.decode("utf-8", "strict") if not cut else data[: len(data) - _torn(data)].decode("utf-8", "strict")
    except UnicodeDecodeError:
        return f"binary: {data[:_SHOWN_BYTES].hex(' ')}" + (" …" if size > _SHOWN_BYTES else "")
    return text + " …" * cut


def _torn(data: bytes) -> int:
    """How many bytes at the end belong to a character that is not complete."""
    for length in range(1, min(4, len(data)) + 1):
        byte = data[-length]
        if byte >= 0xC0:  # a character begins here
            return length if length < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else 0
        if byte < 0x80:
            return 0
    return 0


_SHOWN_BYTES: Final = 64
"""So many bytes of a payload that is no text are written out: enough to recognize it."""


def messages(events: Iterable[JournalEvent]) -> dict[tuple[str, str, str], list[JournalEvent]]:
    """The events of each message copy, in the order of the journal (process events are left out)."""
    copies: dict[tuple[str, str, str], list[JournalEvent]] = {}
    for event in events:
        if event.kind != PROCESS:
            copies.setdefault(event.copy, []).append(event)
    return copies
