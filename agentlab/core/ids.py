"""Who an agent is: its type, its key, and the two together.

Read next: `agentlab.core.topics`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TYPE: Final = re.compile(r"^[\w\-\.]+\Z")


def checked_type(agent_type: str) -> str:
    """Return `agent_type` when it is a legal agent type, else raise ValueError."""
    if not isinstance(agent_type, str) or not _TYPE.match(agent_type):
        raise ValueError(
            f"Invalid agent type: {agent_type!r}. An agent type is made of letters, digits, '_', '-' and '.', "
            "and has at least one of them."
        )
    return agent_type


@dataclass(frozen=True, slots=True)
class AgentType:
    """An agent type: the name under which a factory is registered with a runtime."""

    type: str
    """The name itself."""

    def __post_init__(self) -> None:
        checked_type(self.type)

    def __str__(self) -> str:
        return self.type


@dataclass(frozen=True, slots=True, order=True, init=False)
class AgentId:
    """An agent's id: the type says which factory makes it, the key which of that type's agents it is.

    An agent whose key nobody used yet is made when the first message for it arrives.
    Raises ValueError for an illegal type.
    """

    type: str
    """The agent type's name."""
    key: str
    """Which of the type's agents: any text."""

    def __init__(self, type: str | AgentType, key: str) -> None:
        name = type.type if isinstance(type, AgentType) else checked_type(type)
        if not isinstance(key, str):
            raise ValueError(f"An agent's key is text, not {key!r}.")
        object.__setattr__(self, "type", name)
        object.__setattr__(self, "key", key)

    @classmethod
    def from_str(cls, agent_id: str) -> AgentId:
        """Read ``type/key`` (the key may hold further slashes). Raises ValueError."""
        agent_type, slash, key = agent_id.partition("/")
        if not slash:
            raise ValueError(f"Invalid agent id: {agent_id!r}. It should look like type/key.")
        return cls(agent_type, key)

    def __str__(self) -> str:
        return f"{self.type}/{self.key}"


def checked_recipient(recipient: object) -> AgentId:
    """Return it when it is an agent's id, else raise TypeError."""
    if not isinstance(recipient, AgentId):
        raise TypeError(
            f"A message is sent to an AgentId, and not to {recipient!r:.80}: "
            'send_message(message, AgentId("player", "anna")), for example.'
        )
    return recipient


class AgentMetadata(dict[str, str]):
    """What an agent tells about itself: `type`, `key` and `description`, as items and as attributes."""

    def __init__(self, type: str, key: str, description: str) -> None:
        super().__init__(type=type, key=key, description=description)

    @property
    def type(self) -> str:
        """The agent type's name."""
        return self["type"]

    @property
    def key(self) -> str:
        """Which of the type's agents this is."""
        return self["key"]

    @property
    def description(self) -> str:
        """What the agent is for, in its author's words."""
        return self["description"]
