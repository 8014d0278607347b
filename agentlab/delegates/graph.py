"""A LangGraph graph inside an agent."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .delegate import Conversation, DelegateError, Listener
from .extras import load, require
from .threads import in_thread

_PURPOSE: Final = "A Graph"


def as_messages(text: str) -> dict[str, Any]:
    """The input of a graph whose state has ``messages`` (LangGraph's ``MessagesState``): the text, said by the user."""
    return {"messages": [("user", text)]}


def last_message(state: Any) -> str:
    """The text of the last of the state's ``messages``. Raises DelegateError for a state that has none."""
    messages = state.get("messages") if isinstance(state, Mapping) else None
    if not messages:
        keys = f"only {', '.join(state)}" if isinstance(state, Mapping) else f"it is a {type(state).__name__}"
        raise DelegateError(
            f"The graph's state has no messages ({keys}). Say what of it is the answer: "
            "Graph(build, to_input=lambda text: …, to_text=lambda state: …)."
        )
    return str(messages[-1].text)


@dataclass(frozen=True)
class Graph:
    """A graph: `build` returns a LangGraph ``StateGraph``, compiled or not. A graph cannot travel to a worker; what
    builds it can, and is called there, once for each agent.

    `to_input` makes the graph's input of the message in words, `to_text` the answer of the state in which it ends;
    without them, both are about ``messages``. Each agent has a thread of its own in LangGraph's sense, with the agent's
    key as its id. A graph compiled with a checkpointer of its own keeps its state there, and not in the agent's.
    Raises MissingExtraError where `langgraph` is not installed, TypeError for a graph in the place of `build`.
    """

    build: Callable[[], Any]
    to_input: Callable[[str], Any] = as_messages
    to_text: Callable[[Any], Any] = last_message

    def __post_init__(self) -> None:
        require("langgraph", _PURPOSE)
        if not callable(self.build) or hasattr(self.build, "compile") or hasattr(self.build, "ainvoke"):
            raise TypeError(
                f"A Graph is given a function that builds the graph, not a {type(self.build).__name__}: "
                "put the lines that make it into a function, and pass that one."
            )

    def begin(self, key: str) -> Conversation:
        """A thread that nothing ran in yet."""
        return _Thread(self, key)

    def __str__(self) -> str:
        return f"the graph of {getattr(self.build, '__qualname__', self.build)}"


class _Thread:
    """The thread (in LangGraph's sense) of one agent.

    The last checkpoint is held here. Each run gets a saver with that one, and only when it ends well is its own last
    checkpoint taken: so a run that fails or is cancelled has not happened, and the past takes no memory.
    """

    kind = "graph"

    def __init__(self, what: Graph, key: str) -> None:
        self._what = what
        self._key = key
        self._graph: Any = None
        self._saves_itself = False
        self._checkpoints: dict[str, tuple[Any, Any]] = {}
        """By namespace (a subgraph has one of its own): the checkpoint and its metadata."""

    async def answer(self, message: Any, text: str, listen: Listener | None) -> Any:
        """What the graph ends with. Raises what its nodes raise."""
        graph = await self._built()
        thread = {"configurable": {"thread_id": self._key}}
        if self._saves_itself:
            return self._read(await graph.ainvoke(self._what.to_input(text), thread))
        saver = load("langgraph.checkpoint.memory", _PURPOSE).InMemorySaver()
        for namespace, (checkpoint, metadata) in self._checkpoints.items():
            place = {"configurable": {"thread_id": self._key, "checkpoint_ns": namespace}}
            await saver.aput(place, checkpoint, metadata, checkpoint["channel_versions"])
        graph.checkpointer = saver
        answer = self._read(await graph.ainvoke(self._what.to_input(text), thread))
        newest: dict[str, tuple[Any, Any]] = {}
        async for saved in saver.alist(thread):  # the newest of each namespace first
            newest.setdefault(saved.config["configurable"]["checkpoint_ns"], (saved.checkpoint, saved.metadata))
        self._checkpoints = newest
        return answer

    async def _built(self) -> Any:
        if self._graph is None:
            self._graph = await in_thread(self._compiled)  # importing LangGraph takes seconds
            self._saves_itself = bool(self._graph.checkpointer)
        return self._graph

    def _compiled(self) -> Any:
        graph = self._what.build()
        graph = graph.compile() if hasattr(graph, "compile") else graph
        if not hasattr(graph, "ainvoke"):
            raise DelegateError(f"{self._what} is a {type(graph).__name__}, and a StateGraph was expected.")
        return graph

    def _read(self, state: Any) -> Any:
        if isinstance(state, Mapping) and "__interrupt__" in state:
            raise DelegateError(f"{self._what} stopped to ask somebody, and an agent has nobody to ask.")
        return self._what.to_text(state)

    async def save(self) -> dict[str, Any]:
        """The checkpoints, as LangGraph writes them. Raises TypeError for a state that cannot be written."""
        if not self._checkpoints:
            return {}
        kind, data = _strict_serializer().dumps_typed(self._checkpoints)
        return {"type": kind, "data": base64.b64encode(data).decode()}

    async def load(self, state: Mapping[str, Any]) -> None:
        """Take them on. Raises ValueError for a state with objects of classes that LangGraph does not know: whoever may
        send a state must not choose what is called here."""
        refused: list[str] = []

        def listen(event: Any) -> None:
            if "blocked" in event["kind"]:
                refused.append(f"{event['module']}.{event['name']}")

        hooks = load("langgraph.checkpoint.serde.event_hooks", _PURPOSE)
        unregister = hooks.register_serde_event_listener(listen)
        try:
            data = base64.b64decode(state["data"]) if state else b""
            checkpoints = _strict_serializer().loads_typed((state["type"], data)) if state else {}
        finally:
            unregister()
        if refused:
            raise ValueError(
                f"The saved state holds a {refused[0]}. Only plain values (text, numbers, lists, dicts) and "
                "LangChain's messages in a graph's state can be taken on."
            )
        self._checkpoints = {namespace: (one[0], one[1]) for namespace, one in checkpoints.items()}


def _strict_serializer() -> Any:
    serde = load("langgraph.checkpoint.serde.jsonplus", _PURPOSE)
    return serde.JsonPlusSerializer(allowed_msgpack_modules=None)
