"""Frames: agentlab's dialect of the wire, in which messages travel in batches, each with its stamps beside it.

What a message is, and AutoGen's dialect, are in `agentlab.wire.codec`. Decoding is where the network's input is
checked: what is not legal raises `WireError`, or is put aside, and goes no further.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf.message import DecodeError

from ..core import journal as j
from .codec import agent_id, cut, plausible_lamport, read_message, stated_seconds, write_message
from .generated import agentlab_pb2 as lab_pb
from .parcels import (
    Cancel,
    ClockSample,
    Event,
    Frame,
    Hello,
    Parcel,
    Report,
    Request,
    Welcome,
    WireError,
)

_WHAT_TO_WIRE: Final = {
    j.RECEIVED: lab_pb.Reports.RECEIVED,
    j.STARTED: lab_pb.Reports.STARTED,
    j.HANDLED: lab_pb.Reports.HANDLED,
    j.UNHANDLED: lab_pb.Reports.UNHANDLED,
    j.FAILED: lab_pb.Reports.FAILED,
    j.DROPPED: lab_pb.Reports.DROPPED,
}
_WHAT_FROM_WIRE: Final = {number: what for what, number in _WHAT_TO_WIRE.items()}


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field. The fields of one message may simply be joined, so a frame is put together
    from parcels that were encoded one by one when they were sent, without parsing or copying them again."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


_PARCELS: Final = lab_pb.Frame.PARCELS_FIELD_NUMBER
_CANCELS: Final = lab_pb.Frame.CANCELS_FIELD_NUMBER


def encode_parcel(parcel: Parcel) -> bytes:
    """A piece of a frame."""
    out = lab_pb.Parcel()
    write_message(parcel, out.message)
    out.sent_ns, out.lamport = parcel.sent_ns, parcel.lamport
    if isinstance(parcel, Event):
        out.message_id, out.cause = parcel.message_id, parcel.cause
        for agent, delivery_id in parcel.recipients:
            out.recipients.add(type=agent.type, key=agent.key)
            out.delivery_ids.append(delivery_id)
    else:
        out.delivery_id = parcel.delivery_id
        if isinstance(parcel, Request):
            out.message_id, out.cause = parcel.message_id, parcel.cause
            if parcel.deadline_s is not None:
                out.deadline_s = parcel.deadline_s
    return _field(_PARCELS, out.SerializeToString())


def encode_cancel(cancel: Cancel) -> bytes:
    """A piece of a frame."""
    return _field(_CANCELS, lab_pb.Cancel(request_id=cancel.request_id, reason=cancel.reason).SerializeToString())


def encode_frame(
    pieces: Iterable[bytes] = (),
    *,
    reports: Iterable[Report] = (),
    clock: ClockSample | None = None,
    hello: Hello | None = None,
    welcome: Welcome | None = None,
    goodbye: bool = False,
) -> bytes:
    """A frame of pieces made by `encode_parcel` and `encode_cancel`, and of what there is one of."""
    rest = lab_pb.Frame()
    if hello is not None:
        rest.hello.name, rest.hello.pid, rest.hello.machine = hello.name, hello.pid, hello.machine
        rest.hello.resume_token, rest.hello.version = hello.resume_token, hello.version
    if welcome is not None:
        rest.welcome.name, rest.welcome.machine = welcome.name, welcome.machine
        rest.welcome.resume_token, rest.welcome.version = welcome.resume_token, welcome.version
        rest.welcome.max_message_bytes = welcome.max_message_bytes
    if clock is not None:
        rest.clock.worker_sent_ns, rest.clock.host_received_ns, rest.clock.host_sent_ns = clock
    if reports:
        _write_reports(reports, rest.reports)
    rest.goodbye = goodbye
    return b"".join((rest.SerializeToString(), *pieces))


def _write_reports(reports: Iterable[Report], into: lab_pb.Reports) -> None:
    columns = list(zip(*reports, strict=True))
    into.delivery_id.extend(columns[0])
    into.what.extend([_WHAT_TO_WIRE[what] for what in columns[1]])
    into.time_ns.extend(columns[2])
    into.lamport.extend(columns[3])
    for row, (text, trace) in enumerate(zip(columns[4], columns[5], strict=True)):
        if text or trace:
            into.details[row].text, into.details[row].traceback = cut(text), cut(trace)


def decode_frame(data: bytes) -> Frame:
    """Raises WireError when the bytes are no frame; what is illegal in it is put aside in `Frame.rejected`."""
    try:
        raw = lab_pb.Frame.FromString(data)
    except DecodeError as error:
        raise WireError(f"These bytes are no agentlab frame: {error}") from error
    frame = Frame()
    for piece in raw.parcels:
        try:
            frame.parcels.append(_read_parcel(piece))
        except WireError as error:
            error.request_id, error.answers = piece.message.request.request_id, piece.message.response.request_id
            frame.rejected.append(error)
    if raw.cancels:
        frame.cancels = [Cancel(cancel.request_id, cancel.reason) for cancel in raw.cancels]
    if raw.HasField("reports"):
        frame.reports = _read_reports(raw.reports)
    if raw.HasField("clock"):
        clock = raw.clock
        frame.clock = ClockSample(clock.worker_sent_ns, clock.host_received_ns, clock.host_sent_ns)
    frame.goodbye = raw.goodbye
    if raw.HasField("hello"):
        hello = raw.hello
        frame.hello = Hello(hello.name, hello.pid, hello.machine, hello.resume_token, hello.version)
    if raw.HasField("welcome"):
        w = raw.welcome
        frame.welcome = Welcome(w.name, w.machine, w.resume_token, w.max_message_bytes, w.version)
    return frame


def _read_parcel(piece: lab_pb.Parcel) -> Parcel:
    parcel = read_message(piece.message)
    parcel.sent_ns, parcel.lamport = piece.sent_ns, plausible_lamport(piece.lamport)
    if isinstance(parcel, Event):
        parcel.message_id, parcel.cause = piece.message_id, piece.cause
        if piece.recipients:
            agents = [agent_id(agent.type, agent.key) for agent in piece.recipients]
            if len(agents) != len(piece.delivery_ids):
                raise WireError("A published message needs one delivery id for each recipient.")
            parcel.recipients = list(zip(agents, piece.delivery_ids, strict=True))
    else:
        parcel.delivery_id = piece.delivery_id
        if isinstance(parcel, Request):
            parcel.message_id, parcel.cause = piece.message_id, piece.cause
            if piece.HasField("deadline_s"):
                parcel.deadline_s = stated_seconds(piece.deadline_s)
    return parcel


def _read_reports(raw: lab_pb.Reports) -> list[Report]:
    details: Mapping[int, Any] = raw.details
    reports = []
    # Columns of unequal length can only come from a broken worker: the rows that are whole count.
    for row, (delivery_id, number, time_ns, lamport) in enumerate(
        zip(raw.delivery_id, raw.what, raw.time_ns, raw.lamport, strict=False)
    ):
        what = _WHAT_FROM_WIRE.get(number)
        if what is not None:
            text, trace = (details[row].text, details[row].traceback) if row in details else ("", "")
            reports.append(Report(delivery_id, what, time_ns, plausible_lamport(lamport), text, trace))
    return reports
