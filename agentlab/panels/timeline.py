"""The timeline panel: every message from sender to receiver, as it goes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import ipywidgets as w

from ..core.run import Run
from .live_timeline import LiveTimeline
from .markup import escaped
from .panel import Panel
from .reading import LabFacts

NEWEST: Final = 600
"""So many journal events are drawn where the picture is a still one: about 70 direct messages."""


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
        self.timeline: LiveTimeline | None = None
        self.place = w.VBox([], layout=w.Layout(width="100%"))
        return [self.place]

    def show(self, facts: LabFacts) -> None:
        if self.timeline is None and self.in_front:  # it follows the lab by itself, once somebody looks
            self.timeline = LiveTimeline(self.lab)
            self.place.children = [self.timeline.widget]

    def close(self) -> None:
        if not self.closed and self.timeline is not None:
            self.timeline.close()
        super().close()

    def still(self) -> tuple[str, str]:
        from ..timeline.listing import text

        run = self.lab.journal
        said = text(run).rstrip() if len(run) else "No message was sent yet."
        return said, picture_html(Run(run.events[-NEWEST:], run.lanes)) if len(run) else f"<p>{escaped(said)}</p>"
