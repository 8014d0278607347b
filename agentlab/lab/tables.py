"""Small tables for notebooks and terminals: what the host knows, at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..core.printable import NO_MATH, escaped, printable


class Table(Sequence[dict[str, Any]]):
    """A table: rows of named values, shown as text or HTML. Each row is a dict of its columns."""

    def __init__(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
        self.title = title
        self.columns = tuple(columns)
        self._rows = [dict(zip(self.columns, row, strict=True)) for row in rows]
        self._empty = empty

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    def column(self, name: str) -> list[Any]:
        """All values of one column. Raises KeyError for an unknown name."""
        if name not in self.columns:
            raise KeyError(f"There is no column {name!r}: there are {', '.join(self.columns)}.")
        return [row[name] for row in self._rows]

    def __repr__(self) -> str:
        if not self._rows:
            return f"{self.title}: {self._empty}"
        cells = [self.columns, *([printable(_text(row[name])) for name in self.columns] for row in self._rows)]
        widths = [max(len(row[n]) for row in cells) for n in range(len(self.columns))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        return "\n".join([self.title, *lines])

    def _repr_html_(self) -> str:
        """What is shown may come from any process: it is escaped, so that it stays text."""
        if not self._rows:
            return f"<p><b>{escaped(self.title)}</b>: {escaped(self._empty)}</p>"
        left = 'style="text-align:left"'
        head = "".join(f"<th {left}>{escaped(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td {left}>{escaped(_text(row[name]))}</td>" for name in self.columns) + "</tr>"
            for row in self._rows
        )
        caption = f'<caption style="text-align:left;caption-side:top"><b>{escaped(self.title)}</b></caption>'
        return f"<table class='{NO_MATH}'>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "–"
    return "–" if value is None or value == "" else str(value)


class Log(str):
    """A log: what a process printed, shown line by line."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self).rstrip("\n") or "(nothing printed yet)"

    def lines(self, containing: str = "") -> list[str]:
        """Its lines, or those that contain some text."""
        return [line for line in self.splitlines() if containing in line]
