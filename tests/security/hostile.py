"""What a hostile program sends, as hypothesis strategies: what breaks the host is then made as small as it can be, and
printed.

An input is something legal with a few of its values replaced, and often with its bytes damaged: what is all chance
would be refused at the first look, and little has to be drawn for one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.any_pb2 import Any as PackedAny
from hypothesis import strategies as st

from agentlab import AgentId, TopicId, TypePrefixSubscription, TypeSubscription
from agentlab.core import journal as j
from agentlab.core.serialization import JSON_DATA_CONTENT_TYPE, PROTOBUF_DATA_CONTENT_TYPE
from agentlab.wire import calls, control, draining, frames, watching
from agentlab.wire.codec import encode_plain
from agentlab.wire.generated import agentlab_pb2 as lab_pb
from agentlab.wire.parcels import (
    Cancel,
    ClockSample,
    Event,
    Failure,
    Handled,
    Hello,
    LostMessage,
    Parcel,
    Payload,
    Report,
    Request,
    Response,
)
from agentlab.wire.rows import Row, row_of

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""How an HTTP/2 connection begins."""

SPITEFUL = (
    "", "actor", "../../etc/passwd", "<script>alert(1)</script>", "a" * 600, "\x00", "\u202e", "🦀" * 100, "${7*7}",
    "%s%n", "client", "host", "notebook", "'; DROP TABLE", "\ud7ff", "a/b/c", "agentlab-echo", "-1", "s1", "asker",
)  # fmt: skip


class _Huge(dict[str, str]):
    """A map that nobody wants to read."""

    def __repr__(self) -> str:
        return "HUGE"


HUGE = _Huge({f"key-{n}": "value" for n in range(3_000)})

# Values

names = st.sampled_from(SPITEFUL) | st.sampled_from(SPITEFUL) | st.text(max_size=8)
addresses = names.map("actor/{}".format) | names.map("unknown/{}".format) | names
agents = st.builds(AgentId, st.sampled_from(["actor", "x", "b" * 700, "unknown"]), names)
topics = st.builds(TopicId, st.sampled_from(["news", "t" * 700, "a:b=c"]), names)
numbers = st.sampled_from([0, 1, 2**31, 2**53, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
deadlines = st.sampled_from([0.0, -1.0, 1e-9, 1e300, math.inf, -math.inf, math.nan])
data = st.sampled_from([b"", b"{}", b"{", bytes(1000)]) | st.binary(max_size=20)
content_types = st.sampled_from([JSON_DATA_CONTENT_TYPE, PROTOBUF_DATA_CONTENT_TYPE, "text/html", ""])


def _payload(type: str, content_type: str, data: bytes) -> Payload:
    """AutoGen's dialect cannot hold what is said to be protobuf and is none."""
    whole = PackedAny(type_url=type, value=data).SerializeToString()
    return Payload(type, content_type, whole if content_type == PROTOBUF_DATA_CONTENT_TYPE else data)


payloads = st.builds(_payload, names, content_types, data)
maps = st.builds(lambda name, size: {f"{name}{n}": name for n in range(size)}, names, st.integers(0, 50)) | st.just(
    HUGE
)
failure_fields = st.tuples(names, names, names, names)
failures = failure_fields.map(lambda fields: Failure(*fields))
receivers = st.lists(st.tuples(agents, numbers), max_size=3)

# Messages

PAYLOAD = Payload("Order", "application/json", b"{}")
LEGAL: tuple[Parcel, ...] = (
    Request("r", AgentId("actor", "k"), PAYLOAD),
    Request("r", AgentId("unknown", "k"), PAYLOAD, AgentId("asker", "k"), "m", "c", deadline_s=1.0),
    Response("s1", PAYLOAD),
    Response("s1", failure=Failure("RemoteHandlerError", "text")),
    Event(TopicId("news", "default"), PAYLOAD),
)


def _changes(values: dict[Any, st.SearchStrategy[Any]]) -> st.SearchStrategy[list[tuple[Any, Any]]]:
    """Which values are replaced, and by what."""
    return st.lists(st.one_of([st.tuples(st.just(name), value) for name, value in values.items()]), max_size=4)


_FIELDS = {
    "request_id": names, "target": agents, "topic": topics, "payload": payloads, "sender": st.none() | agents,
    "message_id": names, "cause": names, "sent_ns": numbers, "lamport": numbers, "deadline_s": deadlines,
    "delivery_id": numbers, "failure": st.none() | failures, "recipients": receivers, "metadata": maps,
    "attributes": maps,
}  # fmt: skip

_CELLS = {
    0: st.integers(0, 7), 1: names, 2: addresses, 3: addresses, 4: names, 5: content_types, 6: data, 7: numbers,
    8: numbers, 9: numbers, 10: names, 11: names, 12: deadlines,
    13: st.none() | st.tuples(maps, st.none() | failure_fields),
    14: st.lists(st.tuples(addresses, numbers), max_size=3),
}  # fmt: skip
"""By their place in a row of a frame."""


def _changed_parcel(parcel: Parcel, changes: list[tuple[str, Any]]) -> Parcel:
    return replace(parcel, **{name: value for name, value in changes if hasattr(parcel, name)})


def _changed_row(parcel: Parcel, changes: list[tuple[int, Any]]) -> Row:
    cells: list[Any] = list(row_of(parcel))
    for place, value in changes:
        cells[place] = value
    return tuple(cells)  # type: ignore[return-value]


parcels = st.builds(_changed_parcel, st.sampled_from(LEGAL), _changes(_FIELDS))
rows = st.builds(_changed_row, st.sampled_from(LEGAL), _changes(_CELLS))
cancels = st.builds(Cancel, names, names)
reports = st.builds(
    Report, numbers, st.sampled_from([j.RECEIVED, j.STARTED, j.HANDLED, j.FAILED]), numbers, numbers, names, names
)
_lamports = numbers.map(lambda number: min(number, 2**53))  # one that is higher makes the whole batch illegal
handled = st.builds(Handled, numbers, numbers, numbers, numbers, _lamports, _lamports, _lamports)
lost = st.builds(LostMessage, names, names, names, names, names, numbers, numbers, numbers, names)
clocks = st.builds(ClockSample, numbers, numbers, numbers)
hellos = st.builds(Hello, names, st.just(1), names, names, names)


@dataclass(frozen=True)
class FrameOf:
    """What a frame is made of; `times` over."""

    rows: list[Row]
    cancels: list[Cancel]
    reports: list[Report]
    handled: list[Handled]
    lost: list[LostMessage]
    clock: ClockSample | None
    hello: Hello | None
    times: int

    def encode(self) -> bytes:
        pieces = [*self.rows, *self.cancels] * self.times
        return frames.encode_frame(
            pieces,
            reports=self.reports * self.times,
            handled=self.handled * self.times,
            lost=self.lost * self.times,
            clock=self.clock,
            hello=self.hello,
        )


def _seldom(strategy: st.SearchStrategy[Any], otherwise: Any) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda number: strategy if number == 9 else st.just(otherwise))


frame_parts = st.builds(
    FrameOf,
    st.lists(rows, max_size=2),
    _seldom(st.lists(cancels, min_size=1, max_size=2), []),
    _seldom(st.lists(reports, min_size=1, max_size=3), []),
    _seldom(st.lists(handled, min_size=1, max_size=3), []),
    _seldom(st.lists(lost, min_size=1, max_size=3), []),
    _seldom(clocks, None),
    _seldom(hellos, None),
    st.sampled_from([1, 1, 1, 10]),
)

control_messages = st.builds(
    lambda rpc_id, target, back, question: control.Control(
        rpc_id, target, back, control.encode_question(question(AgentId("actor", "k")))
    ),
    names,
    st.just("agentid=actor/k") | names.map("clientid={}".format) | names.map("agentid={}".format) | names,
    st.just("") | names.map("clientid={}".format),
    st.sampled_from([control.SaveState, control.Describe]),
)

# Their bytes, damaged

_PLACES = st.integers(0, 2**16 - 1)
damages = st.one_of(
    st.tuples(st.just("changed"), _PLACES, st.binary(min_size=1, max_size=1)),
    st.tuples(st.just("cut off"), _PLACES, st.just(b"")),
    st.tuples(st.just("inserted"), _PLACES, st.binary(min_size=1, max_size=8) | st.just(b"\xff" * 10)),
    st.tuples(st.just("doubled"), _PLACES, st.just(b"")),
)


def damaged(whole: bytes, damage: list[tuple[str, int, bytes]]) -> bytes:
    """The same bytes with some changed, cut off, doubled, or of another length than they say."""
    out = bytearray(whole)
    for what, place, new in damage:
        place %= len(out) + 1
        if what == "changed":
            out[place : place + 1] = new
        elif what == "cut off":
            del out[place:]
        else:
            out[place:place] = new if what == "inserted" else out[: place % 100]
    return bytes(out)


@dataclass(frozen=True)
class Inputs:
    """Inputs: some messages, each as it is and with each of the damages. So few choices make many inputs."""

    messages: list[Any]
    damages: list[list[tuple[str, int, bytes]]]
    encode: Callable[[Any], bytes]

    def __iter__(self) -> Iterator[bytes]:
        for whole in map(self.encode, self.messages):
            for damage in [[], *self.damages]:
                yield damaged(whole, damage)


@st.composite
def several(draw: st.DrawFn, one: st.SearchStrategy[Any], most: int) -> list[Any]:
    """A list at least half as long as it may be, where `st.lists` makes short ones: a batch costs as much as ten
    inputs, and chance should not make them too few."""
    return [draw(one) for _ in range(draw(st.integers(most // 2, most)))]


def _inputs(of: st.SearchStrategy[Any], encode: Callable[[Any], bytes]) -> st.SearchStrategy[Inputs]:
    return st.builds(Inputs, several(of, 6), several(st.lists(damages, max_size=4), 12), st.just(encode))


frame_inputs = _inputs(frame_parts, FrameOf.encode)
plain_inputs = _inputs(parcels, encode_plain)
control_inputs = _inputs(control_messages, control.encode_control)

# Calls

_REQUESTS: dict[tuple[str, str], Callable[[str], bytes]] = {
    (calls.AGENT_RPC, "RegisterAgent"): calls.encode_register_agent,
    (calls.AGENT_RPC, "AddSubscription"): lambda name: calls.encode_add_subscription(
        TypePrefixSubscription(name or "x", "x") if len(name) % 2 else TypeSubscription(name or "x", "x")
    ),
    (calls.AGENT_RPC, "RemoveSubscription"): calls.encode_remove_subscription,
    (calls.AGENT_RPC, "GetSubscriptions"): str.encode,
    (calls.LINK, "WithdrawAgent"): calls.encode_withdraw_agent,
    (calls.LINK, "KeepAgents"): lambda name: next(draining.encode_keep([AgentId("x", name), AgentId("actor", name)])),
    (calls.LINK, "Leave"): lambda name: draining.encode_leave(bool(name)),
    (calls.LINK, "HandOver"): lambda name: draining.encode_hand_over(AgentId("actor", "k"), {name: name}),
    (calls.LINK, "Snapshot"): str.encode,
    (calls.LINK, "NoteProcess"): lambda name: watching.encode_note_process(name, name, name),
    (calls.LINK, "SetFault"): lambda name: lab_pb.FaultRule(
        sender=name, drop=lab_pb.FaultRule.Drop(), probability=0.0, for_s=0.001
    ).SerializeToString(),
    (calls.LINK, "RemoveFaults"): str.encode,
    (calls.LINK, "ListFaults"): str.encode,
    (calls.LINK, "CancelSession"): lambda name: lab_pb.CancelSessionRequest(id=name, reason=name).SerializeToString(),
}  # fmt: skip
"""Each call, with a name from outside in it. Of those that wait (`Watch`, `WaitIdle`) none."""


@dataclass(frozen=True)
class Call:
    """A call with one answer."""

    service: str
    method: str
    name: str
    damage: list[tuple[str, int, bytes]]
    metadata: tuple[tuple[str, str | bytes], ...]

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.method}".encode("ascii", "replace").decode().replace("\0", "?")

    @property
    def data(self) -> bytes:
        return damaged(_REQUESTS.get((self.service, self.method), str.encode)(self.name), self.damage)


_junk = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8).map(str.strip) | st.just("j" * 4000)
_keys = st.sampled_from(["client-id", "authorization", "agentlab-name", "agentlab-shared", "x", "grpc-timeout-x"])
strange_metadata = st.tuples(st.tuples(_keys, _junk) | st.tuples(st.just("y-bin"), st.binary(max_size=20)))
unary_calls = st.builds(
    lambda method, name, damage, metadata: Call(*method, name, damage, metadata),
    st.sampled_from(list(_REQUESTS)) | st.tuples(names, names), names,
    st.just([]) | st.lists(damages, min_size=1, max_size=4), _seldom(strange_metadata, ()),
)  # fmt: skip

# What is no call


def _http2_frame(body: bytes, length: int | None, kind: int, flags: int, stream: int) -> bytes:
    said = len(body) if length is None else length
    return said.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


_http2_frames = st.builds(
    _http2_frame, st.binary(max_size=100), st.sampled_from([None, None, 0, 2**24 - 1]),
    st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 200]), st.sampled_from([0, 1, 4, 5, 255]),
    st.sampled_from([0, 1, 1, 3, 2**31 - 1]),
)  # fmt: skip
greetings = st.one_of(
    st.builds(lambda piece, times: piece * times, st.binary(min_size=1, max_size=50), st.sampled_from([1, 100])),
    *[st.lists(_http2_frames, max_size=5).map(lambda them, n=n: PREFACE[:n] + b"".join(them)) for n in (10, 24, 24)],
)
"""What begins like an HTTP/2 connection, or does not."""
