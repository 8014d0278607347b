"""What became of every published message, as the journal tells it while it grows."""

from __future__ import annotations

from collections import Counter

from agentlab.core import journal as j
from agentlab.core.journal import JournalEvent


class Accounts:
    """Accounts: the copies that have no ending so far, and how many ended how. Their size does not grow with time,
    but for the ids of what was published."""

    def __init__(self) -> None:
        self.told: set[str] = set()
        """The published messages of which the journal tells that they arrived at the host, or that they were lost."""
        self.open: set[tuple[str, str]] = set()
        """Each copy without an ending: its message id and receiver."""
        self.ended: Counter[str] = Counter()
        self.never_arrived = 0
        """How many were lost on their way to the host, or may have been."""
        self.outcomes: Counter[str] = Counter()
        """How direct messages ended, as the journal has it."""

    def take(self, event: JournalEvent) -> None:
        """One more event of the journal."""
        if event.kind == j.REQUEST and event.what in j.ENDINGS:
            self.outcomes[event.what] += 1
        if event.kind != j.EVENT:
            return
        if not event.recipient:
            if event.what == j.LOST:
                self.never_arrived += 1
            if event.what in (j.ARRIVED, j.LOST):
                self.told.add(event.message_id)
            return
        copy = event.message_id, event.recipient
        if event.what in j.ENDINGS:
            self.open.discard(copy)
            self.ended[event.what] += 1
        else:
            self.open.add(copy)
