"""What became of every published message, as the journal tells it while it grows."""

from __future__ import annotations

from collections import Counter
from typing import Final

from agentlab.core import journal as j
from agentlab.core.journal import JournalEvent

UNDER_WAY_NS: Final = 10_000_000_000
"""Longer than a copy is ever under way here: after twice the keep-alive time its worker is taken for lost."""


class Accounts:
    """Accounts: the copies that have no ending so far, and how many ended how. Their size does not grow with time."""

    def __init__(self) -> None:
        self.arrived: set[str] = set()
        """The published messages that the host has seen."""
        self.open: dict[tuple[str, str], int] = {}
        """Each copy without an ending: its message id and receiver, and when something last happened to it (ns)."""
        self.ended: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        """How direct messages ended, as the journal has it."""

    def take(self, event: JournalEvent) -> None:
        """One more event of the journal."""
        if event.kind == j.REQUEST and event.what in j.ENDINGS:
            self.outcomes[event.what] += 1
        if event.kind != j.EVENT:
            return
        if event.what == j.ARRIVED:
            self.arrived.add(event.message_id)
        if not event.recipient:
            return
        copy = event.message_id, event.recipient
        if event.what in j.ENDINGS:
            self.open.pop(copy, None)
            self.ended[event.what] += 1
        else:
            self.open[copy] = event.time_ns

    def unaccounted(self, ends_of_hosts: list[int]) -> list[tuple[str, str]]:
        """The copies without an ending that no host's end explains: one that was under way when its host ended."""
        return [
            copy
            for copy, last_ns in self.open.items()
            if not any(0 <= end_ns - last_ns <= UNDER_WAY_NS for end_ns in ends_of_hosts)
        ]
