"""Draining a worker of a lab: it takes no new work, ends what it has, hands its agents over, and stops.

Used on the lab's event loop only. Read next: `agentlab.worker.draining`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from ..core.journal import HOST
from ..wire.watching import Snapshot
from .addresses import NOTEBOOK
from .crew import Crew
from .errors import LabError
from .foreign import ForeignWorker
from .process import ChildError, ChildProcess

Ask = Callable[[], Awaitable[Snapshot | None]]


async def drain(crew: Crew, ask: Ask, name: str, to: str | None, timeout_s: float | None) -> tuple[str, list[str]]:
    """Drain a worker, and stop it. Returns what happened, in words, and the agent types that are at `to` now.

    Raises LabError, and then the worker goes on.
    """
    worker = _worker(crew, name)
    mine, others = _types(name, await ask())
    # A drain that was given up half-way may have left a type at both: its agents go on moving.
    handed = sorted(t for t in mine if t not in others or not crew.is_shared(name, t))
    if handed and to is None:
        listed = ", ".join(map(repr, handed))
        raise LabError(
            f"Nobody but {name} has {listed}. Say which worker shall have it from now on: await lab.drain({name!r}, "
            f"to='…'), or first register it on others too, each time with shared=True. (To end {name} and its agents: "
            f"await lab.remove_worker({name!r}).)"
        )
    if to is not None:
        if to == name:
            raise LabError(f"{name} cannot hand its agents over to itself.")
        _worker(crew, to)
    await worker.ask("leave")
    try:
        for agent_type in handed:
            if agent_type not in others and to is not None:
                await crew.register_as(to, agent_type, like=name)
        moved: dict[str, str] = await worker.ask("drain", timeout_s=timeout_s)
    except BaseException as error:
        if worker.state == "running":
            await worker.ask("stay")
        if isinstance(error, ChildError):
            if error.kind == "TimeoutError":
                text = f"handlers still ran after {timeout_s:g} s. See lab.sessions() for who is busy"
                raise LabError(f"{name} was not drained: {text}. It goes on.") from None
            raise LabError(f"{name} was not drained, and goes on. {error}") from None
        raise
    for agent_type in handed:
        crew.forget(name, agent_type)
    await worker.stop()
    return _in_words(name, moved), handed


def _worker(crew: Crew, name: str) -> ChildProcess:
    """Raises LabError for what cannot be drained, or take over what is."""
    if name in {HOST, NOTEBOOK}:
        raise LabError(f"Only workers hand over their agents, not the {name}: {', '.join(crew.workers)}.")
    process = crew.process(name)
    if isinstance(process, ForeignWorker):
        raise LabError(
            f"{name} runs a script of its own, which this lab can only end: await lab.remove_worker({name!r})"
        )
    return process


def _types(name: str, snapshot: Snapshot | None) -> tuple[set[str], set[str]]:
    """The agent types that this worker has, and those that others have."""
    if snapshot is None:
        raise LabError("The host cannot be asked who has which agents. Is it paused, or dead? See lab.processes.")
    mine: set[str] = set()
    others: set[str] = set()
    for worker in snapshot.workers:
        (mine if worker.name == name else others).update(worker.types)
    return mine, others


def _in_words(name: str, moved: dict[str, Any]) -> str:
    if not moved:
        return f"{name}: stopped; it had no agents"
    where = ", ".join(f"{count} to {worker}" for worker, count in sorted(Counter(moved.values()).items()))
    return f"{name}: stopped; {len(moved)} agents moved ({where})"
