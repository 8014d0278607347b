"""The buttons and fields over a live timeline.

They only say what the reader wants; the timeline does it in its own thread, and says back how things stand.
Read next: `agentlab.panels.live_timeline`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, Final

import ipywidgets as w

from ..timeline.choosing import CHOSEN_OUTCOMES, MESSAGE_KINDS, Filter
from ..timeline.lens import SPANS
from ..timeline.viewer import SPEEDS, Viewer

Do = Callable[[Callable[[Viewer], None]], None]
"""Lets something be done with the viewer, in its own thread."""

STEPS: Final = 1000
"""The slider has so many: about one for each pixel."""
MOST_SUGGESTIONS: Final = 200
_AXES: Final = (("real time", False), ("logical time", True))
_LANES: Final = (("lanes: fitting", ""), ("lanes: processes", "process"), ("lanes: agents", "agent"))


def _button(label: str, tip: str, width: str = "36px", icon: str = "") -> Any:
    return w.Button(description=label, tooltip=tip, icon=icon, layout=w.Layout(width=width))


def _list(options: Iterable[Any], value: Any, tip: str, width: str) -> Any:
    return w.Dropdown(options=list(options), value=value, tooltip=tip, layout=w.Layout(width=width))


class TimelineControls:
    """The controls of one live timeline."""

    def __init__(self, do: Do, viewer: Viewer) -> None:
        self._do = do
        self._shown: tuple[Any, ...] = ()
        self.pause = _button("Pause", "Let the picture stand still; again: follow what happens", "86px", "pause")
        self.now = _button("Now", "Jump to now, and follow what happens", "74px", "fast-forward")
        self.back = _button("", "One message back", icon="step-backward")
        self.forth = _button("", "One message on", icon="step-forward")
        self.replay = _button("Replay", "Replay the run from where it stands", "88px", "play")
        self.speed = _list(SPEEDS, "100× slower", "How fast the replay is", "124px")
        self.closer = _button("", "Zoom in", icon="search-plus")
        self.wider = _button("", "Zoom out", icon="search-minus")
        self.place = w.IntSlider(STEPS, 0, STEPS, readout=False, layout=w.Layout(flex="1 1 200px", min_width="120px"))
        self.place.tooltip = "Go through the run: to the right is what happened later"
        self._told = STEPS
        self.span = _list(SPANS, viewer.view.span, "How much of the run is followed", "152px")
        self.lanes = _list(_LANES, viewer.view.lanes or "", "What a lane stands for", "146px")
        self.axis = _list(_AXES, viewer.view.is_logical, "Real time, or Lamport's logical time", "112px")
        self.fold = w.Checkbox(value=viewer.view.fold, description="cut waits", indent=False)
        self.fold.layout.width = "92px"
        self.fold.tooltip = "Draw long waits as narrow breaks"
        self.filters: dict[str, Any] = {}
        for field in fields(Filter):
            self.filters[field.name] = self._filter(field.name)
        self.clear = _button("Clear", "Show all messages", "62px")
        row = w.Layout(flex_flow="row wrap", width="100%", overflow="visible")
        transport = [self.pause, self.now, self.back, self.forth, self.replay, self.speed, self.closer, self.wider]
        self.rows = [
            w.HBox([*transport, self.place], layout=row),
            w.HBox([self.span, self.lanes, self.axis, self.fold], layout=row),
            w.HBox([*self.filters.values(), self.clear], layout=row),
        ]
        self._connect()

    def _filter(self, name: str) -> Any:
        choices = {"kind": MESSAGE_KINDS, "outcome": CHOSEN_OUTCOMES}.get(name)
        if choices:
            options = [(f"any {name}", ""), *((choice, choice) for choice in choices)]
            return _list(options, "", f"Show only messages of this {name}", "126px")
        kind = w.Text if name == "text" else w.Combobox
        wanted = "any text…" if name == "text" else f"any {name}"
        field = kind(placeholder=wanted, continuous_update=False, layout=w.Layout(width="136px"))
        field.tooltip = (
            "Show only messages with this in them" if name == "text" else f"Show only messages of this {name}"
        )
        return field

    def _connect(self) -> None:
        self.pause.on_click(lambda _: self._do(toggle))
        self.now.on_click(lambda _: self._do(Viewer.follow))
        self.back.on_click(lambda _: self._do(lambda viewer: viewer.step(-1)))
        self.forth.on_click(lambda _: self._do(lambda viewer: viewer.step(1)))
        self.replay.on_click(lambda _: self._do(replay))
        self.place.observe(self._seek, "value")
        self.closer.on_click(lambda _: self._do(lambda viewer: zoom(viewer, 0.5)))
        self.wider.on_click(lambda _: self._do(lambda viewer: zoom(viewer, 2.0)))
        self.speed.observe(lambda change: self._do(lambda viewer: set_speed(viewer, change["new"])), "value")
        for widget, name in (
            (self.span, "span"),
            (self.lanes, "lanes"),
            (self.axis, "is_logical"),
            (self.fold, "fold"),
        ):
            widget.observe(self._changing(name), "value")
        for name, widget in self.filters.items():
            widget.observe(self._choosing(name), "value")
        self.clear.on_click(self._clear)

    def _changing(self, name: str) -> Callable[[Any], None]:
        return lambda change: self._do(
            lambda viewer: viewer.change(**{name: change["new"] if change["new"] != "" else None})
        )

    def _choosing(self, name: str) -> Callable[[Any], None]:
        return lambda change: self._do(lambda viewer: viewer.choose(**{name: change["new"].strip()}))

    def _seek(self, change: Any) -> None:
        if change["new"] != self._told:  # else it is what `show` has just told
            self._do(lambda viewer: viewer.seek(change["new"] / STEPS))

    def _clear(self, _: Any) -> None:
        for widget in self.filters.values():
            widget.value = ""

    def show(self, viewer: Viewer) -> None:
        """Show how things stand. Called in the drawing thread."""
        place = round(viewer.place * STEPS)
        if place != self.place.value and not viewer.is_sought:  # else the reader may be moving it
            self._told = place
            self.place.value = place
        shown = (viewer.is_following and not viewer.is_playing, viewer.is_playing, viewer.view.span)
        if shown != self._shown:
            self._shown = shown
            self.pause.description, self.pause.icon = ("Pause", "pause") if shown[0] else ("Follow", "play")
            self.replay.icon = "pause" if shown[1] else "play"
            if self.span.value != viewer.view.span:
                self.span.value = viewer.view.span

    def suggest(self, agents: Iterable[str], processes: Iterable[str], types: Iterable[str]) -> None:
        """Offer these in the filters. Called in the drawing thread."""
        for name, words in (("agent", agents), ("process", processes), ("type", types)):
            options = tuple(word for word in words if word)[:MOST_SUGGESTIONS]
            if self.filters[name].options != options:
                self.filters[name].options = options


def toggle(viewer: Viewer) -> None:
    """Pause what follows, and follow what is paused."""
    if viewer.is_following or viewer.is_playing:
        viewer.pause()
    else:
        viewer.follow()


def replay(viewer: Viewer) -> None:
    """Begin to replay, or stand still."""
    if viewer.is_playing:
        viewer.pause()
    else:
        viewer.play()


def zoom(viewer: Viewer, factor: float) -> None:
    """Zoom in or out around the middle of what is shown."""
    axis = viewer.lens.look(viewer.view).layout.axis
    middle, half = (axis.first + axis.last) / 2, axis.length / 2 * factor
    viewer.show(middle - half, middle + half)


def set_speed(viewer: Viewer, name: str) -> None:
    """Let the replay go on at one of `SPEEDS`."""
    viewer.speed = SPEEDS.get(name, viewer.speed)
