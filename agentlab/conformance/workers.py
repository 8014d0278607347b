"""What a worker must do, check by check. Its agent ``conform`` understands `agentlab.conformance.messages`.

Each check is a function of an `Examination`; its name with spaces is the check's name, its docstring what is expected.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from ..core.ids import AgentId
from ..wire.parcels import Payload
from .peer import Failed, PlainPeer, payload

AGENT: Final = "conform"
"""The agent type that the worker registers."""

MANY: Final = 50
"""Messages whose order is looked at."""


class Examination(Protocol):
    """An examination of one worker: a host, the worker, and a peer that asks."""

    @property
    def peer(self) -> PlainPeer:
        """Who asks. It holds the agent type ``examiner``."""

    @property
    def limit_s(self) -> float:
        """How long anything may take."""

    async def restart_host(self) -> None:
        """Stop the host, start it again at the same address, and have the peer back."""

    def is_registered(self) -> bool:
        """Whether the host knows the type ``conform``."""

    def send_stranger(self) -> None:
        """Send the worker a reply to nothing that it asked."""

    async def until(self, condition: Callable[[], bool | Awaitable[bool]], what: str) -> None:
        """Wait for a condition. Raises Failed, naming `what`."""

    async def ended(self) -> bool:
        """Close the worker's stdin; whether it then ended."""


FIRST_S: Final = 0.5
"""How long the very first answer may take, before it is asked for again: some workers register before they listen."""


def expect(seen: Any, expected: Any, what: str) -> None:
    """Raises Failed when they differ."""
    if seen != expected:
        raise Failed(f"{what}: expected {expected!r:.200}, and it was {seen!r:.200}")


async def recall(peer: PlainPeer, key: str) -> list[str]:
    """The notes that an agent received."""
    return list((await peer.ask(f"{AGENT}/{key}", "Recall", {}))["texts"])


async def subscribed(peer: PlainPeer, topic: str) -> str:
    """Have the worker subscribe; returns the subscription's id."""
    return str((await peer.ask(f"{AGENT}/a", "Subscribe", {"topic": topic}))["id"])


async def registers(exam: Examination) -> None:
    """It opens a channel, registers the agent type conform, and is then there."""
    await exam.until(exam.is_registered, "the agent type conform was never registered")

    async def works() -> bool:
        try:
            await exam.peer.response(await exam.peer.begin(f"{AGENT}/first", "Echo", {"text": ""}), FIRST_S)
        except Failed:
            return False
        return True

    await exam.until(works, "it registered the agent type conform, and never answered an Echo")


async def answers(exam: Examination) -> None:
    """A direct message is answered, whatever letters are in it."""
    text = 'grüß dich, 世界 🙂 "quoted" \\n'
    expect(await exam.peer.ask(f"{AGENT}/a", "Echo", {"text": text}), {"text": text}, "the reply to Echo")


async def carries_a_megabyte(exam: Examination) -> None:
    """A message of a megabyte goes there and back."""
    reply = await exam.peer.ask(f"{AGENT}/a", "Echo", {"text": "x" * 1_000_000})
    expect(len(reply["text"]), 1_000_000, "characters that came back")


async def reports_errors(exam: Examination) -> None:
    """A handler's error goes back as the response's error, with its text."""
    text = await exam.peer.error(f"{AGENT}/a", "Fail", {"text": "the soup is cold"})
    if "the soup is cold" not in text:
        raise Failed(f"the error's text should be in the response, which says {text!r:.200}")


async def reports_errors_without_a_text(exam: Examination) -> None:
    """An error without a text is an error all the same: an empty text would mean success."""
    await exam.peer.error(f"{AGENT}/a", "Fail", {"text": ""})


async def answers_nothing(exam: Examination) -> None:
    """A handler that returns nothing is answered with an empty payload."""
    expect(await exam.peer.ask(f"{AGENT}/a", "Nothing", {}), None, "the reply to Nothing")


async def answers_unknown_messages(exam: Examination) -> None:
    """A message type that it does not know is answered, with nothing or an error: nobody waits for ever."""
    await exam.peer.response(await exam.peer.begin(f"{AGENT}/a", "NeverHeardOf", {"x": 1}))


async def rejects_garbage(exam: Examination) -> None:
    """A message whose content cannot be read is answered with an error."""
    await exam.peer.error(f"{AGENT}/a", "Echo", b'{"text": ')


async def survives_garbage(exam: Examination) -> None:
    """After messages that cannot be read, sent and published, and a reply that it never asked for, it still answers."""
    await subscribed(exam.peer, "garbage")
    asked = await exam.peer.begin(f"{AGENT}/a", "Echo", b"\xff\xfe")
    await exam.peer.publish("garbage/a", "Note", b'{"text": ')
    exam.send_stranger()
    asked.cancel()
    await answers(exam)


async def subscribes(exam: Examination) -> None:
    """A published message reaches the agent whose key is the topic's source, and no other."""
    await subscribed(exam.peer, "subscribes")
    await exam.peer.publish("subscribes/b", "Note", {"text": "for b"})
    await exam.peer.publish("subscribes/c", "Note", {"text": "for c"})

    async def arrived() -> bool:
        return await recall(exam.peer, "b") == ["for b"] and await recall(exam.peer, "c") == ["for c"]

    await exam.until(arrived, "b and c should have their note, each its own")
    expect(await recall(exam.peer, "nobody"), [], "the notes of an agent that was sent none")


async def unsubscribes(exam: Examination) -> None:
    """After a subscription was removed, nothing comes through it any more."""
    first = await subscribed(exam.peer, "first")
    await subscribed(exam.peer, "second")
    await exam.peer.ask(f"{AGENT}/a", "Unsubscribe", {"id": first})
    await exam.peer.publish("first/u", "Note", {"text": "removed"})
    await exam.peer.publish("second/u", "Note", {"text": "kept"})

    async def arrived() -> bool:
        return "kept" in await recall(exam.peer, "u")

    await exam.until(arrived, "the other subscription should still hold")
    expect(await recall(exam.peer, "u"), ["kept"], "the notes that came")


async def keeps_order(exam: Examination) -> None:
    """Published messages are handled in the order in which they were sent."""
    await subscribed(exam.peer, "order")
    texts = [str(n) for n in range(MANY)]
    for text in texts:
        await exam.peer.publish("order/o", "Note", {"text": text})

    async def arrived() -> bool:
        return len(await recall(exam.peer, "o")) == MANY

    await exam.until(arrived, f"{MANY} notes should have come")
    expect(await recall(exam.peer, "o"), texts, "the order of the notes")


async def publishes(exam: Examination) -> None:
    """What it publishes reaches others, in order, with the message type's name and JSON."""
    await exam.peer.subscribe("published", "examiner")
    texts = [str(n) for n in range(MANY)]
    await exam.peer.ask(f"{AGENT}/p", "Publish", {"topic": "published", "source": "s", "texts": texts})
    events = [await exam.peer.event() for _ in texts]
    expect([event.payload for event in events], [_note(text, events[0].payload) for text in texts], "the notes")
    expect(str(events[0].topic), "published/s", "the topic")


def _note(text: str, like: Payload) -> Payload:
    """A note as this worker writes it: with blanks or without."""
    exact = payload("Note", {"text": text})
    return exact if b": " in like.data else exact._replace(data=exact.data.replace(b": ", b":"))


async def sends(exam: Examination) -> None:
    """It sends direct messages itself, and passes on their replies."""
    asked = await exam.peer.begin(f"{AGENT}/s", "Ask", {"type": "examiner", "text": "are you there?"})
    request = await exam.peer.request()
    expect((request.target, request.payload.type), (AgentId("examiner", "s"), "Echo"), "what it sent")
    await exam.peer.reply(request, "Echo", {"text": "I am"})
    response = await exam.peer.response(asked)
    if response.failure is not None:
        raise Failed(f"Ask was answered with the error {response.failure.text!r:.200}")
    if b"I am" not in response.payload.data:
        raise Failed(f"the reply should have been passed on, and was {response.payload.data!r:.200}")


async def passes_on_errors(exam: Examination) -> None:
    """When what it sent fails, its own sender hears of it."""
    await exam.peer.error(f"{AGENT}/a", "Ask", {"type": "nobody-has-this-type", "text": "hello?"})


async def answers_while_it_waits(exam: Examination) -> None:
    """While one handler waits for a reply, other messages are answered."""
    asked = await exam.peer.begin(f"{AGENT}/w", "Ask", {"type": "examiner", "text": "take your time"})
    request = await exam.peer.request()
    expect(await exam.peer.ask(f"{AGENT}/w", "Echo", {"text": "meanwhile"}), {"text": "meanwhile"}, "the reply")
    await exam.peer.reply(request, "Echo", {"text": "done"})
    await exam.peer.response(asked)


async def survives_a_host_restart(exam: Examination) -> None:
    """When the host was restarted, it comes back with its agent types and subscriptions."""
    await subscribed(exam.peer, "restart")
    await exam.restart_host()
    await exam.until(exam.is_registered, "it did not register again after the host's restart")
    await answers(exam)

    async def arrived() -> bool:
        await exam.peer.publish("restart/r", "Note", {"text": "back"})
        return "back" in await recall(exam.peer, "r")

    await exam.until(arrived, "its subscriptions should be there again")


async def ends_with_its_stdin(exam: Examination) -> None:
    """When its stdin ends, it ends: nobody who started it is there any more."""
    if not await exam.ended():
        raise Failed(f"it still ran {exam.limit_s:g} s after its stdin had ended")


CHECKS: Final = (
    registers,
    answers,
    carries_a_megabyte,
    reports_errors,
    reports_errors_without_a_text,
    answers_nothing,
    answers_unknown_messages,
    rejects_garbage,
    survives_garbage,
    subscribes,
    unsubscribes,
    keeps_order,
    publishes,
    sends,
    passes_on_errors,
    answers_while_it_waits,
    survives_a_host_restart,
    ends_with_its_stdin,
)
"""In this order: the last two end what the others need."""
