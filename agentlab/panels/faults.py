"""The faults panel: break things on purpose, see how often each rule struck, and take it away again."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import ipywidgets as w

from ..core.journal import HOST
from ..lab.addresses import NOTEBOOK
from ..lab.errors import LabError
from ..lab.faults import Fault, Setting
from ..lab.presets import PRESETS
from ..lab.schedule import DEEDS, KILL, PAUSE, RESTART, RESUME
from ..wire.faults import KINDS, SetRule
from .form import labelled, side_by_side
from .markup import span
from .messages import recipients
from .panel import Panel, close_all, offer
from .reading import LabFacts

PRESET: Final = "preset"
PARTITION: Final = "partition"
NUMBERS: Final = {
    "delay": ("seconds", "jitter"),
    "drop": (),
    "duplicate": ("copies",),
    "reorder": ("behind", "hold for"),
    "slow": ("bytes/s",),
    PARTITION: ("groups", "heals after"),
    PRESET: ("preset",),
    KILL: ("process", "after"),
    PAUSE: ("process", "after", "lasts"),
    RESUME: ("process", "after"),
    RESTART: ("process", "after"),
}
"""What each kind of fault asks for, beside whom it strikes."""
STRIKES: Final = ("sender", "receiver", "from process", "to process", "kind", "type")
OFTEN: Final = ("probability", "count", "begins after", "lasts", "seed")
ANY: Final = "any"
_SHORT: Final = {"width": "110px"}
_FULL: Final = {"width": "calc(100% - 4px)", "max_width": "420px"}


def asked_of(kind: str) -> tuple[str, ...]:
    """The names of the fields that a kind of fault has."""
    own = NUMBERS[kind]
    if kind in (PARTITION, *DEEDS):
        return own
    return (*own, *STRIKES, "lasts", "seed") if kind == PRESET else (*own, *STRIKES, *OFTEN)


def number(name: str, text: str) -> float | None:
    """What was typed, None for nothing. Raises ValueError, which names the field."""
    try:
        return float(text) if text.strip() else None
    except ValueError:
        raise ValueError(f"{name}: {text!r:.100} is no number.") from None


def whole(name: str, text: str) -> int | None:
    """A whole number, None for nothing. Raises ValueError, which names the field."""
    value = number(name, text)
    if value is not None and not value.is_integer():
        raise ValueError(f"{name}: {text!r:.100} is no whole number.")
    return None if value is None else int(value)


def groups_of(text: str) -> list[set[str]]:
    """The groups of a partition, typed as ``worker-1, worker-2 | notebook``."""
    return [{name.strip() for name in part.split(",") if name.strip()} for part in text.split("|") if part.strip()]


def row_text(rule: SetRule) -> str:
    """A rule's line in the list."""
    state = "" if rule.state == "on" else f", {rule.state}"
    return f"#{rule.number} {rule.rule}: struck {rule.struck}{state}"


class FaultsPanel(Panel):
    """The faults panel: set a rule of the fault lab, a preset, or a plan for a process; see and remove them."""

    title = "Faults"

    def build(self) -> Sequence[Any]:
        self.kind = w.Dropdown(options=list(NUMBERS), value="delay", layout=w.Layout(width="160px"))
        self.fields: dict[str, Any] = {
            "seconds": self._text("0.5"),
            "jitter": self._text("", "none"),
            "copies": self._text("1"),
            "behind": self._text("1"),
            "hold for": self._text("1"),
            "bytes/s": self._text("1000"),
            "groups": w.Text(
                placeholder="worker-1, worker-2 | notebook", layout=w.Layout(**_FULL), continuous_update=False
            ),
            "heals after": self._text("5", "never"),
            "preset": w.Dropdown(options=list(PRESETS), layout=w.Layout(width="160px")),
            "process": w.Dropdown(options=[HOST], layout=w.Layout(width="160px")),
            "after": self._text("", "at once"),
            "sender": self._combobox("any agent: type, type/key, or a pattern"),
            "receiver": self._combobox("any agent: type, type/key, or a pattern"),
            "from process": self._combobox("any process"),
            "to process": self._combobox("any process"),
            "kind": w.Dropdown(options=[ANY, *KINDS], layout=w.Layout(width="160px")),
            "type": w.Text(placeholder="any message type", layout=w.Layout(**_FULL), continuous_update=False),
            "probability": w.FloatSlider(value=1.0, min=0, max=1, step=0.05, layout=w.Layout(width="240px")),
            "count": self._text("", "no limit"),
            "begins after": self._text("", "at once"),
            "lasts": self._text("", "no end"),
            "seed": self._text("0"),
        }
        self.set_button = w.Button(description="Set", button_style="primary", icon="bolt")
        self.clear_button = w.Button(description="Clear all", tooltip="Remove all rules and plans")
        self.heal_button = w.Button(description="Heal", tooltip="End all partitions")
        self.about = w.HTML()
        self.form = w.VBox([], layout=w.Layout(overflow="visible"))
        self.head = w.HTML()
        self.rows = w.VBox([], layout=w.Layout(overflow="visible"))
        self._labelled = {name: labelled(name, field) for name, field in self.fields.items()}
        self._boxes: dict[str, tuple[Any, Any, Any]] = {}
        self._rules: list[SetRule] = []
        self._asking = False
        self.kind.observe(lambda _: self._choose(), "value")
        self.fields["preset"].observe(lambda _: self._choose(), "value")
        self.set_button.on_click(lambda _: self.set())
        self.clear_button.on_click(lambda _: self.do("Clearing", self._clear, "faults"))
        self.heal_button.on_click(lambda _: self.do("Healing", self._heal, "faults"))
        self._choose()
        left = w.VBox(
            [labelled("fault", self.kind), self.about, self.form, self.set_button],
            layout=w.Layout(flex="1 1 420px", min_width="300px", overflow="visible"),
        )
        right = w.VBox(
            [self.head, self.rows, w.HBox([self.clear_button, self.heal_button])],
            layout=w.Layout(flex="1 1 320px", min_width="260px", overflow="visible"),
        )
        return [side_by_side(left, right)]

    def _text(self, value: str, nothing: str = "") -> Any:
        return w.Text(value=value, placeholder=nothing, layout=w.Layout(**_SHORT), continuous_update=False)

    def _combobox(self, nothing: str) -> Any:
        return w.Combobox(placeholder=nothing, layout=w.Layout(**_FULL), continuous_update=False)

    def _choose(self) -> None:
        """Another kind of fault: show its fields."""
        kind = self.kind.value
        self.form.children = [self._labelled[name] for name in asked_of(kind)]
        self.about.value = span(ABOUT.get(kind) or PRESETS[self.fields["preset"].value].text, "quiet")

    # What is set

    def show(self, facts: LabFacts) -> None:
        names = [process.name for process in facts.processes]
        everybody = [NOTEBOOK, *(name for name in names if name != HOST)]
        chosen = self.fields["process"].value
        offer(self.fields["process"], names or [HOST], chosen if chosen in names else (names or [HOST])[-1])
        agents = tuple(recipients(facts.snapshot, True))
        for name, options in (("sender", agents), ("receiver", agents), ("from process", tuple(everybody)),
                              ("to process", tuple(everybody))):  # fmt: skip
            if tuple(self.fields[name].options) != options:
                self.fields[name].options = options
        if self.in_front and facts.running:
            self._ask()
        self._show_rows()

    def _ask(self) -> None:
        """Ask the host for its rules, unless it was asked already."""
        if self._asking:
            return
        self._asking = True

        async def run() -> None:
            try:
                rules = await self.lab.faults.rules()
            except LabError:
                rules = []
            finally:
                self._asking = False
            with self.observer.lock:
                if not self.closed:
                    self._rules = rules
                    self._show_rows()

        if not self.observer.spawn(run):
            self._asking = False

    def lines(self) -> dict[str, str]:
        """What is set, by number."""
        lines = {str(rule.number): row_text(rule) for rule in self._rules}
        plans = self.lab.faults.plans
        return lines | {plan.label: f"{plan.label} {plan}: done {plan.done} times, {plan.state}" for plan in plans}

    def _show_rows(self) -> None:
        lines = self.lines() if self.facts.running else {}
        said = "What is set" if lines else "Nothing is set: everything works as well as it can."
        self.head.value = span(said, "title" if lines else "quiet")
        self.clear_button.disabled = not lines
        self.heal_button.disabled = not any(rule.rule.name == PARTITION for rule in self._rules)
        gone = [self._boxes.pop(name) for name in list(self._boxes) if name not in lines]
        new = [name for name in lines if name not in self._boxes]
        for name in new:
            self._boxes[name] = self._make(name)
        for name, line in lines.items():
            self._boxes[name][1].value = span(line)
        if new or gone:
            self.rows.children = [self._boxes[name][0] for name in lines]
        for box, _, _ in gone:
            close_all(box)

    def _make(self, name: str) -> tuple[Any, Any, Any]:
        text = w.HTML(layout=w.Layout(flex="1 1 auto", min_width="0"))
        button = w.Button(description="Remove", layout=w.Layout(width="80px", flex="0 0 auto"))
        button.on_click(lambda _: self.remove(name))
        box = w.HBox([text, button], layout=w.Layout(align_items="center"))
        box.add_class("agentlab-row")
        return box, text, button

    def remove_button(self, name: str) -> Any:
        """The button of one fault, by its number. Raises KeyError."""
        return self._boxes[name][2]

    # Setting and removing

    def set(self) -> None:
        """Set what the form says."""
        try:
            work = self.work()
        except (ValueError, LabError) as error:
            self.say(str(error), "bad")
        else:
            self.do(f"Setting {self.kind.value}", work, "faults")

    def work(self) -> Callable[[], Coroutine[Any, Any, str | None]]:
        """What sets what the form says. Raises ValueError, LabError."""
        faults, kind = self.lab.faults, self.kind.value
        text = {name: field.value for name, field in self.fields.items()}

        def number_of(name: str) -> float | None:
            return number(name, text[name])

        def needed(name: str) -> float:
            value = number_of(name)
            if value is None:
                raise ValueError(f"{name}: how much?")
            return value

        if kind in DEEDS:
            process, after_s = text["process"], number_of("after") or 0.0
            deed: Callable[..., Coroutine[Any, Any, Fault]] = getattr(faults, kind)
            more = {"for_s": number_of("lasts")} if kind == PAUSE else {}
            return lambda: _said(deed(process, after_s=after_s, **more))
        if kind == PARTITION:
            setting: Setting = faults.partition(*groups_of(text["groups"]), heal_after_s=number_of("heals after"))
            return setting.said
        which: dict[str, Any] = {name.replace(" ", "_"): text[name].strip() for name in STRIKES if name != "kind"}
        which |= {"kind": "" if text["kind"] == ANY else text["kind"]}
        which |= {"for_s": number_of("lasts"), "seed": whole("seed", text["seed"]) or 0}
        if kind == PRESET:
            return faults.preset(text["preset"], **which).said
        which |= {"probability": text["probability"], "count": whole("count", text["count"])}
        which["after_s"] = number_of("begins after") or 0.0
        match kind:
            case "delay":
                return faults.delay(needed("seconds"), jitter=number_of("jitter") or 0.0, **which).said
            case "duplicate":
                return faults.duplicate(whole("copies", text["copies"]) or 1, **which).said
            case "reorder":
                behind = whole("behind", text["behind"]) or 1
                return faults.reorder(behind, hold_s=needed("hold for"), **which).said
            case "slow":
                return faults.slow(needed("bytes/s"), **which).said
        return faults.drop(**which).said

    def remove(self, name: str) -> None:
        """Remove one fault, by its number."""

        async def work() -> str:
            await self.lab.faults.remove(name)
            return f"Removed {name}."

        self.do(f"Removing {name}", work, "faults")

    async def _clear(self) -> str:
        await self.lab.faults.clear()
        return "All rules and plans are removed."

    async def _heal(self) -> str:
        await self.lab.faults.heal()
        return "All partitions are healed."

    def close(self) -> None:
        super().close()
        for box in self._labelled.values():
            if box.comm is not None:
                close_all(box)  # it is not shown: it belongs to nothing that was closed

    def still(self) -> tuple[str, str]:
        table = self.lab.faults.table()
        return repr(table), table._repr_html_()


async def _said(work: Coroutine[Any, Any, Fault]) -> str:
    fault = await work
    return f"Set {fault.number} {fault.text}."


ABOUT: Final = {
    "delay": "Messages wait at the host; those behind them on the same way wait too.",
    "drop": "Messages are thrown away. Who waits for a reply waits to the deadline.",
    "duplicate": "The receiver gets the message, and further copies of it.",
    "reorder": "A message waits until later ones on the same way have passed it.",
    "slow": "Messages to a process go one after the other, each as long as its bytes take.",
    PARTITION: "Processes of different groups cannot hear each other. With host in one, the others cannot reach it.",
    KILL: "End a process at once.",
    PAUSE: "Let a process stand still.",
    RESUME: "Let a paused process go on.",
    RESTART: "End a process, if it is alive, and start it again.",
}
"""What each kind of fault is."""
