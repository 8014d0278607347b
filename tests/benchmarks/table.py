"""The table that is printed, and the same as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .rounds import OURS, Row, Target, written


def printed(rows: Sequence[Row], systems: Sequence[str]) -> str:
    """A Markdown table, which is also one to the eye: a row for each figure, a column for each system."""
    head = ["what", "unit", *systems, *(f"÷ {name}" for name in systems if name != OURS), "wanted", ""]
    lines = [head, *(_cells(row, systems) for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines
    )


def _cells(row: Row, systems: Sequence[str]) -> list[str]:
    values = [row.middle(name) for name in systems]
    ratios = [row.ratio(name) for name in systems if name != OURS]
    return [
        row.name,
        row.unit,
        *("" if value is None else written(value) for value in values),
        *("" if ratio is None else written(ratio) for ratio in ratios),
        "; ".join(_wanted(target, row) for target in row.targets),
        " ".join(_verdict(target, row) for target in row.targets),
    ]


def _wanted(target: Target, row: Row) -> str:
    sign = "≥" if row.high_is_good else "≤"
    whose = f" {target.peer}" if target.peer else ""
    aim = "" if target.aim is None else f" (aim {target.aim:g})"
    return f"{sign} {target.bound:g}{' ×' if whose else ''}{whose}{aim}"


def _verdict(target: Target, row: Row) -> str:
    reached = row.reached(target, target.bound)
    if reached is None:
        return "–"
    if not reached:
        return "MISSED"
    return "aim" if target.aim is not None and row.reached(target, target.aim) else "ok"


def as_data(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every value of every round."""
    return [{"name": row.name, "unit": row.unit, "values": row.values} for row in rows]
