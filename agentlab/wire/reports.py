"""What workers tell of the copies they were sent, as it stands in a frame. Read next: `agentlab.wire.frames`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

from ..core import journal as j
from .codec import cut, plausible_lamport
from .few import FEW
from .generated import agentlab_pb2 as lab_pb
from .parcels import HandledFields, ReportFields

_WHAT_TO_WIRE: Final = {
    j.RECEIVED: lab_pb.Reports.RECEIVED,
    j.STARTED: lab_pb.Reports.STARTED,
    j.HANDLED: lab_pb.Reports.HANDLED,
    j.UNHANDLED: lab_pb.Reports.UNHANDLED,
    j.FAILED: lab_pb.Reports.FAILED,
    j.DROPPED: lab_pb.Reports.DROPPED,
}
_WHAT_FROM_WIRE: Final = {number: what for what, number in _WHAT_TO_WIRE.items()}


def write_reports(reports: Sequence[ReportFields], frame: lab_pb.Frame) -> None:
    """Add reports to a frame: a few as objects, more as a table."""
    if len(reports) > FEW:
        _write_table(reports, frame.reports)
        return
    for delivery_id, what, time_ns, lamport, text, trace in reports:
        one = frame.few_reports.add(delivery_id=delivery_id, what=_WHAT_TO_WIRE[what], time_ns=time_ns, lamport=lamport)
        if text or trace:
            one.detail.text, one.detail.traceback = cut(text), cut(trace)


def _write_table(reports: Sequence[ReportFields], into: lab_pb.Reports) -> None:
    delivery_ids, happenings, times_ns, lamports, texts, traces = zip(*reports, strict=True)
    into.delivery_id.extend(delivery_ids)
    into.what.extend(map(_WHAT_TO_WIRE.__getitem__, happenings))
    into.time_ns.extend(times_ns)
    into.lamport.extend(lamports)
    if any(texts) or any(traces):
        for row, (text, trace) in enumerate(zip(texts, traces, strict=True)):
            if text or trace:
                into.details[row].text, into.details[row].traceback = cut(text), cut(trace)


def read_few_reports(raw: Sequence[lab_pb.Report]) -> list[ReportFields]:
    """The reports that a frame has as objects."""
    reports: list[ReportFields] = []
    for one in raw:
        what = _WHAT_FROM_WIRE.get(one.what)
        if what is not None:
            text, trace = (cut(one.detail.text), cut(one.detail.traceback)) if one.HasField("detail") else ("", "")
            reports.append((one.delivery_id, what, one.time_ns, plausible_lamport(one.lamport), text, trace))
    return reports


def read_reports(raw: lab_pb.Reports) -> list[ReportFields]:
    """The reports that a frame has as a table."""
    details: Mapping[int, Any] = raw.details
    happenings = map(_WHAT_FROM_WIRE.get, raw.what)
    lamports = map(plausible_lamport, raw.lamport)
    # Columns of unequal length can only come from a broken worker: the rows that are whole count.
    rows: Iterable[Any] = zip(raw.delivery_id, happenings, raw.time_ns, lamports, repeat(""), repeat(""), strict=False)
    if len(details):
        rows = (
            (*row[:4], cut(details[n].text), cut(details[n].traceback)) if n in details else row
            for n, row in enumerate(rows)
        )
    return [row for row in rows if row[1] is not None]


def write_handled(handled: Sequence[HandledFields], into: lab_pb.Handled) -> None:
    """Write the table of copies that were handled before anything was told of them."""
    delivery_ids, received_ns, started_ns, handled_ns, received, started, ended = zip(*handled, strict=True)
    into.delivery_id.extend(delivery_ids)
    into.received_ns.extend(received_ns)
    into.started_ns.extend(started_ns)
    into.handled_ns.extend(handled_ns)
    into.received_lamport.extend(received)
    into.started_lamport.extend(started)
    into.handled_lamport.extend(ended)


def read_handled(raw: lab_pb.Handled) -> list[HandledFields]:
    """The table's rows, those of them that are whole."""
    lamports = [
        map(plausible_lamport, column) for column in (raw.received_lamport, raw.started_lamport, raw.handled_lamport)
    ]
    return list(zip(raw.delivery_id, raw.received_ns, raw.started_ns, raw.handled_ns, *lamports, strict=False))
