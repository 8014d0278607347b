"""Answers to the exercises of notebook 05."""


# %% 05.1 wrong: it becomes worthless
class Stubborn:
    def __init__(self, side: str) -> None:
        self.side = side

    def argue(self, turn: Turn) -> Argument:
        return Argument(self.side, "No.", 6 - turn.number if turn.number < 9 else -3)


# %% 05.1 wrong: it counts by itself
class Stubborn:
    def __init__(self, side: str) -> None:
        self.side, self.left = side, 6

    def argue(self, turn: Turn) -> Argument:
        self.left = max(1, self.left - 1)
        return Argument(self.side, "No.", self.left)


# %% 05.1 wrong: it argues for the other side
class Stubborn:
    def __init__(self, side: str) -> None:
        self.side = "for"

    def argue(self, turn: Turn) -> Argument:
        return Argument(self.side, "No.", max(1, 6 - turn.number))


# %% 05.1 solution
class Stubborn:
    def __init__(self, side: str) -> None:
        self.side = side

    def argue(self, turn: Turn) -> Argument:
        return Argument(self.side, f"Turn {turn.number}, and still: no.", max(1, 6 - turn.number))


await lab.register("worker-1", "stubborn", Player, "against", Stubborn)


# %% 05.2 wrong: one count for all
class Listener:
    words = 0

    def __call__(self, text: str) -> str:
        Listener.words += len(text.split())
        return str(Listener.words)


# %% 05.2 wrong: it forgets when it is replaced
class Listener:
    def __init__(self) -> None:
        self.words = 0

    def __call__(self, text: str) -> str:
        self.words += len(text.split())
        return str(self.words)


# %% 05.2 wrong: a number is no text
class Listener:
    def __init__(self) -> None:
        self.words = 0

    def __call__(self, text: str) -> int:
        self.words += len(text.split())
        return self.words


# %% 05.2 solution
class Listener:
    def __init__(self) -> None:
        self.words = 0

    def __call__(self, text: str) -> str:
        self.words += len(text.split())
        return str(self.words)

    def save_state(self) -> dict[str, int]:
        return {"words": self.words}

    def load_state(self, state: dict[str, int]) -> None:
        self.words = state["words"]


# %% 05.3 wrong: always the same way
class Advice(TypedDict):
    task: str
    said: str


def build_advisor():
    from langgraph.graph import END, START, StateGraph

    graph = StateGraph(Advice)
    graph.add_node("stop", lambda state: {"said": "too expensive"})
    graph.add_edge(START, "stop")
    graph.add_edge("stop", END)
    return graph


# %% 05.3 wrong: the graph is not returned
def build_advisor():
    from langgraph.graph import END, START, StateGraph

    graph = StateGraph(Advice)
    graph.add_node("stop", lambda state: {"said": "too expensive"})
    graph.add_edge(START, "stop")
    graph.add_edge("stop", END)


# %% 05.3 solution
class Advice(TypedDict):
    task: str
    said: str


def build_advisor():
    from langgraph.graph import END, START, StateGraph

    graph = StateGraph(Advice)
    graph.add_node("stop", lambda state: {"said": "too expensive"})
    graph.add_node("go", lambda state: {"said": "go ahead"})
    graph.add_conditional_edges(START, lambda state: "stop" if "cost" in state["task"] else "go", ["stop", "go"])
    graph.add_edge("stop", END)
    graph.add_edge("go", END)
    return graph


# %% 05.4 wrong: it asks with the whole message
class Translator(Delegate):
    @rpc
    async def on_translate(self, message: Translate, ctx: MessageContext) -> Translation:
        return Translation(await self.consult(message, ctx, text=message.text), message.language)


# %% 05.4 wrong: it answers without asking
class Translator(Delegate):
    @rpc
    async def on_translate(self, message: Translate, ctx: MessageContext) -> Translation:
        return Translation(message.text, message.language)


# %% 05.4 wrong: the bare text
class Translator(Delegate):
    @rpc
    async def on_translate(self, message: Translate, ctx: MessageContext) -> Translation:
        return await self.consult(message.text, ctx, text=message.text)


# %% 05.4 solution
from dataclasses import dataclass

from agentlab import rpc


@dataclass
class Translate:
    text: str
    language: str


@dataclass
class Translation:
    text: str
    language: str


class Translator(Delegate):
    @rpc
    async def on_translate(self, message: Translate, ctx: MessageContext) -> Translation:
        return Translation(await self.consult(message.text, ctx, text=message.text), message.language)
