"""The exercises of ``01_agents_and_messages.ipynb``. Each check has a standalone runtime of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from ..core import journal as j
from ..core.closure import ClosureAgent, ClosureContext
from ..core.contexts import MessageContext
from ..core.ids import AgentId
from ..core.interventions import DefaultInterventionHandler
from ..core.journal import Journal
from ..core.standalone import SingleThreadedAgentRuntime
from ..core.subscriptions import DefaultSubscription
from .exercises import exercise
from .expecting import Wrong, expect

MOST_MESSAGES: Final = 60
"""So many messages and no end: a countdown from 6 that needs more does not end at all."""


class Limit(DefaultInterventionHandler):
    """Ends a game that would never end."""

    def __init__(self, expected: str) -> None:
        self._left = MOST_MESSAGES
        self._expected = expected

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        """Count it."""
        self._left -= 1
        if self._left < 0:
            raise Wrong(self._expected, f"no end after {MOST_MESSAGES} messages; the last one was {message!r}")
        return message


@asynccontextmanager
async def runtime(journal: Journal, expected: str = "an answer") -> AsyncIterator[SingleThreadedAgentRuntime]:
    """A standalone runtime that runs, and is closed afterwards."""
    made = SingleThreadedAgentRuntime(journal=journal, intervention_handlers=[Limit(expected)])
    made.start()
    try:
        yield made
    finally:
        await made.close()


async def answer(agents: SingleThreadedAgentRuntime, message: Any, agent_id: AgentId, expected: str) -> Any:
    """The agent's reply. Raises `Wrong` for what its handler raises."""
    try:
        return await agents.send_message(message, agent_id)
    except (Wrong, NotImplementedError):
        raise
    except Exception as error:
        raise Wrong(expected, error) from error


@exercise(
    "01.1",
    "Down by two",
    "Counting down by two is one line. But which numbers does an odd one pass, on its way down?",
    "From 5: 3, 1, -1, -3 … It is never 0. When should it end?",
    "if message.number <= 0: it ends; else it sends Countdown(message.number - 2).",
    limit_s=5,
)
async def down_by_two(Skipper: Any, Countdown: Any) -> str:
    for start, most in ((6, 4), (5, 4), (0, 1), (1, 2)):
        journal = Journal()
        expected = f"that a game from {start} ends, after at most {most} messages"
        async with runtime(journal, expected) as agents:
            await Skipper.register(agents, "ping", lambda: Skipper("pong"))
            await Skipper.register(agents, "pong", lambda: Skipper("ping"))
            reply = await answer(agents, Countdown(start), AgentId("ping", "default"), expected)
        count = sum(e.what == j.SENT and e.kind == j.REQUEST for e in journal)
        expect(count <= most, expected, f"{count} messages")
        expect("ended it" in str(getattr(reply, "text", "")), "a Reply that says who ended it", reply)
        expect(start < 2 or count > start // 2, f"that a game from {start} goes down by two", f"only {count} messages")
    return "From 6 and from 5: it always ends."


@exercise(
    "01.2",
    "Welcome back",
    "An agent is an object, and it stays: what it puts into an attribute is there for the next message.",
    "Greeter has an __init__ already. Add one that calls super().__init__(word) and sets self.heard = 0.",
    'if self.heard > 1: return Reply("Welcome back! …"); else what Greeter answers.',
    limit_s=5,
)
async def welcome_back(Host: Any, Greeting: Any) -> str:
    journal = Journal()
    async with runtime(journal) as agents:
        await Host.register(agents, "host", lambda: Host("Welcome"))
        said: list[str] = []
        for who, back in (("anna", False), ("anna", True), ("ben", False), ("anna", True), ("ben", True)):
            said.append(who)
            begins = "Welcome back" if back else "Welcome!"
            expected = f"an answer to host/{who} that begins with {begins!r}, after greetings to {', '.join(said)}"
            reply = await answer(agents, Greeting("hello"), AgentId("host", who), expected)
            expect(str(getattr(reply, "text", "")).startswith(begins), expected, reply)
    return "Each remembers for itself: two keys, two objects."


@exercise(
    "01.3",
    "The herald",
    "self.publish_message(message, topic) publishes. The topic is TopicId(type, source).",
    "An agent's own key is self.id.key.",
    'await self.publish_message(message, TopicId("default", self.id.key)), then return Reply(f"{len(…)} letters").',
    limit_s=5,
)
async def herald(Herald: Any, Greeting: Any) -> str:
    journal = Journal()
    heard: list[tuple[str, str]] = []

    async def listen(closure: ClosureContext, message: Any, ctx: MessageContext) -> None:
        heard.append((closure.id.key, message.text))

    listen.__annotations__["message"] = Greeting
    async with runtime(journal) as agents:
        await Herald.register(agents, "herald", Herald)
        await ClosureAgent.register_closure(
            agents, "listener", listen, subscriptions=lambda: [DefaultSubscription()], unknown_type_policy="ignore"
        )
        for key, text in (("north", "hello"), ("south", "goodbye")):
            expected = f"Reply('{len(text)} letters') from herald/{key} for Greeting({text!r})"
            reply = await answer(agents, Greeting(text), AgentId("herald", key), expected)
            expect(getattr(reply, "text", None) == f"{len(text)} letters", expected, reply)
        await agents.stop_when_idle()
    wanted = [("north", "hello"), ("south", "goodbye")]
    expected = f"that default/north hears 'hello', and default/south 'goodbye': {wanted}"
    expect(heard == wanted, expected, heard or "nothing was published to the topic type default")
    return "Told directly, said to all who listen."
