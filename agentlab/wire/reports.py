"""What workers tell of the copies they were sent, as it stands in a frame. Read next: `agentlab.wire.frames`."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from ..core import journal as j
from .codec import cut, plausible_lamport
from .parcels import ReportFields
from .rows import Natural

ReportRow = tuple[Natural, str, Natural, Natural, str, str]
"""A `Report` as it is written: its fields in their order."""

_Lamport = Annotated[int, Meta(ge=0, le=2**53)]

HandledRow = tuple[Natural, Natural, Natural, Natural, _Lamport, _Lamport, _Lamport]
"""A `Handled` as it is written: its fields in their order."""

_WHAT: Final = {what: what for what in (j.RECEIVED, j.STARTED, j.HANDLED, j.UNHANDLED, j.FAILED, j.DROPPED)}


def read_reports(rows: list[ReportRow]) -> list[ReportFields]:
    """The reports, without those that say what nobody knows."""
    return [
        (delivery_id, _WHAT[what], time_ns, plausible_lamport(lamport), text and cut(text), trace and cut(trace))
        for delivery_id, what, time_ns, lamport, text, trace in rows
        if what in _WHAT
    ]
