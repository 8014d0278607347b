"""What agents print: in a worker's log every line of theirs carries a mark that says whose it is.

The worker writes the marks (`AgentPrints`), and whoever reads a log takes them off again (`unmarked`) or goes by them
(`printed_by`). Lines that no agent printed have none.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import BinaryIO, Final, TextIO

from ..core.contexts import AgentInstantiationContext, MessageHandlerContext

MARK: Final = "\x1f"
"""Before and after the agent's id: ASCII's unit separator, which nobody prints, and which ends no line."""
_MARKED: Final = re.compile(f"^{MARK}([^{MARK}\n]*){MARK}", re.MULTILINE)


class AgentPrints(io.TextIOBase):
    """A worker's standard output: lines that are begun while an agent handles a message, or is made, carry its id."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begins = True

    def write(self, text: str, /) -> int:
        """Write, with a mark before every line that begins here."""
        agent = _speaker()
        mark = f"{MARK}{agent}{MARK}" if agent else ""
        for line in io.StringIO(text, newline=""):
            self._stream.write(mark + line if self._begins else line)
            self._begins = line.endswith("\n")
        return len(text)

    def flush(self) -> None:
        """Hand it over to the log."""
        self._stream.flush()

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """The log's."""
        return self._stream.fileno()

    @property
    def buffer(self) -> BinaryIO:
        """The log's, for bytes: these carry no marks."""
        return self._stream.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The log's."""
        return self._stream.encoding


def _speaker() -> str:
    try:
        return str(MessageHandlerContext.agent_id())
    except RuntimeError:
        return (
            str(AgentInstantiationContext.current_agent_id()) if AgentInstantiationContext.is_in_factory_call() else ""
        )


def unmarked(text: str) -> str:
    """A log's text without the marks."""
    return _MARKED.sub("", text)


def agent_of(line: str) -> str:
    """Who printed a line of a log, as type/key; empty when it was no agent."""
    found = _MARKED.match(line)
    return found[1] if found else ""


def printed_by(agent: str, lines: Iterable[str]) -> list[str]:
    """The lines that an agent printed (``"player/anna"``), or all agents of a type (``"player"``); still marked."""
    return [line for line in lines if agent in {(name := agent_of(line)), name.partition("/")[0]}]
