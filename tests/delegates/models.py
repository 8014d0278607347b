"""Language models that always say the same: real ones to `llm`, which finds them as it finds any plugin's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import llm

SECRET = "sk-very-secret-0123456789"


def told(prompt: Any) -> str:
    """All that a prompt says, with who said it."""
    return " | ".join(
        f"{one.role}: {''.join(getattr(part, 'text', '') for part in one.parts)}" for one in prompt.messages
    )


class Repeats(llm.Model):
    """Answers with the whole conversation as a newer plugin gets it. Blocks meanwhile; has no async form."""

    model_id = "repeats"
    can_stream = True

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        for word in told(prompt).split(" "):
            yield f"{word} "


class Remembers(llm.Model):
    """Answers with the conversation as a plugin reads it that was written before prompts had messages."""

    model_id = "remembers"

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        past = [(one.prompt.system, one.prompt.prompt, one.text()) for one in conversation.responses]
        yield f"{past} then {(prompt.system, prompt.prompt)}"


class Forgets(llm.AsyncModel):
    """Takes one prompt at a time, and no history."""

    model_id = "forgets"
    supports_conversation = False

    async def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> AsyncGenerator[str, None]:
        yield told(prompt)


class Endless(llm.AsyncModel):
    """Says a word for ever; says when it was stopped."""

    model_id = "endless"
    can_stream = True
    started = stopped = 0

    async def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> AsyncGenerator[str, None]:
        type(self).started += 1
        try:
            while "stop" not in prompt.prompt:
                yield "word "
                await asyncio.sleep(0.001)
            yield f"history: {len(conversation.responses)}"
        finally:
            type(self).stopped += 1


class EndlessBlocking(llm.Model):
    """The same without an async form."""

    model_id = "endless-blocking"
    can_stream = True
    started = stopped = 0
    pause = threading.Event()

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        type(self).started += 1
        try:
            while "stop" not in prompt.prompt:
                yield "word "
                self.pause.wait(0.001)
            yield f"history: {len(conversation.responses)}"
        finally:
            type(self).stopped += 1


class Locked(llm.AsyncKeyModel):
    """A provider that wants a key, and repeats it when it refuses it."""

    model_id = "locked"
    needs_key = "locked"
    key_env_var = "LOCKED_KEY"

    async def execute(
        self, prompt: Any, stream: bool, response: Any, conversation: Any, key: str | None
    ) -> AsyncGenerator[str, None]:
        if "open" not in prompt.prompt:
            raise llm.ModelError(f"401: {key} is not allowed to ask {prompt.prompt!r}")
        yield "come in"


@llm.hookimpl
def register_models(register: Any) -> None:
    register(Repeats(), aliases=["parrot"])
    register(Remembers())
    register(EndlessBlocking())
    for model in (Forgets(), Endless(), Locked()):
        register(Refuses(model.model_id), model)


class Refuses(llm.Model):
    """The plain form of a model whose async form is to be used."""

    def __init__(self, model_id: str) -> None:
        self.model_id = model_id

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        raise AssertionError("The async form was to be used")
