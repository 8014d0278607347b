"""The host's gate: which call needs which token, and where a host may listen.

Every call passes it before anything else happens, those of other services on the same port too. What is not listed
here needs the owner's token, so that a call that is added is closed until somebody decides otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
import grpc.aio

from ..wire.calls import AGENT_RPC, LINK
from ..wire.security import Tokens, presented_token
from ..wire.tls import Tls, is_loopback

logger = logging.getLogger("agentlab.host")

OPEN_SERVICES: Final = frozenset(
    {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
)
"""For everybody: whether the host is up, and which calls it has, tell nothing about who uses it."""

WORKERS_CALLS: Final = frozenset(
    {f"/{AGENT_RPC}/{name}" for name in (
        "OpenChannel", "OpenControlChannel", "RegisterAgent", "AddSubscription", "RemoveSubscription",
        "GetSubscriptions",
    )}
    | {f"/{LINK}/{name}" for name in ("Open", "WithdrawAgent", "KeepAgents", "Leave", "WaitIdle", "HandOver")}
)  # fmt: skip
"""For whoever has the workers' token: to join, to register, to send. All else is the owner's."""


def refusal(tokens: Tokens, method: str, metadata: Any) -> tuple[grpc.StatusCode, str] | None:
    """Why a call may not pass; None when it may. `method` is ``/package.Service/Method``."""
    if method.split("/")[1:2] and method.split("/")[1] in OPEN_SERVICES:
        return None
    try:
        token = presented_token(metadata)
    except ValueError as error:
        return grpc.StatusCode.UNAUTHENTICATED, f"The token cannot be read: {error}."
    if token is None:
        return grpc.StatusCode.UNAUTHENTICATED, "A token is needed, and none was presented."
    role = tokens.role(token)
    if role is None:
        return grpc.StatusCode.UNAUTHENTICATED, "The token is not one of this host's."
    if role != "owner" and method not in WORKERS_CALLS:
        return grpc.StatusCode.PERMISSION_DENIED, f"{method} needs the owner's token; a worker's was presented."
    return None


class Gate(grpc.aio.ServerInterceptor):
    """A gate: lets a call pass when it presents the right token, and otherwise refuses it at once."""

    def __init__(self, tokens: Tokens, count: Callable[[str], None]) -> None:
        self._tokens = tokens
        self._count = count

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """gRPC's hook: what answers this call."""
        method = handler_call_details.method
        refused = refusal(self._tokens, method, handler_call_details.invocation_metadata)
        if refused is None:
            return await continuation(handler_call_details)
        code, text = refused
        self._count(code.name.lower())

        async def refuse(_: Any, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
            logger.info("Refused %.200s of %s: %s", method, context.peer(), text)
            await context.abort(code, text)

        # A stream both ways fits every call: nothing is read of one that may not pass.
        return grpc.stream_stream_rpc_method_handler(refuse)


def check_exposure(address: str, tokens: Tokens | None, tls: Tls | None) -> None:
    """Raises ValueError when others than this machine's users could reach the host, and it is not made for that."""
    if is_loopback(address) or (tokens is not None and tls is not None):
        return
    missing = " and ".join(text for text, there in (("tokens", tokens), ("TLS", tls)) if there is None)
    raise ValueError(
        f"On {address} the host can be reached from other machines, and it has no {missing}: whoever reaches it could "
        "join, send, or listen to what is said. `agentlab token` and `agentlab certs` make what it needs. If the "
        "network is yours alone, say so: --insecure, or insecure=True."
    )
