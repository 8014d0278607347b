"""A worker without agentlab: gRPC, the generated code, and nothing else. Start it with: python plain_grpc.py HOST"""

import asyncio
import json
import os
import sys
import threading
import uuid

import grpc

from agentlab.wire.generated import agent_worker_pb2 as pb
from agentlab.wire.generated.agent_worker_pb2_grpc import AgentRpcStub


class Worker:
    def __init__(self, host, agents, subscriptions=()):
        self.host, self.agents, self.subscriptions, self.turn = host, agents, list(subscriptions), asyncio.Lock()
        token = os.environ.get("AGENTLAB_TOKEN", "")
        self.metadata = [("client-id", str(uuid.uuid4())), ("authorization", f"Bearer {token}")]

    async def run(self):
        async with grpc.aio.insecure_channel(self.host) as channel, asyncio.TaskGroup() as handlers:
            self.rpc, self.stream = AgentRpcStub(channel), AgentRpcStub(channel).OpenChannel(metadata=self.metadata)
            await self.stream.wait_for_connection()
            for agent_type in self.agents:
                await self.rpc.RegisterAgent(pb.RegisterAgentTypeRequest(type=agent_type), metadata=self.metadata)
            for one in self.subscriptions:
                await self.rpc.AddSubscription(pb.AddSubscriptionRequest(subscription=one), metadata=self.metadata)
            async for message in self.stream:
                handlers.create_task(self.receive(message))

    async def receive(self, message):
        if message.HasField("request"):  # a direct message: its sender waits for a response
            asked, response = message.request, pb.RpcResponse(request_id=message.request.request_id)
            try:
                handle, content = self.agents[asked.target.type], json.loads(asked.payload.data)
                name, reply = await handle(asked.target.key, asked.payload.data_type, content)
                response.payload.data_type, response.payload.data_content_type = name, "application/json"
                response.payload.data = json.dumps(reply).encode()
            except Exception as error:
                response.error = repr(error)
            async with self.turn:  # a stream takes one message at a time
                await self.stream.write(pb.Message(response=response))
        elif message.HasField("cloudEvent"):  # a published message: the topic's source is the agent's key
            event = message.cloudEvent
            ours = [s.typeSubscription for s in self.subscriptions]
            for handle in {self.agents[s.agent_type] for s in ours if s.topic_type == event.type}:
                try:
                    await handle(event.source, event.attributes["dataschema"].ce_string, json.loads(event.binary_data))
                except Exception as error:  # nobody waits for an answer
                    print(f"{event.type}/{event.source} was not handled: {error!r}", flush=True)


async def shout(key, message_type, content):
    print(f"shouter/{key} received {message_type} {content}", flush=True)
    return "Shout", {"text": content["text"].upper() + "!"}


if __name__ == "__main__":
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()  # end with who started it
    news = pb.Subscription(id="news", typeSubscription=pb.TypeSubscription(topic_type="news", agent_type="shouter"))
    asyncio.run(Worker(sys.argv[1], {"shouter": shout}, [news]).run())
