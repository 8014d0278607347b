"""The part of a live timeline that is in the browser: a canvas that shows frames and tells what the reader does there.

The JavaScript is one file beside this one, without a build step. It puts every text into the page as text, never as
HTML: names and errors come from other processes. Read next: `agentlab.panels.timeline_controls`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from ..core.journal import RESPONSE
from ..timeline.causality import Causality
from ..timeline.frame import Frame
from ..timeline.life import MessageLife
from ..timeline.ruler import duration

_HERE: Final = Path(__file__).parent
MOST_LINES: Final = 200
"""Of a traceback: a message that failed in a deep recursion has thousands."""


class TimelineCanvas(anywidget.AnyWidget):
    """A timeline canvas shows the latest frame, the details of the selected message, and a line of status."""

    _esm = _HERE / "live_timeline.js"
    _css = _HERE / "live_timeline.css"
    frame = traitlets.Dict().tag(sync=True)
    """The frame, as one value: picture and hits always belong together."""
    details = traitlets.Dict().tag(sync=True)
    status = traitlets.Unicode().tag(sync=True)

    def __repr__(self) -> str:  # the frame is long
        return "<TimelineCanvas>"


def frame_state(frame: Frame, window: int, selected: int | None) -> dict[str, Any]:
    """What the browser is told of a frame. `window` is the number of the last window that it asked for."""
    return {
        "png": frame.png,
        "width": frame.width,
        "height": frame.height,
        "axes": list(frame.axes),
        "scale": frame.scale,
        "hits": frame.hits,
        "tips": frame.tips,
        "cells": frame.cells,
        "alt": frame.alt,
        "window": window,
        "selected": -1 if selected is None else selected,
    }


def details_state(found: tuple[MessageLife, Causality] | None) -> dict[str, Any]:
    """What the browser is told of the selected message."""
    if found is None:
        return {}
    life, around = found
    lines = (life.trace or "").splitlines()
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES // 2], f"… {len(lines) - MOST_LINES} lines left out …", *lines[-MOST_LINES // 2 :]]
    return {
        "title": f"{life.type.rpartition('.')[2] or '(no type)'} — {life.outcome}",
        "rows": [
            ["kind", life.kind],
            ["route", life.route],
            *([["topic", life.topic]] if life.topic else []),
            ["type", life.type],
            ["size", f"{life.size:,} bytes"],
            ["took", duration(life.took_ns)],
            ["id", life.message_id],
        ],
        "steps": [
            asdict(step) | {"after": duration(step.after_ns), "took": duration(step.took_ns)} for step in life.steps
        ],
        "payload": readable(life.payload),
        "error": life.error,
        "trace": "\n".join(lines),
        "cause": life.message_id if life.kind == RESPONSE else life.cause,  # a reply's is its request
        "around": f"{_messages(len(around.past))} led to it, and it led to {_messages(len(around.future))}.",
    }


def readable(payload: str) -> str:
    """A payload with a line for each of its fields; one that is cut, or is no JSON, as it is."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except ValueError:
        return payload


def _messages(count: int) -> str:
    return f"{count:,} message{'' if count == 1 else 's'}"
