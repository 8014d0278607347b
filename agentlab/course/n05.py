"""The exercises of ``05_delegates.ipynb``: what is inside an agent."""

from __future__ import annotations

from typing import Any

from ..core.ids import AgentId
from ..delegates import Ask, Assistant, Graph
from ..gallery.debate import Player, Turn
from ..lab.lab import Lab
from .exercises import exercise
from .expecting import expect


async def fresh(lab: Lab, worker: str, agent_type: str, *agent: Any) -> None:
    """Register agents that remember nothing of an earlier try."""
    if agent_type in lab.registered:
        await lab.unregister(lab.registered[agent_type][0], agent_type)
    await lab.register(worker, agent_type, *agent)


@exercise(
    "05.1",
    "A stubborn debater",
    "turn.number says which turn it is; the player asks you about them in any order.",
    "The weight is 5 for number 1 and 4 for number 2: what do you subtract from 6?",
    "Argument(self.side, 'No.', max(1, 6 - turn.number))",
)
async def stubborn(lab: Lab, Stubborn: Any) -> str:
    await fresh(lab, "worker-1", "stubborn", Player, "against", Stubborn)
    for number, weight in ((1, 5), (2, 4), (4, 2), (3, 3), (9, 1)):
        reply = await lab.send_message(Turn("Should we?", number, "Yes."), "stubborn", deadline_s=10)
        seen = getattr(reply, "weight", reply)
        expect(seen == weight, f"an argument of weight {weight} in turn number {number}", seen)
        expect(reply.side == "against", "an argument for its own side, 'against'", reply.side)
    return "A class with a method argue is all it takes; the player does the rest."


@exercise(
    "05.2",
    "A memory that survives",
    "Count in self.words; len(text.split()) is the number of words. The answer is text: str(…).",
    "save_state(self) returns a dict with the count, load_state(self, state) takes it back.",
    "def save_state(self): return {'words': self.words}, and in load_state: self.words = state['words']",
)
async def memory(lab: Lab, Listener: Any) -> str:
    async def told(text: str, key: str) -> Any:
        reply = await lab.send_message(Ask(text), AgentId("listener", key), deadline_s=10)
        return getattr(reply, "text", reply)

    await fresh(lab, "worker-2", "listener", Assistant, Listener)
    for text, key, count in (("one two three", "anna", "3"), ("four", "anna", "4"), ("five six", "ben", "2")):
        seen = await told(text, key)
        expect(seen == count, f"{count!r} from listener/{key} after {text!r}", seen)
    await lab.register("worker-2", "listener", Assistant, Listener)
    seen = await told("seven", "anna")
    expect(seen == "5", "'5' from listener/anna: it had heard 4 words when it was registered again", seen)
    return "Each agent counts for itself, and the new ones went on where the old ones were."


@exercise(
    "05.3",
    "A graph that decides",
    "add_conditional_edges(START, choose) calls choose(state), which returns the name of the node to go to.",
    "Two nodes that return {'said': …}, each with an edge to END; choose looks at state['task'].",
    "graph.add_conditional_edges(START, lambda state: 'stop' if 'cost' in state['task'] else 'go', ['stop', 'go'])",
)
async def decides(lab: Lab, build_advisor: Any) -> str:
    inside = Graph(build_advisor, to_input=task, to_text=said)
    await fresh(lab, "worker-1", "advisor", Assistant, inside)
    for text, advice in (("It will cost a fortune.", "too expensive"), ("It is free.", "go ahead")):
        reply = await lab.send_message(Ask(text), "advisor", deadline_s=15)
        seen = getattr(reply, "text", reply)
        expect(seen == advice, f"{advice!r} for {text!r}", seen)
    return "The way through the graph was chosen by what it was asked."


@exercise(
    "05.4",
    "A delegate of your own",
    "help(Delegate.consult): it takes what to ask, the context, and the same in words.",
    "await self.consult(message.text, ctx, text=message.text) gives the answer of what is inside.",
    "return Translation(await self.consult(message.text, ctx, text=message.text), message.language)",
)
async def translator(lab: Lab, Translator: Any, Translate: Any) -> str:
    await fresh(lab, "worker-1", "translator", Translator, backwards)
    for text, language in (("desserts", "mirror"), ("live", "glass")):
        reply = await lab.send_message(Translate(text, language), "translator", deadline_s=10)
        seen = (getattr(reply, "text", reply), getattr(reply, "language", None))
        expected = f"Translation({text[::-1]!r}, {language!r}) when a function that reverses text is inside"
        expect(seen == (text[::-1], language), expected, reply)
    return "Your messages, and anything that understands text inside."


def task(text: str) -> dict[str, str]:
    """What goes into the advisor's graph."""
    return {"task": text}


def said(state: Any) -> Any:
    """What comes out of it."""
    return state["said"]


def backwards(text: str) -> str:
    """What is inside the translator while it is checked."""
    return text[::-1]
