"""The agent that `agentlab conform` examines, on the notebook's plain gRPC worker: ``plain_grpc_worker.py HOST``.

That one receives and answers, and ends with the host: sixty lines, to be read. What it leaves out is here.
"""

import asyncio
import json
import os
import sys
import threading
import uuid
from collections import defaultdict
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).parents[3] / "notebooks" / "workers"))

from plain_grpc import Worker, pb

NOTES = defaultdict(list)


class FullWorker(Worker):
    """A worker that also sends, publishes and subscribes while it runs, and that comes back to a restarted host."""

    waiting = {}  # noqa: RUF012

    async def run_for_ever(self):
        while True:
            try:
                await self.run()
            except* (grpc.RpcError, asyncio.InvalidStateError) as errors:
                print("No host:", *errors.exceptions, flush=True)
            await asyncio.sleep(0.2)

    async def receive(self, message):
        if message.HasField("response"):
            if waiting := self.waiting.pop(message.response.request_id, None):
                waiting.set_result(message.response)
            return
        try:
            await super().receive(message)
        except ValueError as error:
            print("Not understood:", error, flush=True)

    async def write(self, message):
        async with self.turn:
            await self.stream.write(message)

    async def ask(self, agent_type, key, text):
        request = pb.RpcRequest(request_id=str(uuid.uuid4()), target=pb.AgentId(type=agent_type, key=key))
        request.payload.data_type, request.payload.data_content_type = "Echo", "application/json"
        request.payload.data = json.dumps({"text": text}).encode()
        self.waiting[request.request_id] = answered = asyncio.get_running_loop().create_future()
        await self.write(pb.Message(request=request))
        response = await answered
        if response.error:
            raise RuntimeError(response.error)
        return response.payload.data_type, json.loads(response.payload.data)

    async def publish(self, topic, source, text):
        message = pb.Message()
        event = message.cloudEvent
        event.id, event.spec_version, event.type, event.source = str(uuid.uuid4()), "1.0", topic, source
        for name, value in {
            "datacontenttype": "application/json",
            "dataschema": "Note",
            "agmsgkind": "publish",
        }.items():
            event.attributes[name].ce_string = value
        event.binary_data = json.dumps({"text": text}).encode()
        await self.write(message)

    async def conform(self, key, message_type, content):
        match message_type, content:
            case "Echo", {"text": text}:
                return "Echo", {"text": text}
            case "Fail", {"text": text}:
                raise ValueError(text)
            case "Nothing", _:
                return "", None
            case "Note", {"text": text}:
                NOTES[key].append(text)
                return None
            case "Recall", _:
                return "Recalled", {"texts": NOTES[key]}
            case "Subscribe", {"topic": topic}:
                wish = pb.TypeSubscription(topic_type=topic, agent_type="conform")
                subscription = pb.Subscription(id=str(uuid.uuid4()), typeSubscription=wish)
                request = pb.AddSubscriptionRequest(subscription=subscription)
                await self.rpc.AddSubscription(request, metadata=self.metadata)
                self.subscriptions.append(subscription)
                return "Done", {"id": subscription.id}
            case "Unsubscribe", {"id": id}:
                await self.rpc.RemoveSubscription(pb.RemoveSubscriptionRequest(id=id), metadata=self.metadata)
                self.subscriptions = [one for one in self.subscriptions if one.id != id]
                return "Done", {"id": id}
            case "Publish", {"topic": topic, "source": source, "texts": texts}:
                for text in texts:
                    await self.publish(topic, source, text)
                return "Done", {"id": ""}
            case "Ask", {"type": agent_type, "text": text}:
                return await self.ask(agent_type, key, text)
        raise ValueError(f"no such message: {message_type}")


if __name__ == "__main__":
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    worker = FullWorker(sys.argv[1], {})
    worker.agents["conform"] = worker.conform
    asyncio.run(worker.run_for_ever())
