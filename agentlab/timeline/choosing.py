"""Choosing which messages a timeline shows: by agent, process, type, kind, outcome, or any text.

Read next: `agentlab.timeline.causality`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agentlab.core.exceptions import BY_NAME
from agentlab.core.journal import ARRIVED, DELAYED, DUPLICATED, LEFT, RESPONSE, JournalEvent

from .outcomes import OUTCOMES, outcome_of

ERROR: Final = "error"
MESSAGE_KINDS: Final = ("request", "response", "event", ERROR)
"""What `Filter.kind` may be. An *error* is a response that carries one of the runtimes' own errors."""
CHOSEN_OUTCOMES: Final = (*OUTCOMES, DUPLICATED, DELAYED)
"""What `Filter.outcome` may be."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter says which message copies are shown: those for which all that it names is true.

    Names and text are found anywhere in what they are compared with, in upper or lower case.
    """

    agent: str = ""
    """In the sender or the recipient."""
    process: str = ""
    """In the name of a process that the message passed through."""
    type: str = ""
    """In the message type's name."""
    kind: str = ""
    """One of `MESSAGE_KINDS`."""
    outcome: str = ""
    """One of `CHOSEN_OUTCOMES`."""
    text: str = ""
    """In anything that is known about the message: type, agents, topic, id, error."""

    def __bool__(self) -> bool:
        return any((self.agent, self.process, self.type, self.kind, self.outcome, self.text))

    def passes(self, steps: Sequence[JournalEvent]) -> bool:
        """Whether a message copy, given by its events, is shown."""
        first = steps[0]
        if self.kind and self.kind != first.kind and not (self.kind == ERROR and is_error(first)):
            return False
        if self.type and not _within(self.type, first.type):
            return False
        if self.agent and not (_within(self.agent, first.sender) or _within(self.agent, first.recipient)):
            return False
        if self.process and not any(_within(self.process, name) for name in _processes(steps)):
            return False
        if self.outcome in (DUPLICATED, DELAYED):
            if not any(event.what == self.outcome for event in steps):
                return False
        elif self.outcome and outcome_of(steps) != self.outcome:
            return False
        return not self.text or any(_within(self.text, known) for known in _texts(steps))

    def __str__(self) -> str:
        names = ("agent", "process", "type", "kind", "outcome", "text")
        return ", ".join(f"{name} {value}" for name in names if (value := getattr(self, name)))


def is_error(event: JournalEvent) -> bool:
    """Whether this is an event of a response that carries one of the runtimes' own errors."""
    return event.kind == RESPONSE and event.type.rpartition(".")[2] in BY_NAME


def _within(part: str, whole: str) -> bool:
    return part.casefold() in whole.casefold()


def _processes(steps: Sequence[JournalEvent]) -> set[str]:
    return {e.process for e in steps} | {e.detail for e in steps if e.what in (ARRIVED, LEFT)}


def _texts(steps: Sequence[JournalEvent]) -> list[str]:
    first = steps[0]
    known = [first.type, first.sender, first.recipient, first.topic, first.message_id]
    return known + [text for event in steps for text in (event.detail, event.trace, event.payload) if text]
