# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["autogen-core==0.7.5", "autogen-ext[grpc]==0.7.5", "autogen-agentchat==0.7.5"]
# ///
"""An AutoGen worker, in an environment of its own: ``uv run --script worker.py HOST``, or from a notebook
``await lab.add_worker(script="workers/autogen/worker.py")`` in a lab that was started with ``token=None``.

It has two agents: ``autogen-greeter``, an ordinary agent, and ``assistant``, a delegate for an AgentChat assistant.
That one's model repeats what it was given beforehand, so that it needs no network and no key; `provider.py` beside this
file is the same with a real model. The messages are the same by name and fields as in the notebook; nothing else is
shared.
"""

import asyncio
import os
import sys
import threading
from dataclasses import dataclass

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_core import MessageContext, RoutedAgent, TypeSubscription, message_handler
from autogen_core.models import ChatCompletionClient
from autogen_ext.models.replay import ReplayChatCompletionClient
from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime


@dataclass
class Shout:
    text: str


class Greeter(RoutedAgent):
    """Answers a shout with a greeting, whether it was sent to it or published."""

    def __init__(self) -> None:
        super().__init__("Greets who shouts")

    @message_handler
    async def on_shout(self, message: Shout, ctx: MessageContext) -> Shout:
        print(f"{self.id} received {message.text!r} from {ctx.sender}", flush=True)
        return Shout(f"AutoGen greets you back: {message.text}")


class Assistant(RoutedAgent):
    """Hands what it is told to an AgentChat assistant, and its answer back. Each key has an assistant of its own."""

    def __init__(self, model: ChatCompletionClient) -> None:
        super().__init__("A delegate for an AgentChat assistant")
        self._delegate = AssistantAgent("assistant", model_client=model, system_message="Answer in one short sentence.")

    @message_handler
    async def on_shout(self, message: Shout, ctx: MessageContext) -> Shout:
        task = [TextMessage(content=message.text, source="user")]
        answer = await self._delegate.on_messages(task, ctx.cancellation_token)
        return Shout(answer.chat_message.to_text())


def replay() -> ChatCompletionClient:
    """A model that says these sentences, one after the other."""
    return ReplayChatCompletionClient(
        [
            "Use it where agents must outlive each other's crashes.",
            "One process is simpler, until it is not.",
            "I have said all that I was given to say.",
        ]
    )


async def main(host: str, make_model=replay) -> None:
    # AutoGen's own stop() would wait for handlers that never end.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    runtime = GrpcWorkerAgentRuntime(host)
    await runtime.start()
    await Greeter.register(runtime, "autogen-greeter", Greeter)
    await Assistant.register(runtime, "assistant", lambda: Assistant(make_model()))
    await runtime.add_subscription(TypeSubscription("news", "autogen-greeter"))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
