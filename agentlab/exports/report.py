"""A comparison as text and as HTML, for terminals and notebooks. Every text of a message is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ..core.printable import NO_MATH, escaped
from .comparing import Comparison, Pair

LONGEST_LIST: Final = 50
"""Lines of each kind of difference; how many more there are is said."""
Section = tuple[str, list[tuple[str, str]]]
"""A heading, and for each message its name and what is to be said of it."""


def summary(comparison: Comparison) -> str:
    """The comparison in one line."""
    common = _count(len(comparison.pairs), "message")
    if comparison.is_same and not comparison.timing:
        return f"{common} in both, no difference"
    counted = (
        (len(comparison.missing), "missing"),
        (len(comparison.added), "added"),
        (len(comparison.reordered), "in another order"),
        (len(comparison.outcomes), "with another outcome"),
        (len(comparison.timing), "with another timing"),
    )
    return f"{common} in both; " + ", ".join(f"{number} {what}" for number, what in counted if number)


def as_text(comparison: Comparison) -> str:
    """The comparison as lines of text."""
    lines = [summary(comparison), _medians(comparison)]
    for heading, entries in _sections(comparison):
        lines += ["", heading]
        lines += [f"  {name}{': ' if note else ''}{note}" for name, note in entries[:LONGEST_LIST]]
        lines += [f"  … and {len(entries) - LONGEST_LIST} more"] if len(entries) > LONGEST_LIST else []
    return "\n".join(line for n, line in enumerate(lines) if line or n > 1) + "\n"


def as_html(comparison: Comparison) -> str:
    """The comparison as a table. No colours of its own, so that it is read in a light and in a dark theme."""
    rows = []
    for heading, entries in _sections(comparison):
        rows.append(f'<tr><th colspan="2" style="text-align:left">{escaped(heading)}</th></tr>')
        for name, note in entries[:LONGEST_LIST]:
            cells = (f'<td style="text-align:left">{escaped(text)}</td>' for text in (name, note))
            rows.append(f"<tr>{''.join(cells)}</tr>")
        if len(entries) > LONGEST_LIST:
            rows.append(f'<tr><td colspan="2">… and {len(entries) - LONGEST_LIST} more</td></tr>')
    table = f"<table>{''.join(rows)}</table>" if rows else ""
    medians = _medians(comparison)
    head = f"<b>{escaped(summary(comparison))}</b>{'<br>' if medians else ''}{escaped(medians)}"
    return f'<div class="{NO_MATH}"><p>{head}</p>{table}</div>'


def _sections(comparison: Comparison) -> Iterator[Section]:
    sections: Sequence[Section] = (
        ("Only in the first run", [(str(name), "") for name in comparison.missing]),
        ("Only in the second run", [(str(name), "") for name in comparison.added]),
        ("Received in another order", [(str(pair.name), "") for pair in comparison.reordered]),
        ("With another outcome", [(str(pair.name), _outcomes(pair)) for pair in comparison.outcomes]),
        ("With another timing", [(str(pair.name), _times(pair)) for pair in comparison.timing]),
    )
    return (section for section in sections if section[1])


def _outcomes(pair: Pair) -> str:
    def told(outcome: str, detail: str) -> str:
        first_line = detail.strip().partition("\n")[0]
        return f"{outcome} ({first_line})" if first_line else outcome

    return f"{told(pair.first.outcome, pair.first.detail)}, then {told(pair.second.outcome, pair.second.detail)}"


def _times(pair: Pair) -> str:
    first, second = (f"{(copy.total_ns or 0) / 1_000_000:.1f} ms" for copy in (pair.first, pair.second))
    return f"{first}, then {second}"


def _medians(comparison: Comparison) -> str:
    first, second = comparison.median_ms
    if first is None or second is None:
        return ""
    return f"A message took {first:.2f} ms in the first run and {second:.2f} ms in the second (median)."


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
