"""A language model that is none: the debate's rules behind the interface of the `llm` library.

It needs no key and no download, and always says the same, so that everything around a language model can be tried and
tested: its name, its options, the pieces in which it answers, the conversation it is reminded of. It is a plugin of
`llm`, which finds it where both are installed; it is called ``debate-rules``.

Try: ``llm -m debate-rules 'You argue against it: do we need a framework?'`` in a terminal, ``llm -c 'And?'`` after it;
in a notebook `Player("for", LanguageModel("debate-rules"))`, or an `Assistant` for it with ``tokens_to="tokens"`` and
the option ``{"pause_s": 0.2}``. Write a model of your own: a class with a method `execute`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import llm
from pydantic import Field

from .debate import RuleBook, Turn


class RuleOptions(llm.Options):
    """What the model takes beside the prompt."""

    pause_s: float = Field(default=0.0, ge=0.0, description="Seconds of thought before each word")


def answer_in_pieces(prompt: llm.Prompt) -> list[str]:
    """The answer to a prompt that follows a conversation, word by word."""
    texts = {
        role: [_text(one) for one in prompt.messages if one.role == role] for role in ("system", "user", "assistant")
    }
    book = RuleBook("against" if "argue against" in " ".join([*texts["system"], *texts["user"]]) else "for")
    book.load_state({"said": texts["assistant"]})
    said = book.argue(Turn("", len(texts["assistant"]) + 1, texts["user"][-1] if texts["user"] else "")).text
    return [word if number == 0 else f" {word}" for number, word in enumerate(said.split())]


def _pause_s(prompt: llm.Prompt) -> float:
    return prompt.options.pause_s if isinstance(prompt.options, RuleOptions) else 0.0


def _text(message: llm.Message) -> str:
    return "".join(getattr(part, "text", "") for part in message.parts)


class RuleModel(llm.Model):
    """The model as a plain program asks it."""

    model_id = "debate-rules"
    can_stream = True
    Options = RuleOptions  # type: ignore[assignment]  # a plugin replaces it, its base says otherwise

    def execute(
        self, prompt: llm.Prompt, stream: bool, response: llm.Response, conversation: llm.Conversation | None
    ) -> Iterator[str]:
        """The pieces of the answer."""
        for piece in answer_in_pieces(prompt):
            time.sleep(_pause_s(prompt))
            yield piece


class AsyncRuleModel(llm.AsyncModel):
    """The model as a program with an event loop asks it."""

    model_id = "debate-rules"
    can_stream = True
    Options = RuleOptions  # type: ignore[assignment]  # a plugin replaces it, its base says otherwise

    async def execute(
        self, prompt: llm.Prompt, stream: bool, response: llm.AsyncResponse, conversation: llm.AsyncConversation | None
    ) -> AsyncGenerator[str, None]:
        """The pieces of the answer."""
        for piece in answer_in_pieces(prompt):
            await asyncio.sleep(_pause_s(prompt))
            yield piece


@llm.hookimpl
def register_models(register: Callable[..., Any]) -> None:
    """Called by `llm`, which asks every plugin for its models."""
    register(RuleModel(), AsyncRuleModel())
