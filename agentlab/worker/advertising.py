"""What a worker advertises: the agent types and subscriptions that its host is to know of.

Read next: `agentlab.worker.hostcalls`, `agentlab.host.directory`.
"""

from __future__ import annotations

import logging
from typing import Final

import grpc

from ..core.catalog import Catalog
from ..core.ids import AgentId
from ..core.subscriptions import Subscription, SubscriptionTable
from ..wire import calls, draining
from .connection import HostConnection
from .hostcalls import HostCalls, details_of

logger = logging.getLogger("agentlab.worker")

SHARED: Final = (calls.SHARED, "1")
"""Said when a type is registered that other workers may have too."""


class Advertisement:
    """An advertisement: what of a worker's catalog and subscriptions its host has been told, and every later host is
    told again.
    """

    def __init__(
        self, catalog: Catalog, subscriptions: SubscriptionTable, connection: HostConnection, host: HostCalls
    ) -> None:
        self._catalog = catalog
        self._subscriptions = subscriptions
        self._connection = connection
        self._host = host
        self._shared: set[str] = set()

    def is_shared(self, agent_type: str) -> bool:
        """Whether other workers may have the type too."""
        return agent_type in self._shared

    def is_here(self, agent: AgentId) -> bool:
        """Whether the agent's place is here, made or not. Of a shared type the host alone knows."""
        return agent.type in self._catalog and agent.type not in self._shared

    async def add_type(self, agent_type: str, *, shared: bool = False) -> None:
        """Advertise a type. Raises ValueError when another worker has it, HostLostError."""
        if shared:
            self._shared.add(agent_type)
        try:
            await self._host.register("RegisterAgent", calls.encode_register_agent(agent_type), *self._said(agent_type))
        except BaseException:
            self._shared.discard(agent_type)
            raise

    async def withdraw(self, agent_type: str) -> None:
        """Advertise a type no longer; without a host there is nobody to be told."""
        self._shared.discard(agent_type)
        if self._connection.joined:
            try:
                await self._connection.call(calls.LINK, "WithdrawAgent", calls.encode_withdraw_agent(agent_type))
            except grpc.RpcError as error:
                # AutoGen's host keeps a type until its worker disconnects; and what is gone need not be withdrawn.
                logger.info("The host did not withdraw %s: %s", agent_type, details_of(error))

    async def subscribe(self, subscription: Subscription) -> None:
        """Raises ValueError when an equal one is there, here or at another worker; HostLostError."""
        request = calls.encode_add_subscription(subscription)
        self._subscriptions.add(subscription)
        try:
            await self._host.register("AddSubscription", request)
        except BaseException:
            self._subscriptions.remove(subscription.id)
            raise

    async def unsubscribe(self, id: str) -> None:
        """Raises ValueError when the host does not know it, HostLostError."""
        await self._host.register("RemoveSubscription", calls.encode_remove_subscription(id))
        self._subscriptions.remove(id)

    async def tell_again(self) -> None:
        """A stream opened: tell the host all of it."""
        for agent_type in self._catalog.types:
            request = calls.encode_register_agent(agent_type)
            await self._host.register_again("RegisterAgent", request, *self._said(agent_type))
        if self._shared and self._connection.link:
            # Else the host, when it is a new one, would look for them where their names alone lead.
            mine = [agent_id for agent_id in self._catalog.agents if agent_id.type in self._shared]
            for request in draining.encode_keep(mine):
                await self._connection.call(calls.LINK, "KeepAgents", request)
        for subscription in self._subscriptions:
            await self._host.register_again("AddSubscription", calls.encode_add_subscription(subscription))

    def _said(self, agent_type: str) -> list[tuple[str, str]]:
        return [SHARED] if agent_type in self._shared else []
