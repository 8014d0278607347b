from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, make_dataclass
from typing import Any, Optional, Union

import pytest
from pydantic import BaseModel

from agentlab import (
    AgentId,
    CancellationToken,
    CantHandleException,
    MessageContext,
    RoutedAgent,
    SequentialRoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    event,
    message_handler,
    rpc,
)

from .cast import LIMIT_S, Number, Text


def context(*, is_rpc: bool = True) -> MessageContext:
    return MessageContext(None, None if is_rpc else TopicId("t", "s"), is_rpc, CancellationToken(), "m1")


# Which handler runs


class TwoKinds(RoutedAgent):
    """One handler for each way a message comes."""

    @event
    async def on_event(self, message: Text, ctx: MessageContext) -> None:
        self.got = "event"

    @rpc
    async def on_rpc(self, message: Text, ctx: MessageContext) -> str:
        return "rpc"


async def test_an_event_handler_takes_only_published_messages() -> None:
    agent = TwoKinds("")
    assert await agent.on_message(Text(), context(is_rpc=False)) is None
    assert agent.got == "event"


async def test_an_rpc_handler_takes_only_direct_messages() -> None:
    assert await TwoKinds("").on_message(Text(), context(is_rpc=True)) == "rpc"


class Both(RoutedAgent):
    """One handler for both ways."""

    @message_handler
    async def on_text(self, message: Text, ctx: MessageContext) -> bool:
        return ctx.is_rpc


async def test_a_message_handler_takes_both() -> None:
    assert await Both("").on_message(Text(), context(is_rpc=True)) is True
    assert await Both("").on_message(Text(), context(is_rpc=False)) is False


class Matching(RoutedAgent):
    """Handlers of one type, chosen by `match`; defined against the alphabet."""

    @message_handler
    async def c_otherwise(self, message: Number, ctx: MessageContext) -> str:
        return "c"

    @message_handler(match=lambda message, ctx: message.number > 10)
    async def b_large(self, message: Number, ctx: MessageContext) -> str:
        return "b"

    @message_handler(match=lambda message, ctx: message.number > 100)
    async def a_huge(self, message: Number, ctx: MessageContext) -> str:
        return "a"


@pytest.mark.parametrize(("number", "handler"), [(1, "c"), (11, "b"), (101, "a")])
async def test_the_first_handler_in_the_alphabet_whose_match_holds_runs(number: int, handler: str) -> None:
    assert await Matching("").on_message(Number(number), context()) == handler


@pytest.mark.parametrize("decorator", [message_handler, event, rpc])
async def test_match_sees_message_and_context(decorator: Any) -> None:
    seen = list[Any]()

    class Picky(RoutedAgent):
        @decorator(match=lambda message, ctx: seen.append((message, ctx)))
        async def on_text(self, message: Text, ctx: MessageContext) -> None: ...

    ctx = context(is_rpc=decorator is rpc)
    await Picky("").on_message(Text("hi"), ctx)
    assert seen == [(Text("hi"), ctx)]
    assert ctx.unhandled


async def test_a_union_names_each_of_its_types() -> None:
    class Three(RoutedAgent):
        @message_handler
        async def on_any(self, message: Union[Text, Number] | Optional[Letter], ctx: MessageContext) -> str:  # noqa: UP007, UP045
            return type(message).__name__

    for message in (Text(), Number(), Letter()):
        assert await Three("").on_message(message, context()) == type(message).__name__


@dataclass
class Letter(Text):
    """A kind of text."""


async def test_a_subclass_of_a_message_type_is_another_type() -> None:
    ctx = context()
    assert await Both("").on_message(Letter(), ctx) is None
    assert ctx.unhandled


async def test_a_message_class_that_was_defined_again_is_still_the_same_type() -> None:
    again = make_dataclass("Text", [("text", str, "")])
    assert again is not Text
    assert await Both("").on_message(again(), context()) is True


async def test_a_subclass_inherits_handlers_and_may_replace_them() -> None:
    class Louder(TwoKinds):
        @rpc
        async def on_rpc(self, message: Text, ctx: MessageContext) -> str:
            return "louder"

    assert await Louder("").on_message(Text(), context()) == "louder"
    assert await TwoKinds("").on_message(Text(), context()) == "rpc"
    agent = Louder("")
    await agent.on_message(Text(), context(is_rpc=False))
    assert agent.got == "event"


async def test_an_overridden_method_without_a_decorator_is_no_handler() -> None:
    class Deaf(Both):
        async def on_text(self, message: Text, ctx: MessageContext) -> bool:
            raise AssertionError("it ran")

    ctx = context()
    assert await Deaf("").on_message(Text(), ctx) is None
    assert ctx.unhandled


# No handler


async def test_an_unhandled_message_is_logged_at_info_and_answered_with_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agentlab.core")
    assert await Both("").on_message(Number(7), context()) is None
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage() == "Unhandled message: Number(number=7)"


async def test_on_unhandled_message_may_do_more() -> None:
    class Helpful(Both):
        async def on_unhandled_message(self, message: Any, ctx: MessageContext) -> Any:
            return f"no idea what {message} is"

    assert await Helpful("").on_message(Number(7), context()) == "no idea what Number(number=7) is"


# What a handler returns


def liar(**options: Any) -> RoutedAgent:
    class Liar(RoutedAgent):
        @message_handler(**options)
        async def on_text(self, message: Text, ctx: MessageContext) -> Number:
            return "no number"  # type: ignore[return-value]

    return Liar("")


async def test_a_returned_value_of_an_undeclared_type_raises() -> None:
    with pytest.raises(CantHandleException, match=r"on_text returned a str, and declares \['Number'\]"):
        await liar().on_message(Text(), context())


async def test_a_returned_value_of_an_undeclared_type_is_only_logged_when_not_strict(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await liar(strict=False).on_message(Text(), context()) == "no number"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "returned a str" in record.getMessage()


async def test_an_event_handler_that_returns_something_raises() -> None:
    class Talker(RoutedAgent):
        @event
        async def on_text(self, message: Text, ctx: MessageContext) -> None:
            return "something"  # type: ignore[return-value]

    with pytest.raises(CantHandleException, match="returned a str"):
        await Talker("").on_message(Text(), context(is_rpc=False))


@pytest.mark.parametrize("value", [None, Text("a"), Number(1)])
async def test_each_type_of_a_declared_union_may_be_returned(value: Any) -> None:
    class Either(RoutedAgent):
        @rpc
        async def on_text(self, message: Text, ctx: MessageContext) -> Text | Number | None:
            return value  # type: ignore[no-any-return]

    assert await Either("").on_message(Text(), context()) == value


async def test_any_may_be_returned_when_declared() -> None:
    class Free(RoutedAgent):
        @rpc
        async def on_text(self, message: Text, ctx: MessageContext) -> Any:
            return {1, 2}

    assert await Free("").on_message(Text(), context()) == {1, 2}


async def test_generics_are_declared_by_their_class() -> None:
    class Lister(RoutedAgent):
        @rpc
        async def on_text(self, message: Text, ctx: MessageContext) -> list[str]:
            return ["a"]

    assert await Lister("").on_message(Text(), context()) == ["a"]


# What a handler says of itself


def test_the_decorated_function_names_its_types() -> None:
    class Many(RoutedAgent):
        @message_handler
        async def on_any(self, message: Text | Number, ctx: MessageContext) -> Number | None: ...

    assert Many.on_any.target_types == [Text, Number]
    assert Many.on_any.produces_types == [Number, type(None)]


def test_the_decorated_function_keeps_its_name_and_docstring() -> None:
    class Documented(RoutedAgent):
        @message_handler
        async def on_text(self, message: Text, ctx: MessageContext) -> None:
            """What it does."""

    assert Documented.on_text.__name__ == "on_text"
    assert Documented.on_text.__doc__ == "What it does."


def test_an_agent_class_lists_its_handlers_in_the_order_of_the_alphabet() -> None:
    assert [handler.__name__ for handler in Matching.handlers()] == ["a_huge", "b_large", "c_otherwise"]


def test_an_agent_class_has_serializers_for_what_it_handles() -> None:
    class Model(BaseModel):
        name: str

    class Many(RoutedAgent):
        @message_handler
        async def on_any(self, message: Text | Model, ctx: MessageContext) -> None: ...

        @event
        async def on_text(self, message: Text, ctx: MessageContext) -> None: ...

    assert [serializer.type_name for serializer in Many.message_serializers()] == ["Text", "Model"]


def test_a_handler_of_what_is_no_message_has_no_serializer() -> None:
    class Strings(RoutedAgent):
        @message_handler
        async def on_string(self, message: str, ctx: MessageContext) -> None: ...

    with pytest.raises(ValueError, match="str cannot be a message"):
        Strings.message_serializers()


# Wrong signatures. Each fails when the class is defined, and the message shows the right one.


async def few(self: Any, message: Text) -> None: ...
async def many(self: Any, message: Text, ctx: MessageContext, more: int) -> None: ...
async def misnamed(self: Any, msg: Text, ctx: MessageContext) -> None: ...
async def bare(self: Any, message, ctx: MessageContext) -> None: ...  # type: ignore[no-untyped-def]
async def silent(self: Any, message: Text, ctx: MessageContext): ...  # type: ignore[no-untyped-def]
async def no_class(self: Any, message: "5", ctx: MessageContext) -> None: ...  # type: ignore[valid-type]  # noqa: UP037
async def undefined(self: Any, message: "NoSuchType", ctx: MessageContext) -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037
def blocking(self: Any, message: Text, ctx: MessageContext) -> None: ...


@pytest.mark.parametrize("decorator", [message_handler, event, rpc])
@pytest.mark.parametrize(
    ("function", "what"),
    [
        (few, r"takes \(self, message\), and should take \(self, message, ctx\)"),
        (many, r"takes \(self, message, ctx, more\), and should"),
        (misnamed, r"takes \(self, msg, ctx\), and should"),
        (bare, "does not name the type of the parameter 'message'"),
        (silent, "does not name the return type"),
        (no_class, "should name a class for 'message'"),
        (undefined, "not defined yet.*NoSuchType"),
        (blocking, "must be async"),
    ],
)
def test_a_wrong_signature_fails_at_once_and_shows_the_right_one(decorator: Any, function: Any, what: str) -> None:
    shown = rf"async def {function.__name__}\(self, message: MyMessage, ctx: MessageContext\) -> \w+:"
    with pytest.raises(TypeError, match=f"(?s){what}.*{shown}"):
        decorator(function)


def test_a_handler_cannot_take_any_message() -> None:
    async def on_any(self: Any, message: Any, ctx: MessageContext) -> None: ...

    with pytest.raises(TypeError, match="not Any"):
        message_handler(on_any)


def test_an_event_handler_that_declares_a_reply_fails_at_once() -> None:
    async def on_text(self: Any, message: Text, ctx: MessageContext) -> Text: ...

    with pytest.raises(TypeError, match="must return None"):
        event(on_text)


def test_a_decorator_given_something_else_says_so() -> None:
    with pytest.raises(TypeError, match="keyword arguments only"):
        rpc(5)  # type: ignore[arg-type]


def test_annotations_as_text_may_name_what_is_local_to_a_function() -> None:
    @dataclass
    class Local:
        text: str = ""

    class Agent(RoutedAgent):
        @message_handler
        async def on_local(self, message: Local, ctx: MessageContext) -> Local | None: ...

    assert Agent.on_local.target_types == [Local]


# One after the other


class Slow(RoutedAgent):
    """Writes down when a message starts and ends; awaits in between."""

    def __init__(self) -> None:
        super().__init__("")
        self.log: list[str] = []

    @message_handler
    async def on_number(self, message: Number, ctx: MessageContext) -> None:
        self.log.append(f"start {message.number}")
        for _ in range(5 - message.number):  # the later, the shorter
            await asyncio.sleep(0)
        self.log.append(f"end {message.number}")


class SlowSequential(Slow, SequentialRoutedAgent):
    """The same, one after the other."""


async def log_of(cls: type[Slow], runtime: SingleThreadedAgentRuntime) -> list[str]:
    await cls.register(runtime, "slow", cls)
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*(runtime.send_message(Number(n), AgentId("slow", "1")) for n in range(4)))
    return (await runtime.try_get_underlying_agent_instance(AgentId("slow", "1"), cls)).log


async def test_handlers_of_one_agent_start_in_order_and_interleave(runtime: SingleThreadedAgentRuntime) -> None:
    log = await log_of(Slow, runtime)
    assert [line for line in log if line.startswith("start")] == [f"start {n}" for n in range(4)]
    assert log.index("start 1") < log.index("end 0")


async def test_a_sequential_agent_finishes_one_message_before_the_next(runtime: SingleThreadedAgentRuntime) -> None:
    assert await log_of(SlowSequential, runtime) == [f"{step} {n}" for n in range(4) for step in ("start", "end")]


async def test_a_sequential_agent_goes_on_after_a_handler_that_raised(runtime: SingleThreadedAgentRuntime) -> None:
    class Picky(SequentialRoutedAgent):
        @message_handler
        async def on_number(self, message: Number, ctx: MessageContext) -> int:
            await asyncio.sleep(0)
            return 12 // message.number

    await Picky.register(runtime, "picky", lambda: Picky(""))
    async with asyncio.timeout(LIMIT_S):
        answers = await asyncio.gather(
            *(runtime.send_message(Number(n), AgentId("picky", "1")) for n in (0, 3)), return_exceptions=True
        )
    assert isinstance(answers[0], ZeroDivisionError)
    assert answers[1] == 4
