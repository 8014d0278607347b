# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["autogen-core==0.7.5", "autogen-agentchat==0.7.5", "autogen-ext[grpc]==0.7.5"]
# ///
"""A player of the debate that is an AutoGen AgentChat assistant, in an environment and a process of its own.

It shares no code with the lab, only the names and fields of two messages. The lab starts it (the first time, uv makes
its environment, which needs a network and takes a moment)::

    await lab.add_worker(script="workers/autogen/player.py", args=["{host}", "player-b", "against"], types=["player-b"])

AutoGen's worker cannot present a token, so the lab should have none: ``Lab.start(token=None)``. The assistant's model
replays the lines below. For a real one, add ``autogen-ext[openai]`` to the dependencies above, and put an
``OpenAIChatCompletionClient(model="gpt-4o-mini")`` in the replay's place; its key comes from OPENAI_API_KEY.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from dataclasses import dataclass

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_core import MessageContext, RoutedAgent, rpc, try_get_known_serializers_for_type
from autogen_ext.models.replay import ReplayChatCompletionClient
from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime

LINES = [
    "A framework is one more thing that can break while nobody here knows why.",
    "If two agents talk, a function call is enough, because both are in one program.",
    "So far you spoke of what it does, not of what it costs to learn it.",
    "Without it we would have been done by now.",
]


@dataclass
class Turn:
    question: str
    number: int
    heard: str = ""


@dataclass
class Argument:
    side: str
    text: str
    weight: int = 0


class Player(RoutedAgent):
    """A delegate for an assistant, which remembers what was said; one for each key."""

    def __init__(self, side: str) -> None:
        super().__init__(f"argues {side}, with an AgentChat assistant inside")
        self.side = side
        self.assistant = AssistantAgent(
            "debater", ReplayChatCompletionClient(LINES * 25), system_message=f"You argue {side} it in a debate."
        )

    @rpc
    async def on_turn(self, message: Turn, ctx: MessageContext) -> Argument:
        asked = TextMessage(source="judge", content=f"{message.question}\nThe other side said: {message.heard}")
        response = await self.assistant.on_messages([asked], ctx.cancellation_token)
        print(f"{self.id}: {response.chat_message.to_text()}", flush=True)
        return Argument(self.side, response.chat_message.to_text())


async def main(host: str, agent_type: str = "player-b", side: str = "against") -> None:
    # AutoGen's own stop() would wait for handlers that never end.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    runtime = GrpcWorkerAgentRuntime(host)
    await runtime.start()
    runtime.add_message_serializer(try_get_known_serializers_for_type(Argument))  # it is told only what handlers take
    await Player.register(runtime, agent_type, lambda: Player(side))
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
