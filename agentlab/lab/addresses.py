"""Addresses as a student types them."""

from __future__ import annotations

from collections.abc import Collection
from itertools import count

from ..core.ids import AgentId, checked_recipient, checked_type
from ..core.journal import HOST
from ..core.topics import DefaultTopicId, TopicId, checked_topic
from .errors import LabError

NOTEBOOK = "notebook"
"""The name of the notebook's own lane."""


def agent_id(recipient: AgentId | str) -> AgentId:
    """``"player/anna"``, or ``"player"`` for the key ``default``. Raises ValueError for an illegal type, TypeError for
    what is neither text nor an id."""
    if not isinstance(recipient, str):
        return checked_recipient(recipient)
    return AgentId.from_str(recipient) if "/" in recipient else AgentId(recipient, "default")


def topic_id(topic: TopicId | str | None) -> TopicId:
    """``"news/today"``, or ``"news"`` for the source ``default``; None is the default topic. Raises ValueError for an
    illegal type, TypeError for what is neither text nor a topic."""
    if topic is None:
        return DefaultTopicId()
    if not isinstance(topic, str):
        return checked_topic(topic)
    return TopicId.from_str(topic) if "/" in topic else TopicId(topic, "default")


def checked_worker_name(name: str, taken: Collection[str]) -> str:
    """Return the name. Raises LabError when it is taken or illegal."""
    if name in {HOST, NOTEBOOK, *taken}:
        raise LabError(f"The name {name!r} is taken.")
    try:
        return checked_type(name)
    except ValueError:
        raise LabError(f"{name!r} is no worker's name: use letters, digits, '_', '-' and '.'.") from None


def free_name(stem: str, taken: Collection[str], *, bare: bool = True) -> str:
    """The first name that nobody has: the stem itself if `bare`, else with a number behind it."""
    first = stem if bare else f"{stem}-1"
    return first if first not in taken else next(text for n in count(2) if (text := f"{stem}-{n}") not in taken)
