"""What the agent that `agentlab conform` examines must understand: the contract for whoever writes a worker.

The worker registers one agent type, ``conform``. Every message is JSON, and is named as here. A direct message is
answered as its docstring says. The host's address is the worker's argument (and in AGENTLAB_HOST); the end of its stdin
ends it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Echo:
    """Answer: an `Echo` with the same text."""

    text: str


@dataclass
class Fail:
    """Answer: an error in whose text this text is."""

    text: str


@dataclass
class Nothing:
    """Answer: an empty payload, which means nothing (None, null)."""


@dataclass
class Note:
    """Published, never sent. The agent that receives it remembers its text."""

    text: str


@dataclass
class Recall:
    """Answer: a `Recalled` with the texts of all notes that this very agent (the one with this key) received."""


@dataclass
class Recalled:
    """The answer to `Recall`, in the order in which they came."""

    texts: list[str]


@dataclass
class Subscribe:
    """Subscribe the type ``conform`` to the topic type. Answer: a `Done` with the subscription's id."""

    topic: str


@dataclass
class Unsubscribe:
    """Remove the subscription with this id. Answer: a `Done` with the id."""

    id: str


@dataclass
class Publish:
    """Publish a `Note` for each text, in order, to the topic of this type and source. Answer: a `Done`."""

    topic: str
    source: str
    texts: list[str]


@dataclass
class Ask:
    """Send an `Echo` with this text to the agent of this type and the own key. Answer: what it answered; if that is an
    error, an error."""

    type: str
    text: str


@dataclass
class Done:
    """The answer to what is to be done. `id` may be empty."""

    id: str
