"""The roster: which agents the lab has registered, on which of its processes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..core.serialization import try_get_known_serializers_for_type
from ..worker.runtime import WorkerRuntime
from .addresses import NOTEBOOK
from .crew import Crew
from .errors import LabError, RegistrationError
from .process import ChildError
from .registering import register
from .shipping import AgentSpec, pack


@dataclass(frozen=True)
class Place:
    """A place: one process that got an agent type from here. A shared type has several."""

    worker: str
    """The process: a worker's name, or ``notebook``."""
    type: str
    spec: AgentSpec
    """What makes its agents there."""
    shared: bool = False


class Roster:
    """A roster registers agents on the workers of a crew and in the notebook, and remembers which are where."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._places: dict[tuple[str, str], Place] = {}

    @property
    def places(self) -> list[Place]:
        """What is registered where; what was registered last comes last."""
        return list(self._places.values())

    @property
    def entries(self) -> dict[str, tuple[str, AgentSpec]]:
        """Agent type → the process that got it last, and what makes its agents."""
        return {place.type: (place.worker, place.spec) for place in self._places.values()}

    async def register(
        self, notebook: WorkerRuntime, worker: str, agent_type: str, spec: AgentSpec, *, shared: bool
    ) -> str:
        """Register a type, or replace its agents; returns what happened, in words. Raises RegistrationError."""
        # The notebook can read what these agents take and answer.
        for message_type in spec.message_types():
            notebook.add_message_serializer(try_get_known_serializers_for_type(message_type))
        if worker == NOTEBOOK:
            done = await self._register_here(notebook, agent_type, spec, shared)
        else:
            done = await self._register_there(notebook, worker, agent_type, spec, shared)
        self._put(Place(worker, agent_type, spec, shared))
        if not done["replaced"]:
            return f"{agent_type}: {spec} on {worker}"
        replaced = done["agents"]
        carried = f", {replaced} running agent{'s' * (replaced != 1)} replaced" if replaced else ""
        return f"{agent_type}: now {spec} on {worker}{carried}"

    async def unregister(self, notebook: WorkerRuntime, worker: str, agent_type: str) -> None:
        """Give up a type at a process. Raises LabError for an unknown one."""
        try:
            if worker == NOTEBOOK:
                await notebook.unregister(agent_type)
            else:
                await self._crew.unregister(worker, agent_type)
        except (ChildError, LookupError) as error:
            raise LabError(f"{worker} has no agent type {agent_type!r}. {error}") from None
        self._places.pop((worker, agent_type), None)

    def moved(self, agent_type: str, worker: str, to: str) -> None:
        """Another worker has the type now."""
        place = self._places.pop((worker, agent_type), None)
        if place is not None:
            self._put(replace(place, worker=to))

    def removed(self, worker: str) -> None:
        """The worker is no more."""
        self._places = {key: place for key, place in self._places.items() if place.worker != worker}

    def _put(self, place: Place) -> None:
        self._places.pop((place.worker, place.type), None)
        self._places[place.worker, place.type] = place

    async def _register_here(
        self, notebook: WorkerRuntime, agent_type: str, spec: AgentSpec, shared: bool
    ) -> dict[str, Any]:
        try:
            return await register(notebook, agent_type, spec, shared=shared)
        except ValueError as error:
            raise RegistrationError(await _who_has(notebook, agent_type, str(error))) from error

    async def _register_there(
        self, notebook: WorkerRuntime, worker: str, agent_type: str, spec: AgentSpec, shared: bool
    ) -> dict[str, Any]:
        messages = pack(spec.message_types())
        try:
            return await self._crew.register(worker, agent_type, pack(spec), messages, shared=shared)
        except ChildError as error:
            text = await _who_has(notebook, agent_type, f"{spec} could not be registered on {worker}. {error}")
            if error.kind not in {"RegistrationError", "ValueError"}:
                text += f"\n\n{error.trace}"
            raise RegistrationError(text) from None


async def _who_has(notebook: WorkerRuntime, agent_type: str, text: str) -> str:
    """Name the worker in the host's refusal, which knows only client ids."""
    if "already registered" not in text:
        return text
    for worker in (await notebook.snapshot()).workers:
        if agent_type in worker.types:
            return (
                f"The agent type {agent_type!r} is already registered on {worker.name}. Take another name, or "
                f"first give it up there: await lab.unregister('{worker.name}', '{agent_type}'). Several workers "
                "can have a type when each registers it with shared=True."
            )
    return text
