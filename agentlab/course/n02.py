"""The exercises of ``02_host_and_workers.ipynb``."""

from __future__ import annotations

from ..lab.lab import Lab
from .exercises import exercise
from .expecting import expect


@exercise(
    "02.1",
    "Move the observer",
    "A type has one home: try to register `observer` on worker-1, and read the error.",
    'The error names the call that gives a type up: await lab.unregister("worker-3", …)',
    'Then: await lab.register("worker-1", "observer", Observer)',
)
async def moved(lab: Lab) -> str:
    homes = {row["worker"]: row["agent types"] for row in lab.directory()}
    found = [worker for worker, types in homes.items() if "observer" in types]
    seen = f"observer on {found[0]}" if found else "nobody advertises observer"
    expect(found == ["worker-1"], "that the directory has observer on worker-1", seen)
    return "The host's directory has observer on worker-1, and nobody who sends to it has to know."
