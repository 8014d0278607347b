"""The exercises of ``04_topics.ipynb``: a house that publishes what happens in its rooms."""

from __future__ import annotations

import uuid
from typing import Any

from ..core import journal as j
from ..core.contexts import MessageContext
from ..core.routing import RoutedAgent, event
from ..core.subscriptions import type_subscription
from ..core.topics import TopicId
from ..exports.copies import MessageCopy, message_copies
from ..lab.lab import Lab
from .exercises import exercise
from .expecting import Wrong, attempt, expect
from .n03 import now


def copies_since(lab: Lab, after: int) -> list[MessageCopy]:
    """The copies of published messages that were sent after an event of the journal and reached an agent."""
    copies = message_copies(event for event in lab.journal if event.seq > after)
    return [copy for copy in copies if copy.kind == j.EVENT and copy.recipient]


async def receivers_of(lab: Lab, message: Any, topic: TopicId) -> dict[str, str]:
    """Publish a message; who gets a copy, and what became of it."""
    begin = now(lab)
    await lab.publish_message(message, topic)
    await lab.when_idle(5)
    here = f"{topic.type}/{topic.source}"
    return {copy.recipient: copy.outcome for copy in copies_since(lab, begin) if copy.topic == here}


def listed(names: Any) -> str:
    """Some names in a sentence."""
    return ", ".join(sorted(names)) or "nobody"


@exercise(
    "04.1",
    "Who hears Gina",
    "lab.directory() lists the subscriptions: which agent types are for the topic type motion?",
    "An agent's id is its type and a key; the key comes from the topic's source.",
    "Two types subscribe to motion, so two agents, both with the key kitchen.",
)
async def who_hears(lab: Lab, Motion: Any, receivers: Any) -> str:
    expect(isinstance(receivers, list | tuple | set), 'a list of ids, like ["lamp/…"]', receivers)
    mine = {str(receiver) for receiver in receivers}
    found = set(await receivers_of(lab, Motion("Gina"), TopicId("motion", "kitchen")))
    missing, extra = found - mine, mine - found
    seen = f"{len(missing)} of them missing; not among them: {listed(extra)}"
    expect(not missing and not extra, f"the {len(found)} agents that got a copy just now", seen)
    return f"A copy each for {listed(found)}."


@exercise(
    "04.2",
    "One heating for the house",
    "Heating subscribes to the topic type presence. Who publishes to it?",
    "The key of the agent that hears it is the topic's source: for heating/house it must be house.",
    'await lab.publish_message(Motion(who), TopicId("presence", "house")), whatever the room is.',
)
async def one_heating(lab: Lab, report: Any) -> str:
    begin = now(lab)
    for who, room in (("Anna", "kitchen"), ("Ben", "hall"), ("Carla", "cellar")):
        await attempt(report, who, room)
    await lab.when_idle(5)
    heard = [copy for copy in copies_since(lab, begin) if copy.recipient.startswith("heating/")]
    warmed = {copy.recipient for copy in heard}
    expect(warmed == {"heating/house"}, "that heating/house, and no other heating, hears of it", listed(warmed))
    expect(len(heard) == 3, "one copy for heating/house each time somebody moves", f"{len(heard)} for 3 motions")
    return "Three rooms, one source, one heating."


@exercise(
    "04.3",
    "Weather and news",
    "One decorator for a whole topic type, another one for all types that begin alike: you saw both.",
    "Decorators can be stacked above a class, one a line.",
    '@type_prefix_subscription("weather.") and @type_subscription("news") above class Radio, then register it again.',
)
async def weather_and_news(lab: Lab, Bulletin: Any) -> str:
    for topic_type, wanted in (
        ("weather.rain", True),
        (f"weather.{uuid.uuid4().hex[:6]}", True),
        ("news", True),
        ("weather", False),
        ("newspaper", False),
    ):
        heard = await receivers_of(lab, Bulletin("listen"), TopicId(topic_type, "town"))
        expected = f"that radio/town {'hears' if wanted else 'does not hear'} a Bulletin on {topic_type!r}"
        expect(("radio/town" in heard) == wanted, expected, f"it was heard by {listed(heard)}")
        if wanted:
            expect(heard["radio/town"] == j.HANDLED, "that the radio handles it", f"the copy was {heard['radio/town']}")
    return "Every kind of weather, and the news; nothing else."


@exercise(
    "04.4",
    "An echo in every street",
    "The class needs a subscription to street, and in its handler a call of self.publish_message.",
    "The source of the topic that a message came by is ctx.topic_id.source; also self.id.key.",
    'await self.publish_message(Echo(message.text.upper()), TopicId("echo", ctx.topic_id.source))',
    limit_s=15,
)
async def echoes(lab: Lab, Shout: Any, Echo: Any) -> str:
    heard: list[tuple[str, str]] = []
    listener = f"listener-{uuid.uuid4().hex[:6]}"
    await lab.register("notebook", listener, _listener(heard, Echo))
    streets = [f"street-{uuid.uuid4().hex[:4]}" for _ in range(3)]
    try:
        begin = now(lab)
        for street in streets:
            await lab.publish_message(Shout(f"hello {street}"), TopicId("street", street))
        await lab.when_idle(5)
    finally:
        await lab.unregister("notebook", listener)
    failures = [e for e in lab.journal if e.seq > begin and e.what == j.FAILED and e.recipient.startswith("relay/")]
    if any("NotImplementedError" in failure.detail for failure in failures):
        raise NotImplementedError
    expect(not failures, "that the relay handles a Shout", failures[0].detail if failures else "")
    wanted = sorted((street, f"HELLO {street.upper()}") for street in streets)
    if sorted(heard) != wanted:
        raise Wrong(f"an Echo on echo/{wanted[0][0]} with the text {wanted[0][1]!r}, and so on", heard or "no Echo")
    return "An echo in each of three streets that nobody had heard of before."


def _listener(heard: list[tuple[str, str]], message_type: type[Any]) -> type[RoutedAgent]:
    """An agent class that notes source and text of what is published to the topic type ``echo``."""

    async def on_echo(self: RoutedAgent, message: Any, ctx: MessageContext) -> None:
        heard.append((ctx.topic_id.source if ctx.topic_id else "", message.text))

    on_echo.__annotations__ = {"message": message_type, "ctx": MessageContext, "return": type(None)}

    @type_subscription("echo")
    class Listener(RoutedAgent):
        """Listens for the check."""

        on_echo_published = event(on_echo)

        def __init__(self) -> None:
            super().__init__("listens for the check")

    return Listener
