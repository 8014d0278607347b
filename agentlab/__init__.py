"""agentlab: a teaching kit for distributed agents.

The floors, from the bottom: `agentlab.core` (agents in one process), `agentlab.wire` (messages as bytes),
`agentlab.host` and `agentlab.worker` (processes that talk), `agentlab.lab` (the notebook's handle on them all) and
`agentlab.timeline` (the picture). Every public name below is importable from here; what needs gRPC or matplotlib is
imported when it is first used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from .core.agents import Agent, AgentProxy, BaseAgent
from .core.cancellation import CancellationToken
from .core.closure import ClosureAgent, ClosureContext
from .core.contexts import (
    AgentInstantiationContext,
    MessageContext,
    MessageHandlerContext,
    SubscriptionInstantiationContext,
)
from .core.exceptions import (
    AgentNotFoundError,
    CantHandleException,
    DeadlineExceededError,
    HostLostError,
    MessageDroppedException,
    NotAccessibleError,
    PayloadTooLargeError,
    QueueFullError,
    RemoteHandlerError,
    RequestCancelledError,
    RunFileError,
    UnauthenticatedError,
    UndeliverableException,
    WorkerLostError,
)
from .core.ids import AgentId, AgentMetadata, AgentType
from .core.interventions import DefaultInterventionHandler, DropMessage, InterventionHandler
from .core.journal import Journal, JournalEvent
from .core.retry import Retry
from .core.routing import RoutedAgent, SequentialRoutedAgent, event, message_handler, rpc
from .core.run import Run
from .core.runtime import AgentRuntime
from .core.serialization import (
    JSON_DATA_CONTENT_TYPE,
    PROTOBUF_DATA_CONTENT_TYPE,
    MessageSerializer,
    SerializationRegistry,
    UnknownPayload,
    try_get_known_serializers_for_type,
)
from .core.standalone import SingleThreadedAgentRuntime
from .core.subscriptions import (
    DefaultSubscription,
    Subscription,
    TypePrefixSubscription,
    TypeSubscription,
    default_subscription,
    type_prefix_subscription,
    type_subscription,
)
from .core.topics import DefaultTopicId, TopicId
from .engine import choose_engine
from .version import __version__

if TYPE_CHECKING:
    from .course.checking import check, hint
    from .host.service import HostService
    from .lab.lab import Lab
    from .wire.security import Tokens
    from .wire.tls import Tls
    from .worker.runtime import WorkerRuntime

# gRPC reads both when it is loaded, which nothing above does. Its own lines about each failed handshake go past
# `logging`: whoever can reach a host could fill its log with them.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
choose_engine(os.environ)

_LATER = {
    "HostService": "host.service",
    "Lab": "lab.lab",
    "Tls": "wire.tls",
    "Tokens": "wire.security",
    "WorkerRuntime": "worker.runtime",
    "check": "course.checking",
    "hint": "course.checking",
}
"""Names whose modules need gRPC, or a lab: imported when first used, so that `import agentlab` stays quick."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        value = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
        globals()[name] = value
        return value
    if name in {
        "core", "wire", "host", "worker", "lab", "course", "timeline", "exports", "delegates", "gallery", "panels"
    }:  # fmt: skip
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, "delegates", "exports", "gallery", "panels", "timeline"})


__all__ = [
    "JSON_DATA_CONTENT_TYPE",
    "PROTOBUF_DATA_CONTENT_TYPE",
    "Agent",
    "AgentId",
    "AgentInstantiationContext",
    "AgentMetadata",
    "AgentNotFoundError",
    "AgentProxy",
    "AgentRuntime",
    "AgentType",
    "BaseAgent",
    "CancellationToken",
    "CantHandleException",
    "ClosureAgent",
    "ClosureContext",
    "DeadlineExceededError",
    "DefaultInterventionHandler",
    "DefaultSubscription",
    "DefaultTopicId",
    "DropMessage",
    "HostLostError",
    "HostService",
    "InterventionHandler",
    "Journal",
    "JournalEvent",
    "Lab",
    "MessageContext",
    "MessageDroppedException",
    "MessageHandlerContext",
    "MessageSerializer",
    "NotAccessibleError",
    "PayloadTooLargeError",
    "QueueFullError",
    "RemoteHandlerError",
    "RequestCancelledError",
    "Retry",
    "RoutedAgent",
    "Run",
    "RunFileError",
    "SequentialRoutedAgent",
    "SerializationRegistry",
    "SingleThreadedAgentRuntime",
    "Subscription",
    "SubscriptionInstantiationContext",
    "Tls",
    "Tokens",
    "TopicId",
    "TypePrefixSubscription",
    "TypeSubscription",
    "UnauthenticatedError",
    "UndeliverableException",
    "UnknownPayload",
    "WorkerLostError",
    "WorkerRuntime",
    "__version__",
    "check",
    "default_subscription",
    "event",
    "hint",
    "message_handler",
    "rpc",
    "try_get_known_serializers_for_type",
    "type_prefix_subscription",
    "type_subscription",
]
