"""What a published message is addressed to: a topic.

Read next: `agentlab.core.subscriptions`, which map topics to agents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .contexts import MessageHandlerContext

_TYPE: Final = re.compile(r"^[\w\-\.\:\=]+\Z")


@dataclass(frozen=True, slots=True, eq=False)
class TopicId:
    """A topic: its type says what the messages are about, its source in which instance of that (a user, a session).

    After CloudEvents' ``type`` and ``source``. Raises ValueError for an illegal type.
    """

    type: str
    """Letters, digits, ``_ - . : =``; at least one."""
    source: str
    """Any text. A subscription makes it the key of the agent that receives the message."""

    def __post_init__(self) -> None:
        if not isinstance(self.type, str) or not _TYPE.match(self.type):
            raise ValueError(
                f"Invalid topic type: {self.type!r}. A topic type is made of letters, digits, '_', '-', '.', ':' "
                "and '=', and has at least one of them."
            )
        if not isinstance(self.source, str):
            raise ValueError(f"A topic's source is text, not {self.source!r}.")

    # By value, whatever the class: a DefaultTopicId is the topic that it names.
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TopicId):
            return NotImplemented
        return (self.type, self.source) == (other.type, other.source)

    def __hash__(self) -> int:
        return hash((self.type, self.source))

    @classmethod
    def from_str(cls, topic_id: str) -> TopicId:
        """Read ``type/source`` (the source may hold further slashes). Raises ValueError."""
        topic_type, slash, source = topic_id.partition("/")
        if not slash:
            raise ValueError(f"Invalid topic id: {topic_id!r}. It should look like type/source.")
        return TopicId(topic_type, source)

    def __str__(self) -> str:
        return f"{self.type}/{self.source}"


def checked_topic(topic: object) -> TopicId:
    """Return it when it is a topic, else raise TypeError."""
    if not isinstance(topic, TopicId):
        raise TypeError(
            f"A message is published to a TopicId, and not to {topic!r:.80}: "
            'publish_message(message, TopicId("news", "today")), for example.'
        )
    return topic


class DefaultTopicId(TopicId):
    """The default topic: for programs that need no more than one.

    Without a source it takes the key of the agent that is handling a message right now, so that agents of one
    conversation stay among themselves; outside of any handler, the source is ``default``.
    """

    __slots__ = ()

    def __init__(self, type: str = "default", source: str | None = None) -> None:
        if source is None:
            handling = MessageHandlerContext.current()
            source = "default" if handling is None else handling.key
        super().__init__(type, source)
