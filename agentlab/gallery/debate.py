"""A debate: two players argue about a question, and a judge gives the verdict.

The players are delegates for something that argues: here a table of rules (`RuleBook`), elsewhere a language model.
The judge asks both by direct messages, and publishes the verdict to the topic ``verdict``, to whoever listens.

Try: register two players, `Player("for")` as `player-a` and `Player("against")` as `player-b`, and a `Judge`, each on
a worker of its own; send `Motion("Do we need a framework?")` to the judge. Kill a player's worker before the second
round. Write a debater of your own: anything with a method `argue`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from ..core.contexts import MessageContext
from ..core.ids import AgentId
from ..core.routing import RoutedAgent, event, rpc
from ..core.subscriptions import type_subscription
from ..core.topics import TopicId


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
    """A player's argument, with its weight from 1 to 5."""

    side: str
    text: str
    weight: int


@dataclass
class Verdict:
    """The judge's decision."""

    question: str
    winner: str
    score: dict[str, int] = field(default_factory=dict)


class Debater(Protocol):
    """What a player is a delegate for: something that finds an argument."""

    def argue(self, turn: Turn) -> Argument:
        """The next argument."""
        ...


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
        self._left = list(self.ARGUMENTS[side])

    def argue(self, turn: Turn) -> Argument:
        """The next argument; without any left, the player says so."""
        for rule in sorted(self._left, key=lambda rule: not (rule[0] and rule[0] in turn.heard)):
            self._left.remove(rule)
            return Argument(self.side, rule[1], rule[2])
        return Argument(self.side, "I have said all I have to say.", 1)


@type_subscription("verdict")
class Player(RoutedAgent):
    """A player: a delegate for a debater. It hears the verdict, too."""

    def __init__(self, side: str, debater: Debater | None = None) -> None:
        super().__init__(f"argues {side}")
        self._side = side
        self._debater = debater or RuleBook(side)

    @rpc
    async def on_turn(self, message: Turn, ctx: MessageContext) -> Argument:
        argument = self._debater.argue(message)
        print(f"{self.id}: {argument.text}")
        return argument

    @event
    async def on_verdict(self, message: Verdict, ctx: MessageContext) -> None:
        print(f"{self.id}: {'we won' if message.winner == self._side else 'well argued'}, {message.score}")


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
                score[argument.side] = score.get(argument.side, 0) + argument.weight
                heard = argument.text
        verdict = Verdict(message.question, max(score, key=score.__getitem__), score)
        await self.publish_message(verdict, TopicId("verdict", self.id.key))
        return verdict
