"""Frames: agentlab's dialect of the wire, in which messages travel in batches, each with its stamps beside it.

A batch is written in MessagePack, how its messages are is in `agentlab.wire.rows`; AutoGen's dialect is in
`agentlab.wire.codec`. Decoding is where the network's input is checked: what is not legal raises `WireError`, or is put
aside, and goes no further.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Final

from google.protobuf.message import DecodeError
from msgspec import DecodeError as BatchDecodeError
from msgspec import Meta, msgpack

from .codec import cut, short
from .counting import check_fields, check_items, varint
from .generated import agentlab_pb2 as lab_pb
from .lost import read_lost, write_lost
from .parcels import (
    Cancel,
    ClockSample,
    Frame,
    HandledFields,
    Hello,
    LostMessage,
    ReportFields,
    Welcome,
    WireError,
)
from .reports import HandledRow, ReportRow, read_reports
from .rows import Row, read_rows, row_bytes

FRAME_BYTES: Final = 256 * 1024
"""A frame is closed when it holds about this much: enough to make gRPC's cost per frame small, little enough that the
first message in it does not wait long for the last."""

FRAME_MESSAGES: Final = 32
"""A frame is closed when it holds so many messages, unless very many wait: with all of them in one frame, only the
process that has the frame works, and the others wait for it. Measured with 64 messages under way on two cores: half as
much again a second as with frames of any number, and as much as with 16 or 48."""

FRAME_SHARE: Final = 4
"""A frame may always hold one in so many of those that wait: the frames of a flood are large, and take less of
everybody's time for each message."""

Piece = Row | Cancel
"""What a frame is put together from: a message as a row, or the cancellation of one."""


def frame_messages(waiting: int) -> int:
    """How many of the messages that wait the next frame may hold."""
    return max(FRAME_MESSAGES, waiting // FRAME_SHARE)


def piece_bytes(piece: Piece) -> int:
    """About how many bytes of a frame a piece takes."""
    return row_bytes(piece) if isinstance(piece, tuple) else len(piece.reason)


def encode_frame(
    pieces: Sequence[Piece] = (),
    *,
    reports: Sequence[ReportFields] = (),
    handled: Sequence[HandledFields] = (),
    lost: Sequence[LostMessage] = (),
    clock: ClockSample | None = None,
    hello: Hello | None = None,
    welcome: Welcome | None = None,
    goodbye: bool = False,
) -> bytes:
    """A frame of messages and cancellations, and of what there is one of."""
    rows = [piece for piece in pieces if isinstance(piece, tuple)]
    batch = _WRITER.encode((rows, reports, handled)) if rows or reports or handled else b""
    if len(rows) == len(pieces) and not (lost or clock or hello or welcome or goodbye):
        return _alone(batch)
    frame = lab_pb.Frame(batch=batch)
    for piece in pieces:
        if isinstance(piece, Cancel):
            frame.cancels.add(request_id=piece.request_id, reason=cut(piece.reason))
    if hello is not None:
        frame.hello.name, frame.hello.pid, frame.hello.machine = hello.name, hello.pid, hello.machine
        frame.hello.resume_token, frame.hello.version = hello.resume_token, hello.version
    if welcome is not None:
        frame.welcome.name, frame.welcome.machine = welcome.name, welcome.machine
        frame.welcome.resume_token, frame.welcome.version = welcome.resume_token, welcome.version
        frame.welcome.max_message_bytes = welcome.max_message_bytes
        if welcome.taken is not None:
            frame.welcome.taken = welcome.taken
    if clock is not None:
        frame.clock.worker_sent_ns, frame.clock.host_received_ns, frame.clock.host_sent_ns = clock
    if lost:
        write_lost(lost, frame)
    if goodbye:
        frame.goodbye = True
    data: bytes = frame.SerializeToString()
    return data


MOST_IN_A_FRAME: Final = 20_000
"""Messages, cancellations and reports in a frame. Ours hold a thousand or two: they are closed at 256 KiB. A frame of
many empty ones is small on the wire, and would keep its reader busy for seconds."""

_WRITER: Final = msgpack.Encoder()
_MANY: Final = Meta(max_length=MOST_IN_A_FRAME)
_READER: Final = msgpack.Decoder(
    tuple[Annotated[list[Row], _MANY], Annotated[list[ReportRow], _MANY], Annotated[list[HandledRow], _MANY]]
)

_BATCH: Final = b"\x1a"
"""How protobuf begins the field `batch`."""


def _alone(batch: bytes) -> bytes:
    """A frame that holds nothing but a batch. Most are so, and are written and read without protobuf, which would take
    as long as all the rest."""
    return _beginning(len(batch)) + batch if batch else b""


@lru_cache(maxsize=4096)
def _beginning(length: int) -> bytes:
    """What protobuf writes before so many bytes of a batch."""
    digits = bytearray(_BATCH)
    while length > 127:
        digits.append(length & 127 | 128)
        length >>= 7
    digits.append(length)
    return bytes(digits)


def _batch_alone(data: bytes) -> memoryview | None:
    """The batch of a frame that holds nothing else; None for one that does, or is no frame."""
    if not data.startswith(_BATCH):
        return None
    try:
        length, at = varint(data, 1)
    except IndexError:
        return None
    return memoryview(data)[at:] if at + length == len(data) else None


def decode_frame(data: bytes) -> Frame:
    """Raises WireError when the bytes are no frame; what is illegal in it is put aside in `Frame.rejected`."""
    frame = Frame()
    batch: Any = _batch_alone(data)
    items = 0
    if batch is None:
        check_fields(data, {})
        try:
            raw = lab_pb.Frame.FromString(data)
        except DecodeError as error:
            raise WireError(f"These bytes are no agentlab frame: {error}") from error
        batch, items = raw.batch, len(raw.cancels) + len(raw.lost)
        if items <= MOST_IN_A_FRAME:
            _read_rare(raw, frame)
    if batch:
        check_items(batch)
        try:
            rows, reports, handled = _READER.decode(batch)
        except (BatchDecodeError, UnicodeDecodeError) as error:
            raise WireError(f"These bytes are no batch of messages: {error}") from error
        items += len(rows) + len(reports) + len(handled)
        if items <= MOST_IN_A_FRAME:
            frame.parcels = read_rows(rows, len(batch), frame.rejected)
            frame.reports = read_reports(reports) if reports else reports
            frame.handled = handled
    if items > MOST_IN_A_FRAME:
        raise WireError(f"The frame holds {items:,} messages, cancellations and reports; {MOST_IN_A_FRAME:,} may be.")
    return frame


def _read_rare(raw: lab_pb.Frame, frame: Frame) -> None:
    """What is not in most frames."""
    frame.cancels = [Cancel(cancel.request_id, cut(cancel.reason)) for cancel in raw.cancels]
    frame.lost = read_lost(raw, frame.rejected)
    if raw.HasField("clock"):
        clock = raw.clock
        frame.clock = ClockSample(clock.worker_sent_ns, clock.host_received_ns, clock.host_sent_ns)
    frame.goodbye = raw.goodbye
    if raw.HasField("hello"):
        hello = raw.hello
        names = (short(text, "word of a hello") for text in (hello.machine, hello.resume_token, hello.version))
        frame.hello = Hello(short(hello.name, "worker's name"), hello.pid, *names)
    if raw.HasField("welcome"):
        w = raw.welcome
        taken = w.taken if w.HasField("taken") else None
        frame.welcome = Welcome(w.name, w.machine, w.resume_token, w.max_message_bytes, w.version, taken)
