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
SERVED: Final = {"", AGENT_RPC, LINK}
"""Whose health can be asked for; the empty name is the host as a whole."""


class StandardServices(grpc.GenericRpcHandler):
    """The standard services: answers their calls, and loads each when it is first called."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()

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
        self._closed.set()

    def _health_methods(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        from grpc_health.v1 import health_pb2 as pb

        serving = pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVING)
        unknown = pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVICE_UNKNOWN)

        async def check(request: Any, context: Any) -> Any:
            if request.service not in SERVED:
                await context.abort(grpc.StatusCode.NOT_FOUND, f"There is no service {request.service!r:.100} here.")
            return serving

        async def watch(request: Any, context: Any) -> None:
            # What was said once holds until the host stops: then the call ends in order.
            await context.write(serving if request.service in SERVED else unknown)
            await self._closed.wait()

        read, write = pb.HealthCheckRequest.FromString, pb.HealthCheckResponse.SerializeToString
        return {
            "Check": grpc.unary_unary_rpc_method_handler(check, read, write),
            "Watch": grpc.unary_stream_rpc_method_handler(watch, read, write),
        }


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
