"""Which messages led to a message, and which it led to: a pure function of the journal's cause links.

A message's cause is the message that was being handled when it was sent. So the causes of a message form one
chain back to something that nobody handled (a cell of the notebook, say), and its effects a tree. A request and its
responses bear one id and count as one. Read next: `agentlab.timeline.life`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Causality:
    """The messages before and after one message, by id. Neither contains the message itself."""

    past: tuple[str, ...] = ()
    """From the message's cause back to the first one."""
    future: frozenset[str] = frozenset()

    def around(self, message_id: str) -> frozenset[str]:
        """All of them, and the message itself."""
        return frozenset((message_id, *self.past, *self.future))


def causality(message_id: str, causes: Mapping[str, str], effects: Mapping[str, Sequence[str]]) -> Causality:
    """Past and future of a message, where `effects` is the inverse of `causes`.

    Ids come from other processes: a damaged journal may have circles, and each message is visited once.
    """
    past: dict[str, None] = {}
    cause = causes.get(message_id, "")
    while cause and cause != message_id and cause not in past:
        past[cause] = None
        cause = causes.get(cause, "")
    future: set[str] = set()
    waiting = list(effects.get(message_id, ()))
    while waiting:
        effect = waiting.pop()
        if effect != message_id and effect not in future and effect not in past:
            future.add(effect)
            waiting += effects.get(effect, ())
    return Causality(tuple(past), frozenset(future))
