"""The logs panel: what each process printed, followed as it is printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import ipywidgets as w

from ..core.journal import HOST
from ..lab.prints import agent_of, printed_by, unmarked
from .markup import block, escaped, short
from .panel import Panel, offer
from .reading import LabFacts

TAIL_BYTES: Final = 64 * 1024
"""So much of the end of a log is read: more than a student scrolls through, and quick even when a log is huge."""
MOST_LINES: Final = 300
ALL: Final = "all"
ANYBODY: Final = "any agent"


class Tail:
    """The end of a growing file, read again only when it has grown."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut = False
        """Whether there is more before it."""
        self._size = -1
        self._lines: list[str] = []

    def lines(self) -> list[str]:
        """Its last lines; none when there is no such file."""
        try:
            size = self.path.stat().st_size
            if size != self._size:
                with self.path.open("rb") as file:
                    file.seek(max(0, size - TAIL_BYTES))
                    data = file.read(TAIL_BYTES)
                self._size, self.cut = size, size > TAIL_BYTES
                self._lines = data.decode("utf-8", "replace").splitlines()[1 if self.cut else 0 :]
        except OSError:
            return self._lines
        return self._lines


def chosen(logs: Iterable[tuple[str, Sequence[str]]], wanted: str, containing: str, agent: str = ANYBODY) -> list[str]:
    """The lines of one process, or of all (each then begins with its name), that contain a text, whatever its case;
    of one agent, or whoever printed them."""
    found = []
    for name, lines in logs:
        if wanted in {ALL, name}:
            before = f"{name}: " if wanted == ALL else ""
            texts = map(unmarked, lines if agent == ANYBODY else printed_by(agent, lines))
            found += [before + text for text in texts if containing.lower() in text.lower()]
    return found


class LogsPanel(Panel):
    """The logs panel: what the processes printed, the newest at the end; of one process, one agent, with some text."""

    title = "Logs"

    def build(self) -> Sequence[Any]:
        self.process = w.Dropdown(options=[ALL], value=ALL, description="of", layout=w.Layout(width="220px"))
        self.process.style.description_width = "20px"
        self.agent = w.Dropdown(options=[ANYBODY], value=ANYBODY, layout=w.Layout(width="200px"))
        self.containing = w.Text(placeholder="only lines with …", layout=w.Layout(width="240px"))
        self.text = w.HTML()
        self._tails: dict[str, Tail] = {}
        self._agents: list[str] = []
        self.process.observe(lambda _: self.look(), "value")
        self.agent.observe(lambda _: self.look(), "value")
        self.containing.observe(lambda _: self.look(), "value")
        return [w.HBox([self.process, self.agent, self.containing], layout=w.Layout(flex_flow="row wrap")), self.text]

    def look(self) -> None:
        """Show again, after the user chose something else."""
        with self.observer.lock:
            if self.process.value is not None and self.agent.value is not None:
                self.update(self.facts)

    def lines(self) -> list[str]:
        """The lines that are to be shown."""
        names = [*self.lab.workers, *([HOST] if self.facts.host else [])]
        for name in names:
            if name not in self._tails:
                self._tails[name] = Tail(self.lab[name].log_path)
        self._tails = {name: self._tails[name] for name in names}
        logs = [(name, tail.lines()) for name, tail in self._tails.items()]
        self._agents = sorted({agent for _, lines in logs for line in lines if (agent := agent_of(line))})
        return chosen(logs, self.process.value, self.containing.value, self.agent.value)

    def show(self, facts: LabFacts) -> None:
        if not self.in_front:
            return
        lines = self.lines()
        options = (ALL, *self._tails)
        offer(self.process, options, self.process.value if self.process.value in options else ALL)
        agents = (ANYBODY, *self._agents)
        offer(self.agent, agents, self.agent.value if self.agent.value in agents else ANYBODY)
        self.text.value = _shown(lines, self.containing.value)

    def still(self) -> tuple[str, str]:
        text = "\n".join(self.lines()[-MOST_LINES:]) or "Nothing was printed yet."
        return text, block(text)


def _shown(lines: Sequence[str], containing: str) -> str:
    if not lines:
        said = f"No line contains “{short(containing)}”." if containing else "Nothing was printed yet."
        return f'<span class="agentlab-quiet">{escaped(said)}</span>'
    left_out = f"… {len(lines) - MOST_LINES} lines before these …\n" if len(lines) > MOST_LINES else ""
    # The box is filled from its end, so it stays at the newest line unless somebody scrolls up.
    return f'<div class="agentlab-tail">{block(left_out + chr(10).join(lines[-MOST_LINES:]))}</div>'
