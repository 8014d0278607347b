"""A language model inside an agent, through the `llm` library: any provider with a plugin for it, and offline models.

The key of a provider is never an argument, and so never in a message, a journal or a notebook: it stays where `llm`
keeps it (``llm keys set openai``), or in the provider's environment variable when the lab is started.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import traceback
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ..core.closest import did_you_mean
from .delegate import Conversation, DelegateError, Listener
from .extras import load, require
from .threads import in_thread, stream_in_thread

_PURPOSE: Final = "A LanguageModel"
_KEY_OPTIONS: Final = frozenset({"key", "api_key", "apikey", "token", "secret", "password"})
"""Options by which a key would travel with the agent, and be shown wherever the agent is."""


@dataclass(frozen=True)
class LanguageModel:
    """A language model: its name or alias as ``llm models`` lists it, what it is told about its part, and its options.

    Instead of a name, `model` may be a class of your own that extends ``llm.Model`` or ``llm.AsyncModel``, or a
    function that makes such a model. A model without an async form runs in a thread; all agents of a process share
    it, and ask it one after the other. Raises MissingExtraError where `llm` is not installed, ValueError for a key.
    """

    model: str | Callable[[], Any]
    system: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the model takes beside the prompt, such as ``{"temperature": 0}``."""

    def __post_init__(self) -> None:
        require("llm", _PURPOSE)
        if given := sorted(_KEY_OPTIONS.intersection(self.options)):
            raise ValueError(
                f"The option {given[0]!r} would travel with the agent, for all to see. Let llm keep the key: "
                "'llm keys set NAME' in a terminal, or the provider's environment variable, before the lab starts."
            )

    def begin(self, key: str) -> Conversation:
        """A conversation that nothing was said in yet."""
        return _Chat(self)

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.model if isinstance(self.model, str) else getattr(self.model, "__name__", "a model")

    def __str__(self) -> str:
        return f"the language model {self.name}"


class _Turn(NamedTuple):
    """What was asked, and the messages of the answer, as `llm` writes them as JSON."""

    prompt: str
    answer: list[dict[str, Any]]


class _Chat:
    """The conversation of one agent with a model. Only what was answered to the end is part of it."""

    kind = "language model"

    def __init__(self, what: LanguageModel) -> None:
        self._what = what
        self._turns: list[_Turn] = []

    async def answer(self, message: Any, text: str, listen: Listener | None) -> str:
        """The model's answer. Raises DelegateError when the model is not known, or fails."""
        found = await in_thread(functools.partial(_find, self._what.model))  # importing llm takes seconds
        try:
            prompted = self._conversation(found.model).prompt(
                text,
                system=self._what.system or None,
                stream=found.model.can_stream,
                options=dict(self._what.options),
            )
            pieces: list[str] = []
            async with contextlib.aclosing(found.stream(prompted)) as stream:
                async for piece in stream:
                    pieces.append(piece)
                    if listen is not None:
                        await listen(piece)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            raise _readable(error, found.model, self._what) from _cause(error, found.model)
        said = prompted.messages()
        said = await said if asyncio.iscoroutine(said) else said
        self._turns.append(_Turn(text, [one.to_dict() for one in said]))
        return "".join(pieces)

    def _conversation(self, model: Any) -> Any:
        """What was said so far, as `llm` would have it had it all been said just now."""
        llm = load("llm", _PURPOSE)
        conversation = model.conversation()
        if not model.supports_conversation:
            return conversation
        response_class = llm.AsyncResponse if _is_async(model) else llm.Response
        messages = [llm.system(self._what.system)] if self._what.system else []
        for turn in self._turns:
            messages = [*messages, llm.user(turn.prompt)]
            response = response_class.from_dict({"model": model.model_id, "messages": turn.answer}, model=model)
            # Older plugins read the text of each prompt, newer ones the messages that led to it.
            response.prompt = llm.Prompt(turn.prompt, model=model, system=self._what.system or None, messages=messages)
            conversation.responses.append(response)
            messages = [*messages, *(llm.Message.from_dict(one) for one in turn.answer)]
        return conversation

    async def save(self) -> dict[str, Any]:
        """Every turn: what was asked, what was answered."""
        return {"turns": [turn._asdict() for turn in self._turns]}

    async def load(self, state: Mapping[str, Any]) -> None:
        """Go on with what was said to a model, this one or another."""
        self._turns = [_Turn(turn["prompt"], list(turn["answer"])) for turn in state["turns"]]


class _Found(NamedTuple):
    """A model of this process, and who may use it."""

    model: Any
    lock: threading.Lock

    async def stream(self, response: Any) -> AsyncGenerator[str]:
        """The text of a response, piece by piece as it comes."""
        if _is_async(self.model):
            # Closing the events ends the request, too.
            async with contextlib.aclosing(response.astream_events()) as events:
                async for event in events:
                    if event.type == "text":
                        yield event.chunk
            return
        async with contextlib.aclosing(stream_in_thread(response.stream_events, self.lock)) as events:
            async for event in events:
                if event.type == "text":
                    yield event.chunk


_found: dict[Any, _Found] = {}
"""The models that this process uses. An offline model takes hundreds of megabytes, and can do one thing at a time."""
_finding = threading.Lock()


def _is_async(model: Any) -> bool:
    llm = load("llm", _PURPOSE)
    return isinstance(model, llm.AsyncModel | llm.AsyncKeyModel)


def _find(wanted: str | Callable[[], Any]) -> _Found:
    """The model of this name, in its async form if it has one. Raises DelegateError for an unknown name."""
    with _finding:
        if wanted not in _found:
            _found[wanted] = _Found(_look_up(wanted) if isinstance(wanted, str) else wanted(), threading.Lock())
        return _found[wanted]


def _look_up(name: str) -> Any:
    llm = load("llm", _PURPOSE)
    known: list[str] = []
    for entry in llm.get_models_with_aliases():
        names = [(entry.model or entry.async_model).model_id, *entry.aliases]
        if name in names:
            return entry.async_model or entry.model
        known += names
    raise DelegateError(
        f"llm knows no model {name!r}.{did_you_mean(name, known)} The command 'llm models' lists "
        "those it knows; 'llm install llm-anthropic', for instance, adds another provider's."
    )


def _readable(error: Exception, model: Any, what: LanguageModel) -> DelegateError:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return DelegateError(_without(_key(model), f"{what} did not answer. {text}"))


def _cause(error: Exception, model: Any) -> Exception | None:
    """The error itself, to be shown with its traceback; None when that would show the key."""
    key = _key(model)
    return None if key and key in "".join(traceback.format_exception(error)) else error


def _without(key: str, text: str) -> str:
    return text.replace(key, "[key]") if key else text


def _key(model: Any) -> str:
    """The key that a model presents; empty for one that needs none, or has none."""
    with contextlib.suppress(Exception):  # that there is none is what the error to be shown says
        return model.get_key() or ""
    return ""
