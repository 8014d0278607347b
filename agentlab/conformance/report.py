"""What `agentlab conform` prints."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .examination import Result

_MARKS = {
    "passed": "[green]✓[/green]",
    "failed": "[red]✗[/red]",
    "failed as expected": "[yellow]–[/yellow]",
    "passed unexpectedly": "[red]![/red]",
}


def as_json(results: Sequence[Result]) -> str:
    """A list with one object a check."""
    return json.dumps([asdict(result) | {"good": result.is_good} for result in results], indent=2, ensure_ascii=False)


def show(results: Sequence[Result], subject: str, console: Console) -> None:
    """A table, and a line that says it all."""
    table = Table("", "check", "what is expected, and what was seen instead", "s", box=None, pad_edge=False)
    table.columns[1].no_wrap = True
    table.columns[3].justify = "right"
    for result in results:
        text = escape(result.what)
        if result.detail:
            text += f"\n[{'yellow' if result.is_good else 'red'}]{escape(result.detail)}[/]"
        table.add_row(_MARKS[result.outcome], result.check, text, f"{result.seconds:.1f}")
    console.print(table)
    counts = Counter(result.outcome for result in results)
    console.print(f"\n{subject}: {', '.join(f'{n} {outcome}' for outcome, n in counts.items())}.", style="bold")
    if counts["passed unexpectedly"]:
        console.print("What passes now need not be expected to fail: take it off the list.")
