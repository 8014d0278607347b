"""Which messages led to a message, and which it led to: a pure function of what the journal tells.

A message's cause is the message that was being handled when it was sent. So a message leads to all that its handler
sends, to its reply too; and a reply leads to what the handler that waited for it sends after that: to its next
message and in the end to its own reply. This is Lamport's *happened before*, within the handlers. A request and its
reply are two nodes, as what led to the one is not all that led to the other. Read next: `agentlab.timeline.life`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Node(NamedTuple):
    """A node is a message, or the reply to it, which bears the same id."""

    message_id: str
    is_reply: bool = False


@dataclass(frozen=True, slots=True)
class Links:
    """Links are what causality is made of. Times are in nanoseconds, on one clock."""

    causes: Mapping[str, str]
    """For each message id the one that was being handled when it was sent."""
    effects: Mapping[str, Sequence[str]]
    """The inverse of `causes`."""
    sent: Callable[[str], int]
    """When a message was sent."""
    reply: Callable[[str], tuple[int, int] | None]
    """When the reply to a message was sent and when it came; None when there was none."""

    def after(self, node: Node) -> Iterator[Node]:
        """What a node leads to at once."""
        name, reply = node.message_id, self.reply(node.message_id)
        if not node.is_reply:
            yield from map(Node, self.effects.get(name, ()))
            if reply:
                yield Node(name, True)
        elif reply and (asker := self._asker(name)):
            yield from (Node(other) for other in self.effects.get(asker, ()) if self.sent(other) >= reply[1])
            answer = self.reply(asker)
            if answer and answer[0] >= reply[1]:
                yield Node(asker, True)

    def before(self, node: Node) -> Iterator[Node]:
        """What leads to a node at once."""
        name, reply = node.message_id, self.reply(node.message_id)
        if not node.is_reply:
            handled, moment = self._asker(name), self.sent(name)
        elif reply:
            handled, moment = name, reply[0]
        else:
            return
        if handled:
            yield Node(handled)
            for other in self.effects.get(handled, ()):
                answer = None if other == handled else self.reply(other)
                if answer and answer[1] <= moment:
                    yield Node(other, True)

    def _asker(self, name: str) -> str:
        """The message whose handler sent this one; empty when nobody handled any."""
        cause = self.causes.get(name, "")
        return "" if cause == name else cause


@dataclass(frozen=True, slots=True)
class Causality:
    """The nodes before and after one node. Neither contains the node itself."""

    past: frozenset[Node] = frozenset()
    future: frozenset[Node] = frozenset()

    def around(self, node: Node) -> frozenset[Node]:
        """All of them, and the node itself."""
        return self.past | self.future | {node}


def causality(node: Node, links: Links) -> Causality:
    """Past and future of a node.

    Ids come from other processes: a damaged journal may have circles, and each node is visited once.
    """
    past = _reached(node, links.before, frozenset())
    return Causality(past, _reached(node, links.after, past))


def _reached(start: Node, neighbours: Callable[[Node], Iterable[Node]], without: frozenset[Node]) -> frozenset[Node]:
    found: set[Node] = set()
    waiting = [start]
    while waiting:
        for node in neighbours(waiting.pop()):
            if node != start and node not in found and node not in without:
                found.add(node)
                waiting.append(node)
    return frozenset(found)
