"""The sheets that a live timeline draws on: figures with axes, used again for the next frame.

Axes with their spines, ticks and fonts take longer to make than arrows take to draw; of frames that follow each other,
they are nearly always the same. Read next: `agentlab.timeline.frame`.
"""

from __future__ import annotations

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .ground import furnish
from .lens import Scene

DPI: Final = 100
_KEPT: Final = 4
"""So many sheets are kept: a run that goes on has one, one that is zoomed has two."""
_STRIP: Final = 0.62
_BOTTOM: Final = 0.14
_TOP: Final = 0.45
_UNDER_LANES: Final = 0.5


class Sheet:
    """A sheet is a figure with axes for the lanes, and under them a strip for the latencies."""

    def __init__(self, scene: Scene, width: int, ratio: float) -> None:
        lanes = scene.layout.lanes
        longest = max(len(lane.name) for lane in lanes)
        left, right = 0.3 + 0.085 * min(longest, 24), 0.25
        lane = min(0.85, max(0.34, 4.4 / len(lanes)))
        inches, tall = width / DPI, max(2, len(lanes)) * lane
        whole = _TOP + tall + _UNDER_LANES + _STRIP + _BOTTOM
        across = (inches - left - right) / inches
        self.figure = Figure(figsize=(inches, whole), dpi=DPI * ratio, facecolor="white")
        self.ax: Axes = self.figure.add_axes(
            (left / inches, (_BOTTOM + _STRIP + _UNDER_LANES) / whole, across, tall / whole)
        )
        self.strip: Axes = self.figure.add_axes((left / inches, _BOTTOM / whole, across, _STRIP / whole))
        furnish(scene.layout, self.ax)

    def wipe(self) -> None:
        """Take away all that was drawn, and leave the axes."""
        for axes in (self.ax, self.strip):
            for artist in (*axes.collections, *axes.lines, *axes.patches, *axes.texts):
                artist.remove()
        for text in list(self.figure.texts):
            text.remove()


class Sheets:
    """The sheets of one timeline. Not for several threads."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], Sheet] = {}

    def take(self, scene: Scene, width: int, ratio: float) -> Sheet:
        """An empty sheet for a scene: the one of the frame before, when that had the same lanes and size."""
        lanes = tuple((lane.name, lane.is_host) for lane in scene.layout.lanes)
        axis = scene.layout.axis
        key = (width, ratio, lanes, bool(axis.folds), axis.is_window, axis.is_logical, scene.quantiles is None)
        sheet = self._kept.pop(key, None)
        if sheet is None:
            sheet = Sheet(scene, width, ratio)
            while len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
        else:
            sheet.wipe()
        self._kept[key] = sheet  # the one used last is let go last
        return sheet
