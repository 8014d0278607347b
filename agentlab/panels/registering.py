"""The register panel: an agent class onto a worker, with its arguments, and an editor for its source."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import ipywidgets as w

from ..core.agents import BaseAgent
from ..core.ids import checked_type
from ..lab.addresses import NOTEBOOK
from .classes import Choice, choices, imported, proposed_type
from .editing import SourceError, compiled, renewed, source_of
from .fields import FormError, arguments, parameters_of
from .form import Form, labelled, side_by_side
from .markup import block, escaped, span, table
from .observing import in_a_thread
from .panel import Panel, offer
from .reading import LabFacts

OTHER: Final = "another, by its name: module:Class"
COLUMNS: Final = ("agent type", "on", "made by")
_FULL: Final = {"width": "calc(100% - 4px)", "max_width": "520px"}


class RegisterPanel(Panel):
    """The register panel: register, replace or unregister agents, and change their source while they run."""

    title = "Register agents"

    def build(self) -> Sequence[Any]:
        self.cls = w.Dropdown(options=[(OTHER, None)], layout=w.Layout(**_FULL))
        # Texts are sent when they are left: see `agentlab.panels.form.Entry`.
        hidden = w.Layout(**_FULL, display="none")
        self.name = w.Text(placeholder="module:Class", layout=hidden, continuous_update=False)
        self.worker = w.Dropdown(options=[NOTEBOOK], layout=w.Layout(width="220px"))
        self.type = w.Text(placeholder="letters, digits, - _ .", layout=w.Layout(**_FULL), continuous_update=False)
        self.form = Form([])
        self.place = w.VBox([self.form.widget], layout=w.Layout(overflow="visible"))
        self.register_button = w.Button(description="Register", button_style="primary")
        self.register_button.add_class("agentlab-register")
        self.unregister_button = w.Button(description="Unregister", tooltip="Give up the agent type: its agents end")
        self.listed = w.HTML()
        self.source = w.Textarea(rows=16, layout=w.Layout(width="calc(100% - 4px)"), continuous_update=False)
        self.source.add_class("agentlab-code")
        self.mistake = w.HTML(layout=w.Layout(width="calc(100% - 4px)"))
        self.apply_button = w.Button(
            description="Apply", icon="check", tooltip="Make the class anew, and replace its agents in the workers"
        )
        self.apply_button.add_class("agentlab-apply")
        self.reset_button = w.Button(description="Undo changes", tooltip="Show the source of the class as it is now")
        self._settling = self._began = False
        self._shown: type[BaseAgent] | None = None
        self._original = ""
        self._found: tuple[str, type[BaseAgent] | None] = ("", None)
        self._newest: type[BaseAgent] | None = None
        self._on_its_way = ""

        self.cls.observe(lambda _: self._look(), "value")
        self.name.observe(lambda _: self._look_up(), "value")
        self.worker.observe(lambda _: self._look(), "value")
        self.type.observe(lambda _: self._look(), "value")
        self.register_button.on_click(lambda _: self.register())
        self.unregister_button.on_click(lambda _: self.unregister())
        self.apply_button.on_click(lambda _: self.apply())
        self.reset_button.on_click(lambda _: self.reset())

        left = w.VBox(
            [
                labelled("agent class", w.VBox([self.cls, self.name], layout=w.Layout(overflow="visible"))),
                labelled("on", self.worker),
                labelled("agent type", self.type),
                self.place,
                w.HBox([self.register_button, self.unregister_button], layout=w.Layout(flex_flow="row wrap")),
                self.listed,
            ],
            layout=w.Layout(flex="1 1 380px", min_width="300px", overflow="visible"),
        )
        right = w.VBox(
            [
                w.HTML(span("Source of the class", "title")),
                self.source,
                self.mistake,
                w.HBox([self.apply_button, self.reset_button], layout=w.Layout(flex_flow="row wrap")),
            ],
            layout=w.Layout(flex="1 1 420px", min_width="300px", overflow="visible"),
        )
        return [side_by_side(left, right)]

    # What there is

    def show(self, facts: LabFacts) -> None:
        if not self.in_front:
            return
        found = choices(vars(sys.modules["__main__"]))
        self._settling = True
        options = [*((str(choice), choice) for choice in found), (OTHER, None)]
        value = next((choice for choice in found if choice.cls is self._newest), None) if self.cls.value else None
        self._newest = None  # what the editor just made is chosen once, and then it is the user's choice again
        offer(self.cls, options, value or _same(self.cls.value, found, first=not self._began))
        workers = [*self.lab.workers, NOTEBOOK]
        offer(self.worker, workers, self.worker.value if self._began and self.worker.value in workers else workers[0])
        self._settling, self._began = False, True
        self._show_class()
        rows = self._rows()
        self.listed.value = table(COLUMNS, rows) if rows else span("Nothing is registered yet.", "quiet")
        there = self._workers_with(self.type.value.strip())
        self.register_button.description = "Replace" if self.worker.value in there else "Register"
        self.unregister_button.disabled = not there or not facts.running
        self.register_button.disabled = not facts.running

    def _rows(self) -> list[tuple[str, str, str]]:
        """What is registered, as the texts of a table."""
        return sorted(
            (place.type, f"{place.worker}, shared" if place.shared else place.worker, str(place.spec))
            for place in self.lab.places
        )

    def _workers_with(self, agent_type: str) -> list[str]:
        """The workers that have the type; the one that got it last comes last."""
        return [place.worker for place in self.lab.places if place.type == agent_type]

    def _look(self) -> None:
        with self.observer.lock:
            if not self._settling:
                self.update(self.facts)

    def _look_up(self) -> None:
        """Import what is named as ``module:Class``, without holding up anybody."""
        text = self.name.value.strip()
        self._on_its_way = text
        if not text or text == self._found[0]:
            return

        async def work() -> str:
            found = await in_a_thread(lambda: imported(text))
            if self._on_its_way == text:
                self._found = text, found
            return f"{found.__name__} was found in {found.__module__}."

        self.do(f"Import {text}", work, key=f"import {text}")

    def chosen(self) -> type[BaseAgent] | None:
        """The class that is chosen or named; None when there is none (yet)."""
        if isinstance(self.cls.value, Choice):
            return self.cls.value.cls
        name, found = self._found
        return found if name == self.name.value.strip() else None

    def _show_class(self) -> None:
        """The form and the source of the chosen class, when it is another than before."""
        self.name.layout.display = "none" if isinstance(self.cls.value, Choice) else None
        cls = self.chosen()
        if cls is self._shown:
            return
        changed = self.source.value != self._original
        same = cls is not None and self._shown is not None and cls.__name__ == self._shown.__name__
        self._shown = cls
        before = self.form
        try:
            self.form = Form([] if cls is None else parameters_of(cls))
        except Exception as error:  # a class may be anything
            self.form = Form([])
            self.say_error(f"{cls.__name__ if cls else ''} has no form", error)
        self.place.children = [self.form.widget]
        before.close()
        if cls is not None and not same:
            self._settling = True
            self.type.value = proposed_type(cls)
            self._settling = False
        if not (same and changed):  # what is being edited is not taken away
            self.reset()

    def reset(self) -> None:
        """Show the source of the class as it is now."""
        cls = self.chosen()
        try:
            self._original = source_of(cls) if cls is not None else ""
        except FormError as error:
            self._original = ""
            self.source.placeholder = str(error)
        self.source.value = self._original
        self.mistake.value = ""
        self.source.disabled = self.apply_button.disabled = not self._original

    # What can be done

    def register(self) -> None:
        """Register the class, or replace what the worker has under that type."""
        cls, worker, name, typed = self.chosen(), self.worker.value, self.type.value.strip(), self.form.typed()
        try:
            if cls is None:
                raise FormError("Which class? Define one in a cell, or name one as module:Class.")
            checked_type(name)
        except ValueError as error:
            self.say(str(error), "bad")
            return

        async def work() -> str:
            given = await in_a_thread(lambda: arguments(cls, typed, vars(sys.modules["__main__"])))
            shared = any(place.shared for place in self.lab.places if place.type == name)  # then it stays so
            return await self.lab.register(worker, name, cls, shared=shared, **given)

        self.do(f"Register {name} on {worker}", work, key="agents")

    def unregister(self) -> None:
        """Give up the agent type."""
        name = self.type.value.strip()
        there = self._workers_with(name)
        if not there:
            self.say(f"Nothing is registered under {name!r}.", "warn")
            return
        worker = self.worker.value if self.worker.value in there else there[-1]

        async def work() -> str:
            await self.lab.unregister(worker, name)
            return f"{name} was given up on {worker}."

        self.do(f"Unregister {name} on {worker}", work, key="agents")

    def apply(self) -> None:
        """Make the class from the changed source, and replace the agents of this class in the workers."""
        cls, source = self.chosen(), self.source.value
        if cls is None:
            self.say("Choose a class first.", "warn")
            return

        async def work() -> str:
            try:
                made = await in_a_thread(lambda: compiled(source, cls))
            except SourceError as error:
                if not self.closed:
                    where = error.excerpt(source)
                    self.mistake.value = span(f"✖ {error}", "bad") + (block(where, wrapped=False) if where else "")
                raise FormError("there is a mistake in the source. The running agents are as before.") from None
            if not self.closed:
                self.mistake.value = ""
            return await self._replace(cls, made, source)

        self.do(f"Apply the new {cls.__name__}", work, key="agents")

    async def _replace(self, cls: type[BaseAgent], made: type[BaseAgent], source: str) -> str:
        """Put the new class wherever the old one is registered; return what was done."""
        with self.observer.lock:
            self._original, self._newest = source, made
            if self.cls.value is None:
                self._found = self.name.value.strip(), made
        done, failed = [], []
        for place in self.lab.places:
            spec, where = place.spec, f"{place.type} on {place.worker}"
            try:
                maker = renewed(spec.agent, cls, made)
                if maker is not None:
                    await self.lab.register(
                        place.worker, place.type, maker, *spec.args, shared=place.shared, **spec.kwargs
                    )
                    done.append(where)
            except Exception as error:
                failed.append(f"{where} is as before: {error}")
        if failed:
            raise FormError("; ".join(failed))
        if not done:
            return f"The notebook has the new {made.__name__}. Nothing was registered with it yet."
        return f"The new {made.__name__} runs: {', '.join(done)}."

    def still(self) -> tuple[str, str]:
        rows = self._rows()
        text = "\n".join("  ".join(line) for line in rows) or "Nothing is registered yet."
        return text, table(COLUMNS, rows) if rows else f"<p>{escaped(text)}</p>"


def _same(value: Choice | None, found: Sequence[Choice], *, first: bool) -> Choice | None:
    """The choice that stays chosen: the same class, or the one of its name that took its place."""
    if value is None:
        return found[0] if first and found else None
    if value in found:
        return value
    return next((choice for choice in found if choice.cls.__name__ == value.cls.__name__), found[0] if found else None)
