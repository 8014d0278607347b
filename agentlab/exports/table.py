"""The run as a table: a row for every message copy, for pandas and for spreadsheets.

Read next: `agentlab.exports.comparing`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ..core.journal import ARRIVED, LEFT, RECEIVED, SENT, STARTED, JournalEvent
from .copies import MessageCopy, message_copies, span_ns

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped, import-not-found, unused-ignore]  # it may be missing, and has no types

NS_PER_MS: Final = 1_000_000
_TIMES: Final = {"sent_ms": SENT, "at_host_ms": ARRIVED, "left_host_ms": LEFT, "received_ms": RECEIVED}
COLUMNS: Final = (
    *("message_id", "cause", "number", "kind", "type", "sender", "recipient", "topic", "from_process", "to_process"),
    *("size", "outcome", "detail", "payload"),
    *(*_TIMES, "started_ms", "ended_ms"),
    *("to_host_took_ms", "host_took_ms", "to_receiver_took_ms", "waiting_took_ms", "handler_took_ms", "total_ms"),
)
"""The columns. Times are milliseconds since the first event of the run; what is not known is missing. A message's
`total_ms` is the sum of the parts that end in ``took_ms``, if all are known; without a host, the way to the receiver
is from sender to receiver."""


def rows(source: Iterable[JournalEvent]) -> list[dict[str, Any]]:
    """A dictionary for every message copy, with `COLUMNS` as keys, in the order of sending."""
    events = list(source)
    origin = min((event.time_ns for event in events), default=0)
    return [_row(copy, origin) for copy in message_copies(events)]


def _row(copy: MessageCopy, origin: int) -> dict[str, Any]:
    steps = copy.steps
    ended = copy.handled_until or copy.ending
    before_receipt = steps.get(LEFT) or steps.get(ARRIVED) or steps.get(SENT)
    row: dict[str, Any] = {name: getattr(copy, name) for name in COLUMNS if not name.endswith("_ms")}
    for name, what in _TIMES.items():
        row[name] = _since(origin, steps.get(what))
    return row | {
        "started_ms": _since(origin, steps.get(STARTED)),
        "ended_ms": _since(origin, ended),
        "to_host_took_ms": _ms(span_ns(steps.get(SENT), steps.get(ARRIVED))),
        "host_took_ms": _ms(span_ns(steps.get(ARRIVED), steps.get(LEFT))),
        "to_receiver_took_ms": _ms(span_ns(before_receipt, steps.get(RECEIVED))),
        "waiting_took_ms": _ms(span_ns(steps.get(RECEIVED), steps.get(STARTED))),
        "handler_took_ms": _ms(span_ns(steps.get(STARTED), copy.handled_until)),
        "total_ms": _ms(copy.total_ns),
    }


def _since(origin: int, event: JournalEvent | None) -> float | None:
    return (event.time_ns - origin) / NS_PER_MS if event else None


def _ms(ns: int | None) -> float | None:
    return None if ns is None else ns / NS_PER_MS


def to_dataframe(source: Iterable[JournalEvent]) -> pandas.DataFrame:
    """A pandas DataFrame with a row for every message copy and the columns of `COLUMNS`.

    Raises ImportError when pandas is not installed, and says how to install it.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "A DataFrame needs pandas, which is not installed here. Install it with: pip install pandas "
            "(in a notebook: %pip install pandas). Without it, agentlab.exports.rows(run) gives the same as a list."
        ) from error
    frame = pandas.DataFrame(rows(source), columns=list(COLUMNS))
    times = [name for name in COLUMNS if name.endswith("_ms")]
    return frame.astype({"number": "int64", "size": "int64"} | dict.fromkeys(times, "float64"))
