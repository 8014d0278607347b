"""The run as a Mermaid sequence diagram, for Markdown cells, GitHub and reports.

Agents are participants, boxed by the process that they live in; every message is an arrow. Mermaid is for short
stories: what is too much is left out, and a note says how much. Read next: `agentlab.exports.perfetto`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..core.journal import DROPPED, FAILED, HANDLED, LOST, RECEIVED, REQUEST, RESPONSE, STARTED, UNHANDLED, JournalEvent
from ..core.run import Run
from .copies import IN_FLIGHT, MessageCopy, message_copies, process_names

ARROWS: Final = {REQUEST: "->>", RESPONSE: "-->>"}
"""Requests and their responses, as UML draws them; a published message has an open head (`PUBLISHED`)."""
PUBLISHED: Final = "-)"
NOT_ARRIVED: Final = "-x"
LONGEST_TEXT: Final = 45_000
"""Characters. Mermaid refuses a text of more than 50,000 (its setting *maxTextSize*)."""
LONGEST_NAME: Final = 40
"""Characters of an agent's name, or of what is written at an arrow, before it is cut."""
LONGEST_NOTE: Final = 80
_PLAIN: Final = frozenset(" _-./:()?!'*→…")
"""What may stand in a text besides letters and digits; the rest is written as an entity code."""


class MermaidDiagram(str):
    """A Mermaid diagram: its text, which a notebook shows as a picture when it is a cell's value."""

    __slots__ = ()

    def _repr_markdown_(self) -> str:
        return f"```mermaid\n{self}```\n"


def to_mermaid(source: Iterable[JournalEvent], *, limit: int = 100) -> MermaidDiagram:
    """The sequence diagram of a run, a journal or any events, with the first `limit` messages.

    Less is shown when the text would be longer than Mermaid takes. Messages stand in the order of their sending.
    """
    if limit < 1:
        raise ValueError(f"A diagram needs room for at least one message, not {limit}.")
    events = list(source)
    copies = message_copies(events)
    names = process_names(source if isinstance(source, Run) else events)
    text = ""
    shown = min(limit, len(copies))
    while shown:  # halving: names are in the text too, so its length is known only when it is made
        text = _diagram(copies[:shown], len(copies) - shown, names)
        if len(text) <= LONGEST_TEXT:
            break
        shown //= 2
    return MermaidDiagram(text if shown else "sequenceDiagram\n    participant p0 as nothing has happened yet\n")


def _diagram(copies: list[MessageCopy], left_out: int, processes: list[str]) -> str:
    homes: dict[str, str] = {}
    """The participants, which are agents and, for what no agent sent, processes; and where each one lives."""
    for copy in copies:
        homes.setdefault(copy.sender or copy.from_process, copy.from_process)
        homes.setdefault(_target(copy), copy.to_process)
        if copy.to_process:
            homes[_target(copy)] = copy.to_process
    order = {name: number for number, name in enumerate(processes)}
    participants = sorted(homes, key=lambda name: order.get(homes[name], len(order)))
    ids = {name: f"p{number}" for number, name in enumerate(participants)}
    lines = ["sequenceDiagram"]
    for home in dict.fromkeys(homes[name] for name in participants):
        inside = [name for name in participants if homes[name] == home]
        boxed = bool(home) and inside != [home]
        if boxed:
            lines.append(f"    box transparent {escaped(home)}")  # without a colour, a name like "red" would be one
        lines += [f"    participant {ids[name]} as {escaped(name or 'outside')}" for name in inside]
        if boxed:
            lines.append("    end")
    for copy in copies:
        source, target = ids[copy.sender or copy.from_process], ids[_target(copy)]
        arrow = ARROWS.get(copy.kind, PUBLISHED) if _arrived(copy) else NOT_ARRIVED
        lines.append(f"    {source}{arrow}{target}: {escaped(_label(copy))}")
        if copy.outcome in (FAILED, LOST, DROPPED, UNHANDLED, IN_FLIGHT):
            why = f"{copy.outcome}: {copy.detail}" if copy.detail else copy.outcome
            lines.append(f"    Note over {target}: {escaped(why, LONGEST_NOTE)}")
    if left_out:
        ends = dict.fromkeys((ids[participants[0]], ids[participants[-1]]))
        what = "message" if left_out == 1 else "messages"
        lines.append(f"    Note over {','.join(ends)}: {left_out} more {what} left out")
    return "\n".join(lines) + "\n"


def _arrived(copy: MessageCopy) -> bool:
    return RECEIVED in copy.steps or STARTED in copy.steps or copy.outcome == HANDLED


def _target(copy: MessageCopy) -> str:
    """Where the arrow points: the agent; the process, outside any agent; the topic, of what went to nobody."""
    return copy.recipient or (f"topic {copy.topic}" if copy.topic else copy.to_process)


def _label(copy: MessageCopy) -> str:
    name = f"{copy.type} ({copy.topic})" if copy.topic and copy.recipient else copy.type
    return name if copy.number == 1 else f"{name}, delivery {copy.number}"


def escaped(text: str, longest: int = LONGEST_NAME) -> str:
    """A text in one line, cut, with everything that could mean something to Mermaid or to a browser as entity code."""
    line = " ".join(text.split())
    if len(line) > longest:
        line = line[: longest - 1] + "…"
    shown = (char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    safe = "".join(char if char.isalnum() or char in _PLAIN else f"#{ord(char)};" for char in shown)
    return safe or "#32;"
