"""The overview: a still picture of more messages than there is room for arrows.

It shows what a live timeline shows of a whole run: on each lane how many messages began or ended there, and the marks
of the processes. Read next: `agentlab.timeline.draw`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agentlab.core.journal import JournalEvent

from .chronicle import Chronicle
from .density import Density
from .lens import EVERYTHING, Lens, Scene, View
from .shapes import LaneKind, Layout

ONE_BY_ONE: Final = 1_000
"""Up to so many message copies are drawn as arrows: at its widest, a still picture is 1,600 pixels."""
ADVICE: Final = "agentlab.panels.LiveTimeline(run) zooms in to single ones"


def overview(
    events: Sequence[JournalEvent], wanted: Sequence[str], note: str, *, lanes: LaneKind | None, fold: bool
) -> Scene | None:
    """The overview of these events, on the lanes that are `wanted` and those that are needed; None when there is room
    for an arrow for every message. `note` is what the run says about itself."""
    if len(events) <= ONE_BY_ONE:  # every message copy has an event
        return None
    chronicle = Chronicle(events)
    if len(chronicle.copies) <= ONE_BY_ONE:
        return None
    lens = Lens(chronicle, wanted, advice=ADVICE)
    lens.note = note
    return lens.look(View(span=EVERYTHING, lanes=lanes, fold=fold))


def counts(picture: Layout, dense: Density) -> list[str]:
    """How many messages began or ended on each lane, in words."""
    names = [lane.name for lane in picture.lanes]
    column = max(map(len, names))
    return [
        f"{name:<{column}}  {of_lane.sum():,} messages began or ended here, {bad.sum():,} of them did not end well"
        for name, of_lane, bad in zip(names, dense.counts, dense.bad, strict=True)
    ]
