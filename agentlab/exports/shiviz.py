"""The run as a log for ShiViz (https://bestchai.bitbucket.io/shiviz/), which draws what happened before what.

ShiViz reads a file whose first line is the regular expression of an event and whose second one separates executions
(here there is one, so it is empty). Every event takes two lines: what happened, then where, with its vector clock.
Read next: `agentlab.exports.mermaid`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from ..core.journal import PROCESS, JournalEvent
from .clocks import vector_clocks

PARSER: Final = r"(?<event>.*)\n(?<host>\S*) (?<clock>{.*})"
"""The regular expression for ShiViz's field *Log parsing regular expression*. It is the first line of the log, too."""
LONGEST: Final = 200
"""Characters of an event's description: ShiViz shows it in one line."""


def to_shiviz(source: Iterable[JournalEvent]) -> str:
    """The log of a run, a journal or any events, to be saved and opened with ShiViz's *Choose file*."""
    stamped = vector_clocks(source)
    hosts = _host_names(stamp.lane for stamp in stamped)
    lines = [PARSER, ""]
    for stamp in stamped:
        clock = {hosts[lane]: number for lane, number in sorted(stamp.clock.items())}
        lines.append(_description(stamp.event))
        lines.append(f"{hosts[stamp.lane]} {json.dumps(clock, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _host_names(lanes: Iterable[str]) -> dict[str, str]:
    """Names without blanks, which end a name in the log, and still different from each other."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for lane in dict.fromkeys(lanes):
        plain = name = "_".join(lane.split()) or "unnamed"
        number = 1
        while name in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name)
        names[lane] = name
    return names


def _description(event: JournalEvent) -> str:
    if event.kind == PROCESS:
        parts = [event.what, event.type, event.detail]
    else:
        route = f"{event.sender or 'outside'} → {event.recipient or event.topic or 'outside'}"
        parts = [event.what, event.kind, event.type.rpartition(".")[2], route, event.detail]
    text = " ".join(" ".join(parts).split())  # one line, whatever an error's text has in it
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
