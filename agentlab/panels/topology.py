"""The topology panel: which processes there are, how they are, and buttons to break and mend them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import ipywidgets as w

from ..core.journal import HOST, MOVED
from ..lab.addresses import NOTEBOOK
from .markup import duration, escaped, size, span, table
from .observing import PERIOD_S
from .panel import Panel, close_all, offer
from .reading import LabFacts, ProcessFacts, new_events

COLUMNS: Final = ("process", "state", "pid", "uptime", "memory", "msg/s", "agents")
SHARERS: Final = "others that share them"
_NUMBERS: Final = frozenset({"pid", "uptime", "memory", "msg/s"})
_SIGNS: Final = {"running": ("●", "good"), "paused": ("❚❚", "warn"), "starting": ("…", "quiet")}
"""A state by its shape too: not everybody tells the colours apart."""
_DEAD: Final = ("✖", "bad")


def row(process: ProcessFacts) -> tuple[str, ...]:
    """A process's texts, in the order of `COLUMNS`."""
    alive = process.memory is not None
    return (
        process.name,
        f"{sign(process)[0]} {process.state}",
        str(process.pid) if process.pid else "–",
        duration(process.uptime_s) if alive else "–",
        size(process.memory),
        f"{process.per_s:.0f}" if process.per_s >= 10 or not process.per_s else f"{process.per_s:.1f}",
        ", ".join(process.agents) or "–",
    )


def sign(process: ProcessFacts) -> tuple[str, str]:
    """The sign and the look of a process's state."""
    return ("○", "quiet") if process.state in {"stopped", "not started"} else _SIGNS.get(process.state, _DEAD)


def actions(process: ProcessFacts, running: bool) -> frozenset[str]:
    """What can be done to a process: ``pause``, ``resume``, ``kill``, ``restart``, ``drain``, ``remove``."""
    if not running or process.name == NOTEBOOK or process.state == "starting":
        return frozenset()
    possible = {"restart"}
    if process.state == "running":
        possible |= {"pause", "kill"} if process.name == HOST else {"pause", "kill", "drain"}
    elif process.state == "paused":
        possible |= {"resume", "kill"}
    if process.name != HOST:
        possible.add("remove")
    return frozenset(possible)


def row_html(process: ProcessFacts) -> str:
    """A process's row."""
    cells = []
    for column, text in zip(COLUMNS, row(process), strict=True):
        classes = ["number"] if column in _NUMBERS else ["wide"] if column == "agents" else []
        if column == "state":
            classes.append(sign(process)[1])
        names = " ".join(f"agentlab-{name}" for name in classes)
        cells.append(f'<span class="{names}" title="{escaped(text)}">{escaped(text)}</span>')
    return f'<div class="agentlab-facts">{"".join(cells)}</div>'


class _Row:
    """The widgets of one process."""

    BUTTONS: Final = (
        ("pause", "Pause", "Let it stand still (SIGSTOP)"),
        ("restart", "Restart", "End it, and start it again with its agents"),
        ("kill", "Kill", "End it at once (SIGKILL)"),
        ("drain", "Drain", "Let it end its work and hand its agents over to others, and stop it: nothing is lost"),
        ("remove", "Remove", "End it in order, and forget it"),
    )
    WORKERS_OWN: Final = frozenset({"drain", "remove"})

    def __init__(self, process: ProcessFacts, act: Callable[[str, str], None]) -> None:
        self.name = process.name
        self.facts = w.HTML(layout=w.Layout(flex="1 1 490px", min_width="300px", margin="0"))
        self.buttons: dict[str, Any] = {}
        for action, text, tip in self.BUTTONS:
            if process.name != NOTEBOOK and not (process.name == HOST and action in self.WORKERS_OWN):
                button = w.Button(description=text, tooltip=tip, layout=w.Layout(width="64px", height="26px"))
                button.add_class(f"agentlab-{action}-{process.name.replace('.', '-')}")
                button.on_click(lambda _, action=action: act(self.wanted(action), self.name))
                self.buttons[action] = button
        self.box = w.HBox(
            [self.facts, w.HBox(list(self.buttons.values()), layout=w.Layout(flex="0 0 344px", overflow="visible"))],
            layout=w.Layout(
                flex_flow="row wrap", align_items="center", width="100%", overflow="visible", min_height="30px"
            ),
        )
        self.box.add_class("agentlab-row")
        self._paused = False

    def wanted(self, action: str) -> str:
        """What a click means now: the pause button of a paused process resumes it."""
        return "resume" if action == "pause" and self._paused else action

    def show(self, process: ProcessFacts, running: bool) -> None:
        self.facts.value = row_html(process)
        self._paused = process.state == "paused"
        possible = actions(process, running)
        for action, button in self.buttons.items():
            button.disabled = self.wanted(action) not in possible
        if "pause" in self.buttons:
            self.buttons["pause"].description = "Resume" if self._paused else "Pause"


class TopologyPanel(Panel):
    """The topology panel: host and workers as they really are, and buttons to add, kill, pause, restart, drain them."""

    title = "Processes"

    def build(self) -> Sequence[Any]:
        self.head = w.HTML()
        self.names = w.HTML(
            f'<div class="agentlab-facts agentlab-quiet">{"".join(_heading(name) for name in COLUMNS)}</div>',
            layout=w.Layout(width="calc(100% - 344px)", min_width="300px"),
        )
        self.rows = w.VBox([], layout=w.Layout(overflow="visible"))
        self.new_name = w.Text(placeholder="its name, or none", layout=w.Layout(width="150px"))
        self.add = w.Button(
            description="Add a worker", icon="plus", tooltip="Start another worker", layout=w.Layout(width="130px")
        )
        self.add.add_class("agentlab-add-worker")
        self.add.on_click(lambda _: self.add_worker())
        self.heir = w.Dropdown(options=[SHARERS], layout=w.Layout(width="200px"))
        self.heir.add_class("agentlab-heir")
        self._rows: dict[str, _Row] = {}
        heir = [w.HTML(span("Agents of a drained worker go to", "quiet")), self.heir]
        drained = w.HBox(heir, layout=w.Layout(align_items="center"))
        below = w.Layout(flex_flow="row wrap", justify_content="space-between", overflow="visible")
        return [self.head, self.names, self.rows, w.HBox([w.HBox([self.add, self.new_name]), drained], layout=below)]

    def button(self, action: str, process: str) -> Any:
        """The button that does this to that process. Raises KeyError."""
        return self._rows[process].buttons["pause" if action == "resume" else action]

    def show(self, facts: LabFacts) -> None:
        self.head.value = _head(facts)
        self.add.disabled = not facts.running
        heirs = [SHARERS, *(process.name for process in facts.processes if process.name not in {HOST, NOTEBOOK})]
        offer(self.heir, heirs, self.heir.value if self.heir.value in heirs else SHARERS)
        gone = [name for name in self._rows if name not in {process.name for process in facts.processes}]
        new = [process for process in facts.processes if process.name not in self._rows]
        for process in new:
            self._rows[process.name] = _Row(process, self.act)
        left = [self._rows.pop(name) for name in gone]
        for process in facts.processes:
            self._rows[process.name].show(process, facts.running)
        if new or gone:
            self.rows.children = [self._rows[process.name].box for process in facts.processes]
        for one in left:
            close_all(one.box)

    def act(self, action: str, name: str) -> None:
        """Do something to a process."""
        if action == "drain":
            self.drain(name)
            return
        lab = self.lab
        works: dict[str, Callable[[str], Coroutine[Any, Any, None]]] = {
            "pause": lab.pause,
            "resume": lab.resume,
            "kill": lab.kill,
            "restart": lab.restart,
            "remove": lab.remove_worker,
        }

        async def work() -> str:
            await works[action](name)
            return f"{name} was {_DONE[action]}."

        self.do(f"{action.capitalize()} {name}", work, key=name)

    def drain(self, name: str) -> None:
        """End a worker in order; meanwhile it is said how far that is."""
        to = None if self.heir.value == SHARERS else self.heir.value

        async def work() -> str:
            began, _ = new_events(self.lab, 0)
            draining = asyncio.ensure_future(self.lab.drain(name, to=to))
            try:
                while not (await asyncio.wait([draining], timeout=PERIOD_S))[0]:
                    moved = sum(
                        event.what == MOVED for event in new_events(self.lab, began)[1] if event.process == name
                    )
                    sessions = self.facts.snapshot.sessions if self.facts.snapshot else []
                    busy = sum(session.target_worker == name for session in sessions)
                    self.say(f"Drain {name}: {_count(moved, 'agent')} moved, {_count(busy, 'request')} in work …")
                return f"Drained {await draining}."
            finally:
                draining.cancel()

        self.do(f"Drain {name}", work, key=name)

    def add_worker(self) -> None:
        """Start another worker, under the name that is typed, if any."""
        name = self.new_name.value.strip() or None

        async def work() -> str:
            added = await self.lab.add_worker(name)
            self.new_name.value = ""
            return f"{added} was started."

        self.do(f"Start {name or 'another worker'}", work, key="add a worker")

    def still(self) -> tuple[str, str]:
        facts = self.observer.facts()
        rows = [row(process) for process in facts.processes]
        widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
        lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in (COLUMNS, *rows)]
        return "\n".join([f"Lab, {facts.state}", *lines]), f"<p>Lab, {facts.state}</p>{table(COLUMNS, rows)}"


_DONE: Final = {
    "pause": "paused",
    "resume": "resumed",
    "kill": "killed",
    "restart": "restarted",
    "remove": "removed",
}


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _heading(name: str) -> str:
    return span(name, "number") if name in _NUMBERS else span(name)


def _head(facts: LabFacts) -> str:
    title = f'<span class="agentlab-title">Lab, {escaped(facts.state)}</span>'
    if facts.running and not facts.problem:
        return title
    return f"{title} &nbsp; {span(facts.problem, 'bad' if facts.state != 'starting' else 'quiet')}"
