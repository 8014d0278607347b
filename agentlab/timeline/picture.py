"""The figure that a timeline is drawn on when no axes are given: its size, its margins, and how a notebook shows it.

Read next: `agentlab.timeline.draw`.
"""

from __future__ import annotations

from collections.abc import Container
from io import BytesIO
from math import ceil
from typing import Any, ClassVar, Final

from matplotlib.figure import Figure

from .density import Density
from .ground import room_over
from .listing import listing
from .overview import counts
from .shapes import NOTHING, Layout

LISTED: Final = 60
"""So many lines of a timeline are shown where there are no pictures: about a screen, so that it does not bury
what comes before it."""


class Picture(Figure):
    """A picture is a bare figure that a notebook can show: as an image, or as text where there are no images.

    IPython only shows plain figures once pyplot was imported, and we never import that.
    """

    LEGEND_COLUMNS: ClassVar = 6
    layout_shown: Layout = NOTHING
    """What is drawn."""
    density_shown: Density | None = None
    """What is drawn in the place of too many messages."""

    @classmethod
    def for_layout(cls, picture: Layout, has_title: bool, dense: Density | None = None) -> Picture:
        """An empty picture with one pair of axes, and room for this layout's lanes, names and legend."""
        longest = max((len(lane.name) for lane in picture.lanes), default=0)
        # inches: a notebook shows about 10 of them across
        width = 10.0 + min(6.0, max(0, len(picture.arrows) - 60) / 80)
        left, right = 0.35 + 0.085 * min(longest, 24), 0.35
        looks: set[str] = {a.style for a in picture.arrows} | {a.fate for a in picture.arrows}
        looks |= {bar.outcome for bar in picture.bars} | {mark.what for mark in picture.marks}
        looks |= {"in a partition"} if picture.spans else set()
        looks |= {"messages", "bad"} if dense is not None else set()
        top, bottom = 0.5 if has_title else 0.3, 0.6 + 0.2 * ceil(len(looks) / cls.LEGEND_COLUMNS)
        lane_height = 0.95 if len(picture.lanes) <= 6 else 0.7
        height = max(1, len(picture.lanes)) * lane_height
        top += room_over(picture)
        if not picture.lanes:
            left, bottom = right, top
        figure = cls(figsize=(width, top + height + bottom), dpi=100, facecolor="white")
        whole = top + height + bottom
        figure.add_axes((left / width, bottom / whole, (width - left - right) / width, height / whole))
        figure.layout_shown, figure.density_shown = picture, dense
        return figure

    def __repr__(self) -> str:
        shown = self.layout_shown
        if self.density_shown is not None:
            return f"<Picture of a timeline: {len(shown.lanes)} lanes, an overview of very many messages>"
        messages = {arrow.message_id for arrow in shown.arrows}
        return f"<Picture of a timeline: {len(shown.lanes)} lanes, {len(messages)} messages>"

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        # as one bundle: a notebook that has pyplot brings its own way to show a figure, without a size
        text = listing(self.layout_shown, limit=LISTED).rstrip("\n")
        if self.density_shown is not None:
            text = "\n".join([text, *counts(self.layout_shown, self.density_shown)])
        data: dict[str, Any] = {"text/plain": text}
        metadata: dict[str, Any] = {}
        if (include is None or "image/png" in include) and (exclude is None or "image/png" not in exclude):
            data["image/png"], metadata["image/png"] = self._repr_png_()
        return data, metadata

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        # twice the pixels shown at half the size: sharp on today's screens
        out = BytesIO()
        self.savefig(out, format="png", dpi=2 * self.dpi)
        width, height = (round(inches * self.dpi) for inches in self.get_size_inches())
        return out.getvalue(), {"width": width, "height": height}
