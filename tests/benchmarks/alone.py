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


def timeline(size: Size) -> Row:
    """The picture of very many messages, from their journal to the PNG."""
    row = Row(f"timeline of {size.drawn:,} messages, as a picture", "s", targets=(Target(3, aim=1),))
    row.add(OURS, _seconds(_DRAW.format(messages=size.drawn)))
    return row
