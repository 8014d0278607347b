"""What a hostile program sends: generated from a seed, so that it can be sent again."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from agentlab import AgentId, TopicId, TypePrefixSubscription, TypeSubscription
from agentlab.core import journal as j
from agentlab.wire import calls, control, draining, frames, watching
from agentlab.wire.codec import encode_plain
from agentlab.wire.columns import row_of
from agentlab.wire.generated import agentlab_pb2 as lab_pb
from agentlab.wire.parcels import (
    Cancel,
    ClockSample,
    Event,
    Failure,
    Hello,
    LostMessage,
    Parcel,
    Payload,
    Report,
    Request,
    Response,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""How an HTTP/2 connection begins."""

SPITEFUL = (
    "", "actor", "../../etc/passwd", "<script>alert(1)</script>", "a" * 600, "\x00", "‮", "🦀" * 100, "${7*7}", "%s%n",
    "client", "host", "notebook", "'; DROP TABLE", "\ud7ff", "a/b/c", "agentlab-echo", "-1", "s1", "asker",
)  # fmt: skip


def text(random: Random) -> str:
    """A name that may be none."""
    return (
        random.choice(SPITEFUL)
        if random.random() < 0.7
        else "".join(chr(random.randrange(1, 0xD7FF)) for _ in range(8))
    )


def agent(random: Random) -> AgentId:
    """An agent whose type is legal, so that it can be written, and perhaps too long."""
    return AgentId(random.choice(["actor", "x", "b" * 700, "unknown"]), text(random))


def number(random: Random) -> int:
    """An unsigned number of 64 bits."""
    return random.choice([0, 1, 2**31, 2**53, 2**63, 2**64 - 1, random.getrandbits(64)])


def parcel(random: Random) -> Parcel:
    """A message, legal or nearly so."""
    size = random.choice([0, 0, 10, 1000])
    payload = Payload(text(random), random.choice(["application/json", "text/html", ""]), random.randbytes(size))
    extra = {text(random): text(random) for _ in range(random.choice([0, 0, 1, 50]))}
    sender = random.choice([None, agent(random)])
    stamps = (text(random), text(random), number(random), number(random))
    match random.randrange(3):
        case 0:
            deadline_s = random.choice([None, 0.0, -1.0, 1e-9, 1e300, math.inf, -math.inf, math.nan])
            return Request(text(random), agent(random), payload, sender, *stamps, deadline_s, number(random), extra)
        case 1:
            failure = random.choice([None, Failure(text(random), text(random), text(random), text(random))])
            return Response(text(random), payload, failure, number(random), number(random), number(random), extra)
    recipients = [(agent(random), number(random)) for _ in range(random.choice([0, 0, 3]))]
    return Event(
        TopicId(random.choice(["news", "t" * 700, "a:b=c"]), text(random)), payload, sender, *stamps, recipients, extra
    )


def mutated(random: Random, data: bytes) -> bytes:
    """The same bytes with some changed, cut off, doubled, or of another length than they say."""
    out = bytearray(data)
    for _ in range(random.choice([0, 1, 1, 2, 8])):
        place = random.randrange(len(out) + 1)
        match random.randrange(5):
            case 0 if out:
                out[place % len(out)] = random.getrandbits(8)
            case 1:
                del out[place:]
            case 2:
                out[place:place] = random.randbytes(random.choice([1, 4, 100]))
            case 3:
                out[place:place] = out[: random.randrange(100)]
            case 4:
                out[place:place] = b"\xff" * 10
    return bytes(out)


def frame(random: Random) -> bytes:
    """A frame of agentlab's link."""
    pieces = [row_of(parcel(random)) for _ in range(random.choice([0, 1, 1, 5]))]
    cancels = [frames_cancel(random) for _ in range(random.choice([0, 0, 2]))]
    words = [j.RECEIVED, j.STARTED, j.HANDLED, j.FAILED]
    reports = [
        Report(number(random), random.choice(words), number(random), number(random), text(random), text(random))
        for _ in range(random.choice([0, 0, 3]))
    ]
    clock = ClockSample(number(random), number(random), number(random)) if random.random() < 0.1 else None
    hello = Hello(text(random), 1, text(random), text(random), text(random)) if random.random() < 0.1 else None
    lost = [
        LostMessage(*(text(random) for _ in range(5)), number(random), number(random), number(random), text(random))
        for _ in range(random.choice([0, 0, 0, 3]))
    ]
    return frames.encode_frame([*pieces, *cancels], reports=reports, lost=lost, clock=clock, hello=hello)


def frames_cancel(random: Random) -> Cancel:
    """A cancellation of some request."""
    return Cancel(text(random), text(random))


def control_message(random: Random) -> bytes:
    """A message of the control channel."""
    target = random.choice(["agentid=actor/k", f"clientid={text(random)}", f"agentid={text(random)}", text(random)])
    body = control.encode_question(random.choice([control.SaveState, control.Describe])(AgentId("actor", "k")))
    back = random.choice(["", f"clientid={text(random)}"])
    return control.encode_control(control.Control(text(random), target, back, body))


def unary(random: Random) -> tuple[str, str, bytes]:
    """A unary call: service, method, request."""
    name = text(random)
    subscription = random.choice([TypeSubscription, TypePrefixSubscription])(text(random) or "x", "x")
    requests: list[tuple[str, str, Callable[[], bytes]]] = [
        (calls.AGENT_RPC, "RegisterAgent", lambda: calls.encode_register_agent(name)),
        (calls.AGENT_RPC, "AddSubscription", lambda: calls.encode_add_subscription(subscription)),
        (calls.AGENT_RPC, "RemoveSubscription", lambda: calls.encode_remove_subscription(name)),
        (calls.AGENT_RPC, "GetSubscriptions", lambda: name.encode("utf-8", "replace")),
        (calls.LINK, "WithdrawAgent", lambda: calls.encode_withdraw_agent(name)),
        (calls.LINK, "Leave", lambda: draining.encode_leave(random.random() < 0.5)),
        (calls.LINK, "HandOver", lambda: draining.encode_hand_over(AgentId("actor", "k"), {name: name})),
        (calls.LINK, "Snapshot", lambda: b"x"),
        (calls.LINK, "NoteProcess", lambda: watching.encode_note_process(name, name, name)),
        (calls.LINK, "SetFault", lambda: lab_pb.NoteProcessRequest(process=name).SerializeToString()),
        (calls.LINK, "CancelSession", lambda: lab_pb.NoteProcessRequest(process="s1").SerializeToString()),
        (text(random), text(random), lambda: name.encode("utf-8", "replace")),
    ]
    service, method, request = random.choice(requests)
    return service, method, mutated(random, request()) if random.random() < 0.5 else request()


def stream_message(random: Random, method: str) -> bytes:
    """A message for a stream of this method."""
    make = {"Open": frame, "OpenControlChannel": control_message}.get(method, lambda r: encode_plain(parcel(r)))
    return mutated(random, make(random)) if random.random() < 0.5 else make(random)


def http2(random: Random) -> bytes:
    """What begins like an HTTP/2 connection, or does not."""
    if random.random() < 0.2:
        return random.randbytes(random.choice([1, 9, 100, 5000]))
    out = bytearray(PREFACE[: random.choice([len(PREFACE), len(PREFACE), 10])])
    for _ in range(random.randrange(6)):
        body = random.randbytes(random.choice([0, 6, 8, 100]))
        length = random.choice([len(body), len(body), 2**24 - 1, 0])
        kind, flags = random.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 200]), random.choice([0, 1, 4, 5, 255])
        stream = random.choice([0, 1, 1, 3, 2**31 - 1])
        out += length.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body
    return bytes(out)
