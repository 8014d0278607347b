"""The standalone runtime: all agents in one process, no network.

What it has in common with a worker is in `agentlab.core.local`. Read next: `agentlab.core.journal`, `agentlab.wire`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from . import journal as j
from .agents import Agent
from .backlog import Backlog
from .cancellation import CancellationToken, is_being_cancelled
from .catalog import close_agents
from .contexts import MessageContext, MessageHandlerContext
from .envelopes import Envelope, Event, Reply, Request, journal_fields, message_name
from .exceptions import DeadlineExceededError, MessageDroppedException, UndeliverableException, agent_not_found
from .handling import run_handler
from .ids import AgentId, AgentType, checked_recipient
from .interventions import InterventionHandler
from .local import LocalRuntime
from .retry import Retry, with_retry
from .runtime import RUNTIME_DEFAULT
from .serialization import checked_message
from .subscriptions import Subscription
from .topics import TopicId, checked_topic

logger = logging.getLogger("agentlab.core")

T = TypeVar("T", bound=Agent)

PROCESS = "standalone"
"""The name of this runtime's only lane in the journal."""
STOPPED = "the runtime was stopped"
"""Why a message was dropped, in the journal."""


def _raise_own_cancellation(error: BaseException) -> None:
    """Raise `error` when it is the current task that is being cancelled: it must not be taken for a message's end."""
    if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
        raise error


class SingleThreadedAgentRuntime(LocalRuntime):
    """The standalone runtime: a queue of messages and the agents that handle them, in one process.

    `intervention_handlers` see every message. With ``ignore_unhandled_exceptions=False`` an exception of an event's
    handler comes out of `process_next` and `stop_when_idle`. `default_deadline_s` is how long a direct message waits
    for its reply (None: for ever). A `journal` records what happens, for the timeline.
    """

    def __init__(
        self,
        *,
        intervention_handlers: Sequence[InterventionHandler] | None = None,
        ignore_unhandled_exceptions: bool = True,
        default_deadline_s: float | None = None,
        journal: j.Journal | None = None,
    ) -> None:
        super().__init__(intervention_handlers, default_deadline_s)
        self._ignore_unhandled_exceptions = ignore_unhandled_exceptions
        self.journal = journal
        """What happened to every message, if it was asked for."""
        self._backlog = Backlog()
        self._open_requests: set[asyncio.Future[Any]] = set()
        self._running: asyncio.Task[None] | None = None
        self._stopping = False

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
        """Send a direct message and return the reply; the handler's exception is raised here.

        Nothing gets lost inside a process: with `retry` the message is handled again after those exceptions that the
        policy names, and no attempt begins while another runs. Raises AgentNotFoundError for an unknown type,
        DeadlineExceededError, MessageDroppedException, UndeliverableException when the runtime stops first, and
        asyncio.CancelledError when the token is cancelled.
        """
        checked_message(message)
        if checked_recipient(recipient).type not in self._catalog:
            raise agent_not_found(recipient.type, self._catalog.types)
        if deadline_s is RUNTIME_DEFAULT:
            deadline_s = self._default_deadline_s
        if retry is not None:
            message_id = message_id or str(uuid.uuid4())

            async def ask(attempt: int, left_s: float | None) -> Any:
                return await self.send_message(
                    message,
                    recipient,
                    sender=sender,
                    cancellation_token=cancellation_token,
                    message_id=message_id,
                    deadline_s=left_s,
                )

            patient = replace(retry, attempt_s=math.inf)
            return await with_retry(patient, ask, deadline_s=deadline_s, token=cancellation_token)
        receivers_token = CancellationToken()
        context = MessageContext(sender, None, True, receivers_token, message_id or str(uuid.uuid4()))
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._open_requests.add(reply)
        reply.add_done_callback(self._open_requests.discard)
        if cancellation_token is not None:
            cancellation_token.watch(receivers_token, receivers_token.cancel)
            cancellation_token.link_future(reply)
        self._put(Request(message, recipient, context, reply, MessageHandlerContext.message_id()))
        try:
            async with asyncio.timeout(deadline_s):
                return await reply
        except TimeoutError:
            if reply.done() and not reply.cancelled():
                return reply.result()  # it came at the last moment, or the TimeoutError is the handler's own
            receivers_token.cancel()
            raise DeadlineExceededError(f"{recipient} did not answer within {deadline_s} s.") from None
        except asyncio.CancelledError:
            receivers_token.cancel()
            raise
        finally:
            if cancellation_token is not None:
                cancellation_token.forget(receivers_token)

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publish a message to all agents subscribed to the topic, except the sender."""
        checked_message(message)
        token = cancellation_token or CancellationToken()
        context = MessageContext(sender, checked_topic(topic_id), False, token, message_id or str(uuid.uuid4()))
        self._put(Event(message, context, MessageHandlerContext.message_id()))

    def _put(self, item: Envelope) -> None:
        self._backlog.put(item)
        self._record(j.SENT, item)

    # Processing

    @property
    def unprocessed_messages_count(self) -> int:
        """How many messages wait in the queue."""
        return len(self._backlog)

    async def process_next(self) -> None:
        """Take one message off the queue, waiting for one if need be, and start its handling.

        Raises what an event's handler raised since, unless unhandled exceptions are ignored.
        """
        item = await self._backlog.take()
        try:
            match item:
                case Request():
                    await self._start_request(item)
                case Event():
                    await self._start_event(item)
                case Reply():
                    await self._end_request(item)
        except asyncio.CancelledError:
            self._backlog.put_back(item)  # an intervention handler was being asked; nothing was started yet
            raise
        await asyncio.sleep(0)  # let what was started begin

    async def _start_request(self, item: Request) -> None:
        try:
            if self._interventions:
                item.message = await self._interventions.on_send(item.message, item.context, item.recipient)
        except BaseException as error:
            _raise_own_cancellation(error)
            self._fail_request(item, error, j.DROPPED)
            return

        async def handle(agent: Agent) -> None:
            self._record(j.STARTED, item, item.recipient)
            try:
                value = await run_handler(agent, item.message, item.context)
            except BaseException as error:
                self._fail_request(item, error, j.FAILED)
                return
            self._record(j.UNHANDLED if item.context.unhandled else j.HANDLED, item, item.recipient)
            self._put(Reply(value, item))
            self._backlog.finished()

        self._record(j.RECEIVED, item, item.recipient)
        self._deliveries.deliver(item.recipient, handle, lambda error: self._fail_request(item, error, j.FAILED))

    def _fail_request(self, item: Request, error: BaseException, what: str) -> None:
        if self._is_end_of_all(error):  # `_stop` tells the sender
            self._record(j.DROPPED, item, item.recipient, STOPPED)
            return
        self._record(what, item, item.recipient, f"{type(error).__name__}: {error}")
        if not item.reply.done():
            if isinstance(error, asyncio.CancelledError):
                item.reply.cancel()
            else:
                item.reply.set_exception(error)
        self._backlog.finished()

    async def _end_request(self, item: Reply) -> None:
        request = item.request
        try:
            value = item.message
            if self._interventions:
                value = await self._interventions.on_response(value, request.recipient, request.context.sender)
        except BaseException as error:
            _raise_own_cancellation(error)
            if not request.reply.done():
                request.reply.set_exception(error)
            self._record(j.DROPPED, item, None, f"{type(error).__name__}: {error}")
        else:
            if request.reply.done():
                self._record(j.DROPPED, item, None, "too late: its sender no longer waits")
            else:
                self._record(j.RECEIVED, item)
                request.reply.set_result(value)
        self._backlog.finished()

    async def _start_event(self, item: Event) -> None:
        context = item.context
        assert context.topic_id is not None
        try:
            if self._interventions:
                item.message = await self._interventions.on_publish(item.message, context)
            recipients = [a for a in self._subscriptions.recipients(context.topic_id) if a != context.sender]
        except BaseException as error:
            _raise_own_cancellation(error)
            if not isinstance(error, MessageDroppedException):
                logger.error("A published message reaches nobody: %r", error, exc_info=error)
            self._record(j.DROPPED, item, None, f"{type(error).__name__}: {error}")
            self._backlog.finished()
            return
        if not recipients:
            self._record(j.DROPPED, item, None, f"nobody subscribes to {context.topic_id}")
        item.open = len(recipients) + 1
        for recipient in recipients:
            self._deliver_event(item, recipient)
        self._end_copy(item)

    def _deliver_event(self, item: Event, recipient: AgentId) -> None:
        sent = item.context
        context = MessageContext(sent.sender, sent.topic_id, False, sent.cancellation_token, sent.message_id)

        async def handle(agent: Agent) -> None:
            self._record(j.STARTED, item, recipient)
            try:
                await run_handler(agent, item.message, context)
            except BaseException as error:
                failed(error)
                return
            self._record(j.UNHANDLED if context.unhandled else j.HANDLED, item, recipient)
            self._end_copy(item)

        def failed(error: BaseException) -> None:
            if self._is_end_of_all(error):
                self._record(j.DROPPED, item, recipient, STOPPED)
                return
            logger.error("Error processing publish message for %s", recipient, exc_info=error)
            self._record(j.FAILED, item, recipient, f"{type(error).__name__}: {error}")
            if not self._ignore_unhandled_exceptions:
                self._backlog.fail(error)
            self._end_copy(item)

        self._record(j.RECEIVED, item, recipient)
        self._deliveries.deliver(recipient, handle, failed)

    def _end_copy(self, item: Event) -> None:
        item.open -= 1
        if item.open == 0:
            self._backlog.finished()

    # Running

    def start(self) -> None:
        """Start processing messages in the background. Raises RuntimeError when already started."""
        if self._running is not None:
            raise RuntimeError("Runtime is already started.")
        self._running = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while True:
            await self.process_next()

    async def stop(self) -> None:
        """Stop at once. Direct messages still without a reply end with UndeliverableException.

        Raises RuntimeError when not started.
        """
        await self._stop()

    async def stop_when_idle(self) -> None:
        """Stop when the queue is empty and no handler runs. Raises RuntimeError when not started."""
        await self._until(self._backlog.until_idle())
        await self._stop()

    async def stop_when(self, condition: Callable[[], bool], check_period: float = 0.05) -> None:
        """Stop when `condition()` holds; it is asked every `check_period` seconds. Raises RuntimeError when not
        started."""

        async def holds() -> None:
            while not condition():  # noqa: ASYNC110 - a condition can only be asked
                await asyncio.sleep(check_period)

        await self._until(holds())
        await self._stop()

    async def _until(self, wanted: Awaitable[Any]) -> None:
        """Wait for `wanted`, or for the background processing to fail."""
        task = asyncio.ensure_future(wanted)
        try:
            running = self._require_running()
            await asyncio.wait({task, running}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()  # raises what a condition raised
        finally:
            task.cancel()

    def _require_running(self) -> asyncio.Task[None]:
        if self._running is None:
            raise RuntimeError("Runtime is not started.")
        return self._running

    async def _stop(self) -> None:
        running, self._running = self._require_running(), None
        running.cancel()
        result = (await asyncio.gather(running, return_exceptions=True))[0]
        self._stopping = True
        try:
            await self._deliveries.cancel_all()
        finally:
            self._stopping = False
        # One still runs when it is a handler that stops the runtime.
        for item in self._backlog.give_up(still_running=len(self._deliveries.tasks)):
            self._record(j.DROPPED, item, None, STOPPED)
        for reply in list(self._open_requests):
            if not reply.done():
                reply.set_exception(UndeliverableException("The runtime was stopped before there was a reply."))
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result
        self._backlog.raise_failure()

    def _is_end_of_all(self, error: BaseException) -> bool:
        """Whether it is `stop` that ends a handler, and not the handler itself."""
        return self._stopping and isinstance(error, asyncio.CancelledError)

    async def close(self) -> None:
        """Stop, if started, and close every agent."""
        if self._running is not None:
            await self._stop()
        await self._catalog.close()

    # Agents

    async def register_factory(
        self,
        type: str | AgentType,
        agent_factory: Callable[[], T | Awaitable[T]],
        *,
        expected_class: type[T] | None = None,
        shared: bool = False,
    ) -> AgentType:
        """Register how agents of a type are made. Raises ValueError when the type is taken.

        `shared` is for runtimes of several processes, and changes nothing here.
        """
        agent_type = type if isinstance(type, AgentType) else AgentType(type)
        self._catalog.add_factory(agent_type.type, agent_factory, expected_class)
        return agent_type

    async def register_agent_instance(self, agent_instance: Agent, agent_id: AgentId) -> AgentId:
        """Register one ready-made agent. Raises ValueError; see `AgentRuntime.register_agent_instance`."""
        self._catalog.add_instance(agent_instance, agent_id)
        try:
            await agent_instance.bind_id_and_runtime(agent_id, self)
        except BaseException:
            self._catalog.remove_instance(agent_id)
            raise
        return agent_id

    async def unregister(self, type: str | AgentType) -> None:
        """Give up an agent type. Raises LookupError for an unknown one."""
        await close_agents(self._forget_type(str(type)))

    async def add_subscription(self, subscription: Subscription) -> None:
        """Raises ValueError when an equal one is there."""
        self._subscriptions.add(subscription)

    async def remove_subscription(self, id: str) -> None:
        """Raises ValueError for an unknown id."""
        self._subscriptions.remove(id)

    # The journal

    def _record(self, what: str, envelope: Envelope, recipient: AgentId | None = None, detail: str = "") -> None:
        if self.journal is not None:
            size = 0  # nothing was serialized
            self.journal.append(
                what, *journal_fields(envelope, recipient), PROCESS, message_name(envelope), size,
                time.time_ns(), self._clock.tick(), detail,
            )  # fmt: skip

    def __repr__(self) -> str:
        state = "stopped" if self._running is None else "running"
        return f"<SingleThreadedAgentRuntime {state}, {len(self._catalog.types)} agent types>"
