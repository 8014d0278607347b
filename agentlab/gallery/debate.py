"""A debate: two players argue about a question, and a judge gives the verdict.

The players are delegates for something that argues. The judge asks both by direct messages, and publishes the verdict
to the topic ``verdict``, to whoever listens. A `Player` argues by rules (`RuleBook`), unless it is given something
else: a function, a class with a method `argue`, a language model or a graph (`agentlab.delegates`).

The judge knows of its players only their agent types, so a player need not be a `Player`, nor written in Python. What
it must do: register as `player-a` or `player-b`, and answer the direct message `Turn` (as JSON ``{"question": "…",
"number": 1, "heard": "…"}``) with an `Argument` (``{"side": "for", "text": "…", "weight": 0}``; the weight may be left
out).

Try: `await seat(lab)` puts two players and a judge on workers of their own, `await seat(lab, apart=False)` on one; send
`Motion("Do we need a framework?")` to the judge. Kill a player's worker before the second round. Write a debater.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

from ..core.contexts import MessageContext
from ..core.ids import AgentId
from ..core.routing import RoutedAgent, event, rpc
from ..core.subscriptions import type_subscription
from ..core.topics import TopicId
from ..delegates import delegate


@dataclass
class Motion:
    """Asks the judge for a debate: the question, and in how many rounds."""

    question: str
    rounds: int = 2


@dataclass
class Turn:
    """Asks a player for an argument, and says what the other one said last."""

    question: str
    number: int
    heard: str = ""


@dataclass
class Argument:
    """A player's argument, with its weight from 1 to 5; 0 leaves it to the judge to weigh it."""

    side: str
    text: str
    weight: int = 0


@dataclass
class Verdict:
    """The judge's decision: the side that won, or ``nobody``."""

    question: str
    winner: str
    score: dict[str, int] = field(default_factory=dict)


class RuleBook:
    """A rule-based debater: takes the first argument of its side that fits what it heard. No model, no network."""

    ARGUMENTS: ClassVar[dict[str, list[tuple[str, str, int]]]] = {
        "for": [
            ("", "A framework lets us think about what agents say, not about sockets.", 3),
            ("own code", "Own code for delivery has own bugs: lost messages, senders that wait for ever.", 4),
            ("learn", "We learn it once, and every later project starts further on.", 2),
        ],
        "against": [
            ("sockets", "We have two agents. A function call and our own code would do.", 2),
            ("bugs", "A framework has bugs too, and those we cannot fix ourselves; and it takes time to learn.", 3),
            ("", "Every dependency is a promise that somebody else must keep.", 2),
        ],
    }

    def __init__(self, side: str) -> None:
        if side not in self.ARGUMENTS:
            raise ValueError(f"A side is one of {', '.join(self.ARGUMENTS)}, not {side!r}.")
        self.side = side
        self._said: list[str] = []

    def argue(self, turn: Turn) -> Argument:
        """The next argument; without any left, the player says so."""
        left = [rule for rule in self.ARGUMENTS[self.side] if rule[1] not in self._said]
        for _, text, weight in sorted(left, key=lambda rule: not (rule[0] and rule[0] in turn.heard)):
            self._said.append(text)
            return Argument(self.side, text, weight)
        return Argument(self.side, "I have said all I have to say.", 1)

    def save_state(self) -> dict[str, Any]:
        """What was said so far."""
        return {"said": list(self._said)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Do not say these things again."""
        self._said = list(state.get("said", ()))


def in_words(side: str, turn: Turn) -> str:
    """A turn as it is put to something that understands text."""
    heard = f"\nThe other side said: {turn.heard}" if turn.heard else ""
    return (
        f"You argue {side} it in a debate. The question: {turn.question}{heard}\n"
        "Give one argument, in one or two sentences."
    )


@type_subscription("verdict")
class Player(delegate.Delegate):
    """A player: a delegate for a debater. It hears the verdict, too.

    `debater` answers a `Turn` with an `Argument` or with text: an object or a class (made with the side) with a method
    `argue`, or a function; or it answers text with text: a language model or a graph.
    """

    def __init__(self, side: str, debater: Any = None) -> None:
        debater = RuleBook if debater is None else debater
        if isinstance(debater, type):
            debater = debater(side)
        super().__init__(getattr(debater, "argue", debater), f"argues {side}")
        self._side = side

    @rpc
    async def on_turn(self, message: Turn, ctx: MessageContext) -> Argument:
        said = await self.consult(message, ctx, text=in_words(self._side, message))
        if not isinstance(said, Argument):
            said = Argument(self._side, delegate.checked_text(said, self._inside).strip() or "(said nothing)")
        print(f"{self.id}: {said.text}")
        return said

    @event
    async def on_verdict(self, message: Verdict, ctx: MessageContext) -> None:
        print(f"{self.id}: {'we won' if message.winner == self._side else 'well argued'}, {message.score}")


def weigh(argument: Argument, heard: str) -> int:
    """What an argument counts for, from 1 to 5: what it says itself, or else by how it is made. A rule, no insight."""
    if argument.weight:
        return max(1, min(argument.weight, 5))
    words = {word.strip(".,:;!?").lower() for word in argument.text.split()}
    gives_a_reason = bool(words & {"because", "since", "so", "therefore", "if", "without"})
    picks_up = any(len(word) > 5 and word in heard.lower() for word in words)
    return 1 + gives_a_reason + 2 * picks_up + (5 <= len(argument.text.split()) <= 40)


class Judge(RoutedAgent):
    """A judge: lets the players argue in turns, and decides by the weight of their arguments."""

    def __init__(self, first: str = "player-a", second: str = "player-b") -> None:
        super().__init__("decides who argued better")
        self._players = (first, second)

    @rpc
    async def on_motion(self, message: Motion, ctx: MessageContext) -> Verdict:
        score: dict[str, int] = {}
        heard = ""
        for number in range(1, message.rounds + 1):
            for player in self._players:
                turn = Turn(message.question, number, heard)
                argument: Argument = await self.send_message(
                    turn, AgentId(player, self.id.key), cancellation_token=ctx.cancellation_token
                )
                score[argument.side] = score.get(argument.side, 0) + weigh(argument, heard)
                heard = argument.text
        best = [side for side in score if score[side] == max(score.values())]
        verdict = Verdict(message.question, best[0] if len(best) == 1 else "nobody", score)
        await self.publish_message(verdict, TopicId("verdict", self.id.key))
        return verdict


class Seats(Protocol):
    """What `seat` needs of a lab."""

    @property
    def workers(self) -> Sequence[str]:
        """The names of its workers."""
        ...

    @property
    def registered(self) -> Mapping[str, tuple[str, Any]]:
        """Agent type → where it is registered, and what makes its agents."""
        ...

    async def register(self, worker: str, type: str, agent: Any, /, *args: Any) -> str:
        """Register agents of a type."""
        ...

    async def unregister(self, worker: str, type: str) -> None:
        """Give up an agent type."""
        ...


ROLES: Final = {"player-a": "for", "player-b": "against"}
"""The players that the judge asks, and the side that each argues."""


async def seat(
    lab: Seats, *, apart: bool = True, debaters: Mapping[str, Any] | None = None, foreign: Sequence[str] = ()
) -> dict[str, str]:
    """Seat the debate in a lab: each agent on a worker of its own, or (``apart=False``) all on one.

    `debaters` has what is inside ``player-a`` and ``player-b``; who is not mentioned argues by rules. `foreign` are the
    players that are there already, in processes of their own. Returns agent type → worker. Who sits elsewhere moves.
    """
    agents: dict[str, tuple[Any, ...]] = {"judge": (Judge,)}
    for role, side in ROLES.items():
        if role not in foreign:
            agents[role] = (Player, side, debaters[role]) if debaters and role in debaters else (Player, side)
    seats: dict[str, str] = {}
    for number, (role, agent) in enumerate(agents.items()):
        seats[role] = lab.workers[number % len(lab.workers) if apart else 0]
        if role in lab.registered and lab.registered[role][0] != seats[role]:
            await lab.unregister(lab.registered[role][0], role)
        await lab.register(seats[role], role, *agent)
    return seats
