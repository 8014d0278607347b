"""The timeline panel: every message from sender to receiver, as it goes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol

import ipywidgets as w

from ..core.run import Run
from ..lab.addresses import NOTEBOOK
from .markup import escaped
from .observing import in_a_thread
from .panel import Panel
from .reading import LabFacts, new_events

if TYPE_CHECKING:
    from ..lab.lab import Lab

NEWEST: Final = 600
"""So many journal events are drawn where the picture is a still one: about 70 direct messages."""


class Timeline(Protocol):
    """What is shown in the panel."""

    widget: Any

    def update(self, facts: LabFacts) -> None:
        """Take up new facts."""

    def close(self) -> None:
        """Let go of all that is not the widget."""


def timeline_of(panel: TimelinePanel) -> Timeline:
    """The live timeline where there is one, else a still picture that is drawn again when something happened."""
    if find_spec("agentlab.panels.live_timeline") is not None:
        return _Live(panel.lab)
    return _Still(panel)


class _Live:
    def __init__(self, lab: Lab) -> None:
        from importlib import import_module

        live: Any = import_module("agentlab.panels.live_timeline")
        self._timeline = live.LiveTimeline(lab)
        self.widget = getattr(self._timeline, "widget", self._timeline)

    def update(self, facts: LabFacts) -> None:
        """It follows the lab by itself."""

    def close(self) -> None:
        self._timeline.close()


class _Still:
    def __init__(self, panel: TimelinePanel) -> None:
        self._panel = panel
        self.widget = w.HTML('<span class="agentlab-quiet">No message was sent yet.</span>')
        self._drawn = 0
        self._drawing = False

    def update(self, facts: LabFacts) -> None:
        if facts.last_seq != self._drawn and not self._drawing:
            self._drawing = True
            if not self._panel.observer.spawn(self._draw):
                self._drawing = False

    async def _draw(self) -> None:
        try:
            lab = self._panel.lab
            last, _ = new_events(lab, 1 << 62)
            _, events = new_events(lab, last - NEWEST)
            run = Run(events, (NOTEBOOK, *lab.workers))
            picture = await in_a_thread(lambda: picture_html(run))
            if not self._panel.closed:
                self.widget.value, self._drawn = picture, last
        finally:
            self._drawing = False

    def close(self) -> None:
        """There is nothing else."""


def picture_html(run: Run) -> str:
    """The picture as an HTML image."""
    from ..timeline.draw import plot

    data, sizes = plot(run)._repr_png_()  # type: ignore[attr-defined]
    code = base64.b64encode(data).decode()
    return f'<div class="agentlab-picture"><img width="{sizes["width"]}" src="data:image/png;base64,{code}"></div>'


class TimelinePanel(Panel):
    """The timeline panel: what happened to every message, while it happens."""

    title = "Timeline"

    def build(self) -> Sequence[Any]:
        self.timeline: Timeline | None = None
        self.place = w.VBox([], layout=w.Layout(width="100%"))
        return [self.place]

    def show(self, facts: LabFacts) -> None:
        if not self.in_front:  # a picture that nobody sees is not drawn
            return
        if self.timeline is None:
            self.timeline = timeline_of(self)
            self.place.children = [self.timeline.widget]
        self.timeline.update(facts)

    def close(self) -> None:
        if not self.closed and self.timeline is not None:
            self.timeline.close()
        super().close()

    def still(self) -> tuple[str, str]:
        from ..timeline.listing import text

        run = self.lab.journal
        said = text(run).rstrip() if len(run) else "No message was sent yet."
        return said, picture_html(Run(run.events[-NEWEST:], run.lanes)) if len(run) else f"<p>{escaped(said)}</p>"
