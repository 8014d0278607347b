"""The calls by which a worker registers, and the names of the wire's services, as plain data.

The message streams are in `codec` and `frames`, the control channel in `agentlab.wire.control`, watching the host in
`agentlab.wire.watching`. Who serves and who asks are in `agentlab.host` and `agentlab.worker`; both take the bytes
from here. Decoding raises `WireError` for anything illegal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from ..core.subscriptions import Subscription, TypePrefixSubscription, TypeSubscription
from .generated import agent_worker_pb2 as agents_pb
from .generated import agentlab_pb2 as lab_pb
from .parcels import WireError

M = TypeVar("M", bound=Message)

AGENT_RPC: Final = "agents.AgentRpc"
"""AutoGen's service."""
LINK: Final = "agentlab.v1.Link"
"""What agentlab adds."""

CLIENT_ID: Final = "client-id"
"""The gRPC metadata that every call carries: the worker's own name for itself."""
WORKER_NAME: Final = "agentlab-name"
"""Optional gRPC metadata of a plain worker: the name of its lane."""
SHARED: Final = "agentlab-shared"
"""Optional gRPC metadata of RegisterAgent, not empty when other workers may hold the type too."""


def parse(cls: type[M], data: bytes) -> M:
    """Raises WireError when the bytes are no such protobuf message."""
    message = cls()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise WireError(f"These bytes are no {cls.DESCRIPTOR.full_name}: {error}") from error
    return message


def encode_register_agent(agent_type: str) -> bytes:
    """What `RegisterAgent` is asked."""
    return agents_pb.RegisterAgentTypeRequest(type=agent_type).SerializeToString()


def decode_register_agent(data: bytes) -> str:
    """The agent type's name (not checked: the host answers an illegal one)."""
    return parse(agents_pb.RegisterAgentTypeRequest, data).type


def encode_withdraw_agent(agent_type: str) -> bytes:
    """What `WithdrawAgent` is asked."""
    return lab_pb.WithdrawAgentRequest(type=agent_type).SerializeToString()


def decode_withdraw_agent(data: bytes) -> str:
    """The agent type's name."""
    return parse(lab_pb.WithdrawAgentRequest, data).type


def write_subscription(subscription: Subscription) -> agents_pb.Subscription:
    """Raises ValueError for a kind of subscription that has no wire form."""
    out = agents_pb.Subscription(id=subscription.id)
    if isinstance(subscription, TypeSubscription):
        out.typeSubscription.topic_type = subscription.topic_type
        out.typeSubscription.agent_type = subscription.agent_type
    elif isinstance(subscription, TypePrefixSubscription):
        out.typePrefixSubscription.topic_type_prefix = subscription.topic_type_prefix
        out.typePrefixSubscription.agent_type = subscription.agent_type
    else:
        raise ValueError(
            f"A {type(subscription).__name__} cannot travel to a host: use TypeSubscription or TypePrefixSubscription."
        )
    return out


def read_subscription(raw: agents_pb.Subscription) -> TypeSubscription | TypePrefixSubscription:
    """Raises WireError."""
    try:
        match raw.WhichOneof("subscription"):
            case "typeSubscription":
                exact = raw.typeSubscription
                return TypeSubscription(exact.topic_type, exact.agent_type, raw.id or None)
            case "typePrefixSubscription":
                prefix = raw.typePrefixSubscription
                return TypePrefixSubscription(prefix.topic_type_prefix, prefix.agent_type, raw.id or None)
    except ValueError as error:
        raise WireError(str(error)) from error
    raise WireError("The subscription is empty: it should be a typeSubscription or a typePrefixSubscription.")


def encode_add_subscription(subscription: Subscription) -> bytes:
    """What `AddSubscription` is asked. Raises ValueError for a kind of subscription that has no wire form."""
    return agents_pb.AddSubscriptionRequest(subscription=write_subscription(subscription)).SerializeToString()


def decode_add_subscription(data: bytes) -> TypeSubscription | TypePrefixSubscription:
    """The subscription."""
    return read_subscription(parse(agents_pb.AddSubscriptionRequest, data).subscription)


def encode_remove_subscription(id: str) -> bytes:
    """What `RemoveSubscription` is asked."""
    return agents_pb.RemoveSubscriptionRequest(id=id).SerializeToString()


def decode_remove_subscription(data: bytes) -> str:
    """The subscription's id."""
    return parse(agents_pb.RemoveSubscriptionRequest, data).id


def encode_subscriptions(subscriptions: Iterable[Subscription]) -> bytes:
    """What `GetSubscriptions` answers."""
    listed = [write_subscription(subscription) for subscription in subscriptions]
    return agents_pb.GetSubscriptionsResponse(subscriptions=listed).SerializeToString()


def decode_subscriptions(data: bytes) -> list[TypeSubscription | TypePrefixSubscription]:
    """The subscriptions."""
    return [read_subscription(raw) for raw in parse(agents_pb.GetSubscriptionsResponse, data).subscriptions]
