"""gRPC's own tools work with the host: health and reflection, called through their official stubs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from conftest import Cast
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2 as health
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2 as reflection
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from agentlab import HostService
from agentlab.wire.security import Tokens

LIMIT_S = 15


@pytest.fixture
async def channel(host: HostService) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(host.address) as channel:
        yield channel


@pytest.mark.parametrize("service", ["", "agents.AgentRpc", "agentlab.v1.Link"])
async def test_the_host_and_its_services_are_healthy(channel: grpc.aio.Channel, service: str) -> None:
    answer = await HealthStub(channel).Check(health.HealthCheckRequest(service=service), timeout=LIMIT_S)
    assert answer.status == health.HealthCheckResponse.SERVING


async def test_the_health_of_an_unknown_service_is_not_known(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await HealthStub(channel).Check(health.HealthCheckRequest(service="agents.Nobody"), timeout=LIMIT_S)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    watching = HealthStub(channel).Watch(health.HealthCheckRequest(service="agents.Nobody"), timeout=LIMIT_S)
    assert (await watching.read()).status == health.HealthCheckResponse.SERVICE_UNKNOWN
    watching.cancel()


async def test_who_watches_the_health_is_told_at_once_and_does_not_keep_the_host_from_stopping(cast: Cast) -> None:
    host = cast.host()
    async with grpc.aio.insecure_channel(host.address) as channel:
        watching = HealthStub(channel).Watch(health.HealthCheckRequest(), timeout=60)
        assert (await watching.read()).status == health.HealthCheckResponse.SERVING
        await host.stop(grace=50)
        assert await watching.read() is grpc.aio.EOF


async def ask(channel: grpc.aio.Channel, **request: Any) -> Any:
    """One question to reflection, and its answer."""
    question = reflection.ServerReflectionRequest(**request)
    answers = ServerReflectionStub(channel).ServerReflectionInfo(iter([question]), timeout=LIMIT_S)
    return await anext(aiter(answers))


async def test_reflection_lists_the_services(channel: grpc.aio.Channel) -> None:
    answer = await ask(channel, list_services="")
    assert {service.name for service in answer.list_services_response.service} == {
        "agents.AgentRpc",
        "agentlab.v1.Link",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


async def test_a_tool_without_proto_files_can_make_a_call(host: HostService, channel: grpc.aio.Channel) -> None:
    """As grpcurl does: learn from reflection what GetSubscriptions takes and answers, then call it."""
    answer = await ask(channel, file_containing_symbol="agents.AgentRpc")
    pool = DescriptorPool()
    for name in ("google/protobuf/any.proto", "google/protobuf/timestamp.proto", "cloudevent.proto"):
        known = await ask(channel, file_by_filename=name)
        pool.AddSerializedFile(known.file_descriptor_response.file_descriptor_proto[0])
    pool.AddSerializedFile(answer.file_descriptor_response.file_descriptor_proto[0])
    service = pool.FindServiceByName("agents.AgentRpc")
    assert "OpenChannel" in {method.name for method in service.methods}
    assert service.FindMethodByName("GetSubscriptions").output_type.full_name == "agents.GetSubscriptionsResponse"
    call: Any = channel.unary_unary("/agents.AgentRpc/GetSubscriptions")
    assert await call(b"", metadata=(("client-id", "a tool"),), timeout=LIMIT_S) == b""


async def test_both_answer_without_a_token_and_everything_else_does_not(cast: Cast) -> None:
    host = cast.host(tokens=Tokens())
    async with grpc.aio.insecure_channel(host.address) as channel:
        answer = await HealthStub(channel).Check(health.HealthCheckRequest(), timeout=LIMIT_S)
        assert answer.status == health.HealthCheckResponse.SERVING
        assert (await ask(channel, list_services="")).list_services_response.service
        call: Any = channel.unary_unary("/agents.AgentRpc/GetSubscriptions")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", metadata=(("client-id", "a tool"),), timeout=LIMIT_S)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_a_host_that_nobody_asks_does_not_load_them() -> None:
    code = (
        "import asyncio, sys\n"
        "from agentlab import HostService\n"
        "async def run():\n"
        "    host = HostService(); host.start(); await host.stop(0)\n"
        "asyncio.run(run())\n"
        "print(sorted(name for name in sys.modules if name.startswith(('grpc_health.', 'grpc_reflection.'))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
