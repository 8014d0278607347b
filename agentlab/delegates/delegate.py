"""What a delegate is: an agent, and what is inside it.

Read next: `agentlab.delegates.function`, then `language_model` and `graph`; in the gallery, `debate`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..core.contexts import MessageContext
from ..core.routing import SequentialRoutedAgent, rpc
from ..core.topics import TopicId

logger = logging.getLogger("agentlab.delegates")


@dataclass
class Ask:
    """Asks an assistant something."""

    text: str


@dataclass
class Answer:
    """What the assistant answers."""

    text: str


@dataclass
class Token:
    """A piece of an answer that is still being made: the pieces of one answer are numbered from 1."""

    text: str
    number: int
    message_id: str
    """The message that is being answered."""


class DelegateError(Exception):
    """What is inside a delegate failed."""


Listener = Callable[[str], Awaitable[None]]
"""Is told every piece of an answer as it comes."""


class Conversation(Protocol):
    """A conversation: what one agent has asked so far of what is inside it, from its first message to its last."""

    kind: str
    """What it is a conversation with: a state goes only to another of its kind."""

    async def answer(self, message: Any, text: str, listen: Listener | None) -> Any:
        """The answer to a message; `text` is the same message in words. Whoever is cancelled here has not asked."""
        ...

    async def save(self) -> dict[str, Any]:
        """What was said, as a JSON-serializable mapping."""
        ...

    async def load(self, state: Mapping[str, Any]) -> None:
        """Take on what `save` returned, in the place of what was said so far."""
        ...


@runtime_checkable
class Inside(Protocol):
    """What can be inside a delegate. It is plain data, so that it can travel to a worker, and begins there a
    conversation for each agent."""

    def begin(self, key: str) -> Conversation:
        """A new conversation, for the agent with this key."""
        ...


class Delegate(SequentialRoutedAgent):
    """A delegate: an agent that stands for something else, which does the work.

    `inside` is a `LanguageModel`, a `Graph`, a plain or async function of one argument, or a class whose objects are
    one of these: then each agent has an object of its own. With ``tokens_to="tokens"`` every piece of an answer is
    published as a `Token` to the topic ``tokens``, with the agent's key as source, if what is inside answers in pieces.

    Subclasses have a handler for each type of message, and call `consult` there. One message is finished before the
    next is started; agents with different keys work at the same time.
    """

    def __init__(self, inside: Any, description: str = "", *, tokens_to: str | None = None) -> None:
        inside = inside_of(inside)
        super().__init__(description or f"a delegate for {inside}")
        self._inside = inside
        self._tokens_to = tokens_to
        self._conversation: Conversation | None = None

    async def consult(self, message: Any, ctx: MessageContext, *, text: str) -> Any:
        """Ask what is inside; `text` is the message in words. Raises what that raises.

        Raises CancelledError as soon as the sender no longer waits (its deadline, for instance), and then what is
        inside is asked no further.
        """
        number = 0

        async def publish(piece: str) -> None:
            nonlocal number
            number += 1
            await self.publish_message(
                Token(piece, number, ctx.message_id), TopicId(self._tokens_to or "", self.id.key)
            )

        listen = publish if self._tokens_to else None
        asking = asyncio.ensure_future(self._begun().answer(message, text, listen))
        return await ctx.cancellation_token.link_future(asking)

    def _begun(self) -> Conversation:
        if self._conversation is None:
            self._conversation = self._inside.begin(self.id.key)
        return self._conversation

    async def save_state(self) -> Mapping[str, Any]:
        """The conversation so far; empty before the first message."""
        if self._conversation is None:
            return {}
        return {"inside": self._conversation.kind, "said": await self._conversation.save()}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on with a conversation. One with something of another kind (a graph's, and here is a language model) is
        left behind: then this one starts afresh."""
        conversation = self._inside.begin(self.id.key)
        if state.get("inside") == conversation.kind:
            await conversation.load(state["said"])
        elif state:
            logger.info("%s starts afresh: it cannot go on with a %s's conversation", self.id, state.get("inside"))
        self._conversation = conversation


class Assistant(Delegate):
    """An assistant: a delegate that takes text and answers with text."""

    @rpc
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Answer:
        """Ask what is inside. Raises TypeError when that answers with anything but text."""
        return Answer(checked_text(await self.consult(message.text, ctx, text=message.text), self._inside))


def inside_of(thing: Any) -> Inside:
    """What can be inside a delegate, from what was given. Raises TypeError."""
    from .function import Function

    if isinstance(thing, type):
        thing = thing()
    if isinstance(thing, Inside):
        return thing
    if callable(thing):
        return Function(thing)
    raise TypeError(
        f"A {type(thing).__name__} cannot be inside a delegate. It should be a function of one argument, a "
        "LanguageModel, a Graph, or an object with a method begin(key)."
    )


def checked_text(answer: Any, inside: object) -> str:
    """Raises TypeError for an answer that is no text."""
    if not isinstance(answer, str):
        raise TypeError(f"{inside} answered with {answer!r:.100} ({type(answer).__name__}), and text was expected.")
    return answer
