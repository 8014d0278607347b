"""A runtime's own table of agents: how each type is made, and which agents were made so far.

Both runtimes use it. Read next: `agentlab.core.handling`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .agents import Agent, BaseAgent
from .cancellation import is_being_cancelled
from .closest import did_you_mean
from .contexts import AgentInstantiationContext
from .ids import AgentId, AgentMetadata, AgentType
from .runtime import AgentRuntime
from .serialization import (
    SerializationRegistry,
    is_message_class,
    message_type_name,
    try_get_known_serializers_for_type,
)

logger = logging.getLogger("agentlab.core")

Factory = Callable[[], Agent | Awaitable[Agent]]


@dataclass(slots=True)
class _Entry:
    """How the agents of one type come to be."""

    factory: Factory | None
    """None: its agents are ready-made instances."""
    cls: type[Any] | None
    """The class of its agents, where it is known."""
    messages: SerializationRegistry = field(default_factory=SerializationRegistry)
    """The message classes as this type's own code knows them. A notebook cell that ran again makes a new class of
    the same name; an agent that was registered before goes on with the class it was written for."""
    searched: set[str] = field(default_factory=set)
    """Names of message types that were looked for in the class's code, or need not be."""


class Catalog:
    """A catalog: agent type → factory, and the agents made so far."""

    def __init__(self, runtime: AgentRuntime) -> None:
        self._runtime = runtime
        self._entries: dict[str, _Entry] = {}
        self._agents: dict[AgentId, Agent] = {}
        self._making: dict[AgentId, asyncio.Future[Agent]] = {}

    @property
    def types(self) -> list[str]:
        """The registered types."""
        return list(self._entries)

    @property
    def agents(self) -> Mapping[AgentId, Agent]:
        """The agents made so far."""
        return self._agents

    def __contains__(self, agent_type: str) -> bool:
        return agent_type in self._entries

    def messages_of(self, agent_type: str, message_type: str) -> SerializationRegistry | None:
        """The message classes as this type's own code knows them; None for an unknown agent type.

        Its handlers say what it takes. What it gets as a reply no signature says: so a `message_type` that is not
        known yet is looked for, by its name, where the code of the agent's class looks for names.
        """
        entry = self._entries.get(agent_type)
        if entry is None:
            return None
        if entry.cls is not None and message_type not in entry.searched:
            entry.searched.add(message_type)
            found = _class_in_code_of(entry.cls, message_type)
            if found is not None:
                entry.messages.add_serializer(try_get_known_serializers_for_type(found))
        return entry.messages

    def add_factory(self, agent_type: str, factory: Factory, expected_class: type[Any] | None) -> None:
        """Raises ValueError when the type is taken, TypeError for what cannot be called without arguments."""
        if agent_type in self._entries:
            raise ValueError(f"Agent with type {agent_type} already exists.")
        self._entries[agent_type] = _entry(agent_type, factory, expected_class)

    def add_instance(self, agent: Agent, agent_id: AgentId) -> None:
        """Raises ValueError when the id is taken, or when the type has a factory or instances of another class."""
        if agent_id in self._agents:
            raise ValueError(f"Agent with id {agent_id} already exists.")
        entry = self._entries.get(agent_id.type)
        if entry is not None and entry.factory is not None:
            raise ValueError(
                f"Agent factories and agent instances cannot be registered to the same type: {agent_id.type}."
            )
        if entry is not None and entry.cls is not type(agent):
            raise ValueError(f"Agent instances of one type must be of the same class: {agent_id.type}.")
        self._entries.setdefault(agent_id.type, _entry(agent_id.type, None, type(agent)))
        self._agents[agent_id] = agent

    def remove_instance(self, agent_id: AgentId) -> None:
        """Take back `add_instance`."""
        self._agents.pop(agent_id, None)
        if not any(other.type == agent_id.type for other in self._agents):
            self._entries.pop(agent_id.type, None)

    def let_go(self, agent_id: AgentId) -> Agent:
        """Give up one agent, which lives on elsewhere; return it, so that it can be closed. Raises KeyError."""
        return self._agents.pop(agent_id)

    def remove(self, agent_type: str) -> list[Agent]:
        """Give up a type; return its agents, so that they can be closed. Raises LookupError for an unknown type."""
        self._require(agent_type)
        del self._entries[agent_type]
        gone = [agent_id for agent_id in self._agents if agent_id.type == agent_type]
        self._stop_making(agent_type)
        return [self._agents.pop(agent_id) for agent_id in gone]

    def swap(
        self,
        agent_type: str,
        factory: Factory,
        expected_class: type[Any] | None,
        agents: Mapping[AgentId, Agent],
    ) -> None:
        """Put another factory, and agents that it made, in the place of a type's own."""
        self._entries[agent_type] = _entry(agent_type, factory, expected_class)
        self._agents.update(agents)
        self._stop_making(agent_type)  # whoever waits asks again, and gets what the new factory makes

    def _stop_making(self, agent_type: str) -> None:
        for agent_id, making in list(self._making.items()):
            if agent_id.type == agent_type:
                del self._making[agent_id]
                making.cancel()

    async def agent(self, agent_id: AgentId) -> Agent:
        """The agent with this id, made if it was not yet; once, however many ask for it meanwhile.

        Raises LookupError for an unknown type, RuntimeError for an id that an instance-only type does not have,
        and what the factory raises.
        """
        agent = self._agents.get(agent_id)
        if agent is not None:
            return agent
        making = self._making.get(agent_id)
        if making is None:
            entry = self._require(agent_id.type)
            making = asyncio.ensure_future(self._make_and_keep(agent_id, entry))
            making.add_done_callback(_retrieve)
            self._making[agent_id] = making
        return await asyncio.shield(making)

    async def _make_and_keep(self, agent_id: AgentId, entry: _Entry) -> Agent:
        try:
            agent = await self.make(agent_id, entry.factory, entry.cls)
            if self._is_making(agent_id):
                self._agents[agent_id] = agent
            return agent
        finally:
            if self._is_making(agent_id):
                del self._making[agent_id]

    def _is_making(self, agent_id: AgentId) -> bool:
        """Whether it is still this task that makes the agent: its type may have been registered again meanwhile."""
        return self._making.get(agent_id) is asyncio.current_task()

    async def make(self, agent_id: AgentId, factory: Factory | None, expected_class: type[Any] | None) -> Agent:
        """Make an agent, without keeping it. A factory that raises is logged, and its exception goes on."""
        if factory is None:
            raise RuntimeError(
                f"There is no agent {agent_id}: the type {agent_id.type!r} has only the instances that were "
                "registered, and no factory to make another. Is the type subscribed to a topic with another source?"
            )
        try:
            with AgentInstantiationContext.populate_context((self._runtime, agent_id)):
                made = factory()
                agent = await made if inspect.isawaitable(made) else made
            if expected_class is not None and not isinstance(agent, expected_class):
                raise ValueError(
                    f"The factory of {agent_id.type!r} made a {type(agent).__name__}, and was registered for "
                    f"{expected_class.__name__}."
                )
            if not hasattr(agent, "bind_id_and_runtime"):
                raise TypeError(f"The factory of {agent_id.type!r} should return an agent, and returned {agent!r:.80}.")
            if not isinstance(agent, BaseAgent) or getattr(agent, "_id", None) != agent_id:
                # Made elsewhere, or its __init__ did not call BaseAgent's.
                await agent.bind_id_and_runtime(agent_id, self._runtime)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
                raise
            logger.error("Error constructing agent %s", agent_id, exc_info=True)
            if isinstance(error, asyncio.CancelledError):  # else it would look as if the making had been given up
                raise RuntimeError(
                    f"Something that the factory of {agent_id.type!r} waited for was cancelled."
                ) from error
            raise
        return agent

    def _require(self, agent_type: str) -> _Entry:
        entry = self._entries.get(agent_type)
        if entry is None:
            raise LookupError(f"Agent with name {agent_type} not found.{did_you_mean(agent_type, self._entries)}")
        return entry

    # What both runtimes answer from their catalog alone.

    async def get(self, id_or_type: AgentId | AgentType | str, key: str, lazy: bool) -> AgentId:
        """See `AgentRuntime.get`."""
        agent_id = id_or_type if isinstance(id_or_type, AgentId) else AgentId(id_or_type, key)
        if not lazy:
            await self.agent(agent_id)
        return agent_id

    async def instance(self, agent_id: AgentId, cls: type[Any]) -> Any:
        """See `AgentRuntime.try_get_underlying_agent_instance`."""
        agent = await self.agent(agent_id)
        if cls is not Agent and not isinstance(agent, cls):
            raise TypeError(f"Agent with name {agent_id.type} is a {type(agent).__name__}, not a {cls.__name__}.")
        return agent

    async def metadata(self, agent_id: AgentId) -> AgentMetadata:
        """What the agent tells about itself."""
        return (await self.agent(agent_id)).metadata

    async def save_state(self) -> dict[str, Any]:
        """The states of all agents made so far, by agent id as text."""
        return {str(agent_id): dict(await agent.save_state()) for agent_id, agent in list(self._agents.items())}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Give agents the states that `save_state` returned. Unknown types are left out."""
        for text, saved in state.items():
            agent_id = AgentId.from_str(text)
            if agent_id.type in self._entries:
                await (await self.agent(agent_id)).load_state(saved)

    async def close(self) -> None:
        """Close every agent made so far, and give up those that are being made.

        One that raises is logged and does not keep the others from closing.
        """
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        await close_agents(list(self._agents.values()))


def _entry(agent_type: str, factory: Factory | None, cls: type[Any] | None) -> _Entry:
    if factory is not None:
        _check_factory(agent_type, factory)
    entry = _Entry(factory, cls)
    if cls is not None and issubclass(cls, BaseAgent):
        serializers = cls.message_serializers()
        entry.messages.add_serializer(serializers)
        entry.searched.update(serializer.type_name for serializer in serializers)
    return entry


def _check_factory(agent_type: str, factory: object) -> None:
    """Raises TypeError, now and not at the first message, for what cannot be called without arguments."""
    if not callable(factory):
        raise TypeError(
            f"The agents of {agent_type!r} are made by a function without arguments, and not by {factory!r:.80}: "
            "pass a class, or lambda: MyAgent(…)."
        )
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        name = getattr(factory, "__name__", repr(factory))
        raise TypeError(
            f"{name} cannot make the agents of {agent_type!r} without arguments ({error}): pass lambda: {name}(…)."
        ) from None
    except ValueError:
        return  # a built-in without a signature


def _class_in_code_of(cls: type[Any], message_type: str) -> type[Any] | None:
    """The message class that the code of `cls` means by the name of `message_type`, if it means any."""
    name = message_type.rpartition(".")[2]  # a protobuf full name ends with the class's
    spaces = [getattr(sys.modules.get(cls.__module__), "__dict__", {})]
    for method in vars(cls).values():
        function = inspect.unwrap(method) if callable(method) else None
        spaces.append(getattr(function, "__globals__", {}))
    for space in spaces:
        found = space.get(name)
        if isinstance(found, type) and message_type_name(found) == message_type and is_message_class(found):
            return found
    return None


def _retrieve(making: asyncio.Future[Agent]) -> None:
    if not making.cancelled():
        making.exception()  # whoever waits has it too; nobody waiting is no reason for a warning


async def close_agents(agents: list[Agent]) -> None:
    """Close each; one that raises is logged."""
    for agent in agents:
        try:
            await agent.close()
        except Exception:
            logger.exception("Error closing agent %s", agent.id)
