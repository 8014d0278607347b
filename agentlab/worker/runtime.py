"""The worker runtime: an agent runtime whose messages go through a host.

An agent cannot tell it from the standalone runtime. What the two have in common is in `agentlab.core.local`. The
stream to the host is in `agentlab.worker.connection`, what happens to a message that arrives in
`agentlab.worker.inbox`, what the host is told of this worker in `agentlab.worker.advertising`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from ..core.agents import Agent
from ..core.cancellation import CancellationToken
from ..core.catalog import close_agents
from ..core.contexts import MessageContext, MessageHandlerContext
from ..core.exceptions import (
    HostLostError,
    NotAccessibleError,
    PayloadTooLargeError,
    UndeliverableException,
)
from ..core.ids import AgentId, AgentMetadata, AgentType, checked_recipient
from ..core.interventions import InterventionHandler
from ..core.local import LocalRuntime
from ..core.retry import Retry, with_retry
from ..core.runtime import RUNTIME_DEFAULT
from ..core.serialization import JSON_DATA_CONTENT_TYPE, PROTOBUF_DATA_CONTENT_TYPE
from ..core.signals import wait_for_signal
from ..core.subscriptions import Subscription
from ..core.topics import TopicId, checked_topic
from ..wire import draining, watching
from ..wire.channel import checked_address
from ..wire.control import Describe, LoadState, SaveState
from ..wire.parcels import Event, Frame, Payload, Request, Response
from ..wire.security import Credentials
from ..wire.tls import Tls
from .advertising import Advertisement
from .asking import Asker
from .calls import PendingCalls
from .clock import HostClock
from .connection import HostConnection
from .control import ControlChannel, answer_about
from .draining import hand_over_all
from .hostcalls import HostCalls
from .inbox import Inbox
from .replacing import replace_agents

logger = logging.getLogger("agentlab.worker")

T = TypeVar("T", bound=Agent)


class WorkerRuntime(LocalRuntime):
    """A worker runtime: holds agents, advertises their types to the host, and runs their handlers.

    `host_address` is ``host:port``; `name` its lane on the timeline. `default_deadline_s` is how long a direct message
    waits for its reply (None: for ever). `connect_timeout_s` is how long `start` waits for a host (None: as long as it
    takes). After `keepalive_s` seconds of silence the host is asked for a sign of life; after as many more it is taken
    for lost. ``link=False`` speaks AutoGen's plain stream to any host.

    `token` is what the host asks for, if it does: see `agentlab.wire.security`. With `tls` the connection is encrypted,
    and the host must prove that it is the one named in `host_address`.

    `payload_serialization_format` is checked and otherwise without effect: a message's class decides how it is written.
    """

    def __init__(
        self,
        host_address: str,
        *,
        name: str | None = None,
        token: str | None = None,
        tls: Tls | None = None,
        payload_serialization_format: str = JSON_DATA_CONTENT_TYPE,
        intervention_handlers: Sequence[InterventionHandler] | None = None,
        default_deadline_s: float | None = 60.0,
        connect_timeout_s: float | None = 10.0,
        keepalive_s: float = 5.0,
        link: bool = True,
        clock: HostClock | None = None,
        machine: str | None = None,
    ) -> None:
        if payload_serialization_format not in {JSON_DATA_CONTENT_TYPE, PROTOBUF_DATA_CONTENT_TYPE}:
            raise ValueError(f"Unsupported payload serialization format: {payload_serialization_format}")
        super().__init__(intervention_handlers, default_deadline_s)
        self._connect_timeout_s = connect_timeout_s
        self._pending = PendingCalls()
        self._control = ControlChannel(partial(answer_about, self._catalog))
        self._connection = HostConnection(
            checked_address(host_address),
            name or f"worker-{uuid.uuid4().hex[:8]}",
            on_frame=self._receive,
            on_join=self._join,
            on_lost=self._lost,
            on_refused=self._pending.refuse_all,
            keepalive_s=keepalive_s,
            link=link,
            clock=clock,
            machine=machine,
            credentials=Credentials.of(token, tls),
        )
        self._inbox = Inbox(
            self._catalog,
            self._deliveries,
            self._serializers,
            self._subscriptions,
            self._interventions,
            self._connection,
            self._clock,
        )
        self._asker = Asker(self._pending, self._connection, self._clock)
        self._host = HostCalls(self._connection)
        self._advertisement = Advertisement(self._catalog, self._subscriptions, self._connection, self._host)
        self._running = False

    @property
    def name(self) -> str:
        """The lane's name, as the host knows this worker."""
        return self._connection.name

    @property
    def host_address(self) -> str:
        """The host that this worker connects to."""
        return self._connection.address

    @property
    def connected(self) -> bool:
        """Whether the host is connected and knows of all agents here."""
        return self._connection.joined

    @property
    def started(self) -> bool:
        """Whether it runs, connected or not."""
        return self._running

    # Running

    async def start(self) -> None:
        """Connect to the host, and stay connected.

        Raises RuntimeError when already started, HostLostError when no host answers in time, UnauthenticatedError when
        it refuses the token.
        """
        if self._running:
            raise RuntimeError("The worker is already started.")
        self._running = True
        self._inbox.stopping = False
        self._connection.start()
        try:
            await self._connection.wait_joined(self._connect_timeout_s)
        except BaseException:
            self._running = False
            await self._connection.stop(0)
            raise

    async def stop(self, grace_s: float = 1.0) -> None:
        """Hand over all that was sent and disconnect. Agents and registrations stay, so that `start` can follow.

        Handlers that still run get up to `grace_s` seconds to end and are then cancelled. Direct messages that still
        wait end with HostLostError. Raises RuntimeError when not started.
        """
        if not self._running:
            raise RuntimeError("The worker is not started.")
        self._running = False
        await self._deliveries.wait(grace_s)
        self._inbox.stopping = True
        await self._deliveries.cancel_all()
        await self._connection.stop()
        await self._deliveries.cancel_all()  # of what still came in while we said goodbye
        await self._control.close("the worker stopped")
        self._pending.lose_all("the worker stopped")

    async def close(self) -> None:
        """Stop, if started, and close every agent."""
        if self._running:
            await self.stop()
        await self._catalog.close()

    async def stop_when_signal(self, signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> None:
        """Wait for one of the signals, then stop."""
        await wait_for_signal(signals)
        await self.stop()

    async def _join(self) -> None:
        """A stream opened: tell the host all that is registered here."""
        await self._control.open(self._connection.control_stream(), self._connection.client_id)
        await self._advertisement.tell_again()

    def _lost(self, in_flight: set[str], why: str) -> None:
        if not self._running:
            why = "the worker stopped"
        self._pending.lose(in_flight, why)
        self._control.lose_all(why)
        self._inbox.cancel_all()

    async def _reach_host(self) -> None:
        """Wait for the connection, before anything is registered here: else it would be registered when the connection
        comes, and then a second time. Raises HostLostError, RuntimeError when the worker is not started."""
        if not self._running:
            raise RuntimeError("The worker is not started: call start() first.")
        await self._connection.wait_joined(self._connect_timeout_s)

    # Sending

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
        deadline_s: float | None = RUNTIME_DEFAULT,
        retry: Retry | None = None,
    ) -> Any:
        """Send a direct message and return the reply.

        With `retry` it is sent again when it was lost; see `Retry`. Raises one of the errors under
        UndeliverableException; MessageDroppedException; asyncio.CancelledError when the
        token is cancelled; ValueError for what is no message; RuntimeError when the worker is not started.
        """
        self._require_started()
        checked_recipient(recipient)
        if deadline_s is RUNTIME_DEFAULT:
            deadline_s = self._default_deadline_s
        message_id = message_id or self._pending.new_id()
        if self._interventions:
            context = MessageContext(sender, None, True, cancellation_token or CancellationToken(), message_id)
            message = await self._interventions.on_send(message, context, recipient)
        payload = self._payload(message)
        token = cancellation_token
        if retry is None:
            reply = await self._asker.ask(recipient, payload, sender, message_id, token, deadline_s, deadline_s)
        else:

            async def ask(attempt: int, left_s: float | None) -> Payload:
                return await self._asker.ask(recipient, payload, sender, message_id, token, deadline_s, left_s, attempt)

            reply = await with_retry(retry, ask, deadline_s=deadline_s, token=token, goes_on=lambda: self._running)
        try:
            return self._inbox.read(sender, reply) if reply.type else None
        except ValueError as error:
            text = f"{recipient} answered with a {reply.type:.100} that cannot be read: {error}"
            raise UndeliverableException(text) from error

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publish a message to all agents subscribed to the topic, wherever they are, except the sender.

        Raises PayloadTooLargeError, ValueError for what is no message, RuntimeError when the worker is not started.
        """
        self._require_started()
        checked_topic(topic_id)
        message_id = message_id or self._pending.new_id()
        if self._interventions:
            token = cancellation_token or CancellationToken()
            message = await self._interventions.on_publish(
                message, MessageContext(sender, topic_id, False, token, message_id)
            )
        event = Event(
            topic_id,
            self._payload(message),
            sender,
            message_id,
            MessageHandlerContext.message_id(),
            self._connection.clock.now_ns(),
            self._clock.tick(),
        )
        await self._connection.outbox.send(event)

    def _require_started(self) -> None:
        if not self._running:
            raise RuntimeError("The worker must be started before it can send: call start() first.")
        self._connection.check()

    def _payload(self, message: Any) -> Payload:
        serializer = self._serializers.serializer_for(message)
        payload = Payload(serializer.type_name, serializer.data_content_type, serializer.serialize(message))
        if too_large := self._connection.too_large(payload):
            raise PayloadTooLargeError(f"{too_large} It was not sent.")
        return payload

    # Receiving

    def _receive(self, frame: Frame) -> None:
        for parcel in frame.parcels:
            if isinstance(parcel, Response):
                self._inbox.response_received(parcel)
                self._pending.answer(parcel)
            elif isinstance(parcel, Request):
                self._inbox.request(parcel)
            else:
                self._inbox.event(parcel)
        for cancel in frame.cancels:
            self._inbox.cancel(cancel)

    # Agents

    async def register_factory(
        self,
        type: str | AgentType,
        agent_factory: Callable[[], T | Awaitable[T]],
        *,
        expected_class: type[T] | None = None,
        shared: bool = False,
    ) -> AgentType:
        """Register how agents of a type are made, and advertise the type.

        A `shared` type may be registered at several workers, if each says so: the host gives each agent of it to one
        of them, where it stays for as long as that worker has the type. Raises ValueError when the type is taken, here
        or at another worker; HostLostError when there is no host.
        """
        agent_type = type if isinstance(type, AgentType) else AgentType(type)
        await self._reach_host()
        self._catalog.add_factory(agent_type.type, agent_factory, expected_class)
        try:
            await self._advertisement.add_type(agent_type.type, shared=shared)
        except BaseException:
            self._catalog.remove(agent_type.type)
            raise
        return agent_type

    async def register_agent_instance(self, agent_instance: Agent, agent_id: AgentId) -> AgentId:
        """Register one ready-made agent. Raises ValueError; see `AgentRuntime.register_agent_instance`."""
        await self._reach_host()
        known = agent_id.type in self._catalog
        self._catalog.add_instance(agent_instance, agent_id)
        try:
            await agent_instance.bind_id_and_runtime(agent_id, self)
            if not known:
                await self._advertisement.add_type(agent_id.type)
        except BaseException:
            self._catalog.remove_instance(agent_id)
            raise
        return agent_id

    async def replace_factory(
        self, type: str, agent_factory: Callable[[], T | Awaitable[T]], *, expected_class: type[T] | None = None
    ) -> int:
        """Replace how agents of a type are made, and the agents made so far, carrying their state across.

        Messages that come meanwhile wait and go to the new agents. When a new agent cannot be made, or does not take
        on the old one's state, the old ones stay, and the error is raised. Returns how many agents were replaced.
        Raises LookupError for an unknown type.
        """
        return await replace_agents(self._catalog, self._deliveries, type, agent_factory, expected_class)

    async def unregister(self, type: str | AgentType) -> None:
        """Give up an agent type here and at the host. Raises LookupError for an unknown one."""
        agent_type = str(type)
        agents = self._forget_type(agent_type)
        await self._advertisement.withdraw(agent_type)
        await close_agents(agents)

    # Leaving in order

    async def leave(self) -> None:
        """Tell the host that this worker is about to leave: what comes for its agents waits there from now on.

        Meanwhile another worker may register a type that was only here. Raises ValueError, HostLostError.
        """
        await self._host.link("Leave", draining.encode_leave(True))

    async def stay(self) -> None:
        """Take back `leave`: what waited comes here. Agents that were handed over stay where they are."""
        await self._host.link("Leave", draining.encode_leave(False))

    async def drain(self, timeout_s: float | None = None) -> dict[AgentId, str]:
        """Hand over all agents to other workers of their types, with their state, and give up the types; return which
        worker has each agent now. Nothing is lost over it: what comes for an agent waits at the host, its handlers
        that run end here first, and what it is asked next, it is asked there.

        Raises ValueError for an agent that cannot move, TimeoutError when handlers still run after `timeout_s`
        seconds, HostLostError: the worker then stays, with the agents that did not move.
        """
        await self.leave()
        try:
            async with asyncio.timeout(timeout_s):
                moved = await hand_over_all(self._catalog, self._host.link)
                for agent_type in self._catalog.types:
                    await self.unregister(agent_type)
        except BaseException:
            with contextlib.suppress(HostLostError, ValueError):
                await self.stay()
            raise
        return moved

    async def add_subscription(self, subscription: Subscription) -> None:
        """Raises ValueError when an equal one is there, here or at another worker."""
        await self._reach_host()
        await self._advertisement.subscribe(subscription)

    async def remove_subscription(self, id: str) -> None:
        """Raises ValueError for an unknown id."""
        if self._subscriptions.get(id) is None:
            raise ValueError(f"Subscription does not exist: {id}.")
        await self._reach_host()
        await self._advertisement.unsubscribe(id)

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[T] = Agent) -> T:  # type: ignore[assignment]
        """The agent's own object.

        Raises LookupError for a type that nobody has, NotAccessibleError when it is at another worker, TypeError for
        another class.
        """
        if self.is_shared(id.type) and id not in self._catalog.agents:
            # To make it here would make it twice, if its place is elsewhere.
            raise NotAccessibleError(
                f"{id} is of a shared type, and has not been used in this process: its place may be another worker."
            )
        can_ask = id.type not in self._catalog and self._connection.joined and self._connection.link
        if can_ask and (where := await self._host.holder(id.type)):
            raise NotAccessibleError(f"{id} lives in {where}, not in this process.")
        return await super().try_get_underlying_agent_instance(id, type)

    def is_shared(self, agent_type: str) -> bool:
        """Whether the type is registered here as one that other workers may have too."""
        return self._advertisement.is_shared(agent_type)

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """The id of an agent; with ``lazy=False`` the agent is made now if it was not yet: here, or, if its type is
        shared, where its place is."""
        agent = await super().get(id_or_type, key)
        if not lazy:
            await (self._catalog.agent(agent) if not self.is_shared(agent.type) else self.agent_metadata(agent))
        return agent

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """What the agent tells about itself, wherever it is.

        Raises RemoteHandlerError when another worker cannot say.
        """
        if self._advertisement.is_here(agent):
            return await super().agent_metadata(agent)
        description = await self._control.ask(Describe(agent))
        return AgentMetadata(type=agent.type, key=agent.key, description=description)

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """The agent's state, wherever it is. Raises RemoteHandlerError when another worker cannot say."""
        if self._advertisement.is_here(agent):
            return await super().agent_save_state(agent)
        state: Mapping[str, Any] = await self._control.ask(SaveState(agent))
        return state

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Give the agent a state, wherever it is. Raises RemoteHandlerError when another worker cannot."""
        if self._advertisement.is_here(agent):
            await super().agent_load_state(agent, state)
        else:
            await self._control.ask(LoadState(agent, state))

    # Asking agentlab's host

    async def snapshot(self) -> watching.Snapshot:
        """What the host knows: workers, types, open sessions. Raises grpc.RpcError, HostLostError."""
        return await self._host.snapshot()

    async def cancel_session(self, id: str, reason: str = "") -> bool:
        """Have the host give up a direct message, whoever sent it; `id` is the session's, from a snapshot.

        False when it has ended already. Raises grpc.RpcError, HostLostError.
        """
        return await self._host.cancel_session(id, reason)

    async def note_process(self, process: str, what: str, detail: str = "") -> None:
        """Have the host's journal say what was done to a process. Raises grpc.RpcError, HostLostError."""
        await self._host.note_process(process, what, detail)

    async def flush(self) -> None:
        """Wait until all that was sent and reported so far is on the stream."""
        await self._connection.flush()

    def __repr__(self) -> str:
        state = "stopped" if not self._running else "connected" if self.connected else "not connected"
        return f"<WorkerRuntime {self.name} {state}, host {self.host_address}, {len(self.agent_types)} agent types>"
