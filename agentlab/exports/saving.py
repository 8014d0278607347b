"""Saving a run in a form that another program reads; the suffix of the file says which."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from ..core.journal import Journal, JournalEvent
from ..core.run import Run
from .mermaid import to_mermaid
from .perfetto import to_perfetto
from .shiviz import to_shiviz
from .table import COLUMNS, rows


def _json(run: Run) -> str:
    return json.dumps(to_perfetto(run), separators=(",", ":"))


def _markdown(run: Run) -> str:
    return to_mermaid(run)._repr_markdown_()


def _csv(run: Run) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(run))
    return text.getvalue()


_WRITERS: Final[dict[str, Callable[[Run], str]]] = {
    ".json": _json,
    ".log": to_shiviz,
    ".md": _markdown,
    ".mmd": to_mermaid,
    ".csv": _csv,
}
FORMATS: Final = {
    ".json": "trace for ui.perfetto.dev and chrome://tracing",
    ".log": "log for ShiViz, with vector clocks",
    ".md": "Mermaid sequence diagram in Markdown",
    ".mmd": "Mermaid sequence diagram",
    ".csv": "table with a row for every message copy",
    ".jsonl": "run that agentlab opens again",
}
"""The suffixes, and what each stands for."""


def save(source: Iterable[JournalEvent], path: str | Path) -> Path:
    """Save a run, a journal or any events in the form that the path's suffix asks for, and return the path.

    Raises ValueError for a suffix that is not one of `FORMATS`. The file appears whole or not at all.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(f"{name} ({what})" for name, what in FORMATS.items())
        raise ValueError(f"{path.name!r} has no suffix that says how to save it. There are: {known}.")
    run = (
        source
        if isinstance(source, Run)
        else Run(list(source), let_go=source.let_go if isinstance(source, Journal) else 0)
    )
    if suffix == ".jsonl":
        return run.save(path)
    text = _WRITERS[suffix](run)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text, encoding="utf-8", newline="\n")
    unfinished.replace(path)
    return path
