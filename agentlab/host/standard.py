"""gRPC's own services at the host: health and reflection, so that everybody's gRPC tools work with it.

Health says whether the host is up (``grpc.health.v1.Health``); reflection says which calls there are and what they take
(``grpc.reflection.v1alpha.ServerReflection``), so that a tool needs no proto files. Neither tells anything about agents
or messages. Both are imported when somebody first asks: no lab starts later for them.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any, Final

import grpc
import grpc.aio

from ..wire.calls import AGENT_RPC, LINK

HEALTH: Final = "grpc.health.v1.Health"
REFLECTION: Final = "grpc.reflection.v1alpha.ServerReflection"


class StandardServices(grpc.GenericRpcHandler):
    """The standard services: answers their calls, and loads each when it is first called."""

    def __init__(self) -> None:
        self._health: Any = None
        self._watching: set[asyncio.Task[Any]] = set()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """gRPC's hook: what answers this call; None for a call of another service."""
        match handler_call_details.method.split("/")[1:]:
            case [service, method] if service == HEALTH:
                return self._health_methods().get(method)
            case [service, method] if service == REFLECTION:
                return _reflection_methods().get(method)
        return None

    def close(self) -> None:
        """Whoever watches the health would wait for ever."""
        for task in self._watching:
            task.cancel()

    def _health_methods(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        from grpc_health.v1 import health_pb2 as pb

        read, write = pb.HealthCheckRequest.FromString, pb.HealthCheckResponse.SerializeToString
        return {
            "Check": grpc.unary_unary_rpc_method_handler(self._check, read, write),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch, read, write),
        }

    async def _check(self, request: Any, context: Any) -> Any:
        return await (await self._servicer()).Check(request, context)

    async def _watch(self, request: Any, context: Any) -> None:
        # A task of its own: the call then ends in order when that is cancelled.
        watching = asyncio.ensure_future((await self._servicer()).Watch(request, context))
        self._watching.add(watching)
        try:
            await asyncio.wait({watching})
        finally:
            watching.cancel()
            self._watching.discard(watching)

    async def _servicer(self) -> Any:
        from grpc_health.v1 import health, health_pb2

        if self._health is None:
            self._health = health.aio.HealthServicer()
            for name in (AGENT_RPC, LINK):  # beside "", the host as a whole
                await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return self._health


@cache
def _reflection_methods() -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    from grpc_reflection.v1alpha import reflection
    from grpc_reflection.v1alpha import reflection_pb2 as pb

    servicer = reflection.aio.ReflectionServicer((AGENT_RPC, LINK, HEALTH, REFLECTION))
    answer = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        pb.ServerReflectionRequest.FromString,
        pb.ServerReflectionResponse.SerializeToString,
    )
    return {"ServerReflectionInfo": answer}
