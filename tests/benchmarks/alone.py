"""The rows that start processes of their own: imports, a lab, the timeline's pictures."""

from __future__ import annotations

import subprocess
import sys

from .processes import Process
from .rounds import OURS, Row, Target
from .sizes import Size

IMPORTS = 7

_IMPORT = "import time; began = time.perf_counter(); import agentlab; print(time.perf_counter() - began)"

_DRAW = """
import io, sys, time
sys.path.insert(0, "tests/views")
import journals
from agentlab import timeline
events = journals.many({messages})
timeline.plot(journals.many(50)).savefig(io.BytesIO(), format="png")  # what matplotlib does once
began = time.perf_counter()
timeline.plot(events).savefig(io.BytesIO(), format="png")
print(time.perf_counter() - began)
"""

_FRAMES = """
import sys, time
sys.path.insert(0, "tests/views")
import journals
from statistics import median
from agentlab.timeline.chronicle import Chronicle
from agentlab.timeline.frame import render
from agentlab.timeline.lens import Lens, View
from agentlab.timeline.sheet import Sheets
events, taken_s = journals.many(600), []
known, later = len(events) // 2, len(events) // 2 // {frames}
lens, sheets = Lens(Chronicle(events[:known])), Sheets()
for n in range({frames}):
    lens.chronicle.extend(events[known + n * later : known + (n + 1) * later])
    began = time.perf_counter()
    scene = lens.look(View(span="last 200 messages"))
    assert 190 <= scene.shown <= 210 and scene.density is None
    assert render(scene, lens.chronicle, sheets=sheets).png
    taken_s.append(time.perf_counter() - began)
print(median(taken_s[3:]))  # not what is made at the first
"""
FRAMES = 30


def _seconds(code: str) -> float:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    return float(done.stdout.split()[-1])


def imports() -> Row:
    """`import agentlab` in a fresh interpreter."""
    row = Row("import agentlab", "s", targets=(Target(0.30, aim=0.15),))
    for _ in range(IMPORTS):
        row.add(OURS, _seconds(_IMPORT))
    return row


def starts(size: Size, peers: list[str]) -> list[Row]:
    """A lab from nothing to the first reply; and an agent replaced in a running worker."""
    row = Row("start of 3 workers and 3 classes, to the first reply", "s", targets=(Target(1.5, "dask", aim=1.0),))
    replaced = Row("replace an agent in a running worker", "ms", targets=(Target(100, aim=30),))
    for _ in range(size.starts):
        ours = Process.start("lab_start.py", "start", False)
        ours.end()
        row.add(OURS, ours.ready["started_s"])
        replaced.add(OURS, ours.ready["replaced_s"] * 1000)
        if "dask" in peers:
            dask = Process.start("dask_start.py", "start", True)
            dask.end()
            row.add("dask", dask.ready["started_s"])
    return [row, replaced]


def live_frame(size: Size) -> Row:
    """One frame of the live timeline while it goes on: found, drawn, and made a PNG."""
    row = Row("live frame at 200 visible messages", "ms", targets=(Target(100, aim=40),))
    for _ in range(size.starts):
        row.add(OURS, 1000 * _seconds(_FRAMES.format(frames=FRAMES)))
    return row


def timeline(size: Size) -> Row:
    """The picture of very many messages, from their journal to the PNG."""
    row = Row(f"timeline of {size.drawn:,} messages, as a picture", "s", targets=(Target(3, aim=1),))
    row.add(OURS, _seconds(_DRAW.format(messages=size.drawn)))
    return row
