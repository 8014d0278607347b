"""What happens at a worker to a message that arrived: read it, bring it to its agent, report, reply.

Read next: `agentlab.worker.runtime`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import traceback
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..core import journal as j
from ..core.agents import Agent
from ..core.cancellation import CancellationToken
from ..core.catalog import Catalog
from ..core.clock import LamportClock
from ..core.contexts import MessageContext
from ..core.exceptions import MessageDroppedException, RemoteHandlerError, UndeliverableException
from ..core.handling import Deliveries, run_handler
from ..core.ids import AgentId
from ..core.interventions import Interventions
from ..core.serialization import SerializationRegistry
from ..core.subscriptions import SubscriptionTable
from ..wire.codec import cut
from ..wire.parcels import ATTEMPT, NOTHING, Cancel, Event, Failure, Payload, Request, Response
from .connection import HostConnection
from .delivered import Delivered
from .remembering import Call, Memory, Run

logger = logging.getLogger("agentlab.worker")


_INTERVENING: Final = "asking the intervention handlers about the reply"


class _Attempt(NamedTuple):
    request: Request
    copy: Delivered


class Inbox:
    """An inbox: every message that arrives at a worker goes through it, and every reply goes out of it."""

    def __init__(
        self,
        catalog: Catalog,
        deliveries: Deliveries,
        serializers: SerializationRegistry,
        subscriptions: SubscriptionTable,
        interventions: Interventions,
        connection: HostConnection,
        lamport: LamportClock,
    ) -> None:
        self._catalog = catalog
        self._deliveries = deliveries
        self._serializers = serializers
        self._subscriptions = subscriptions
        self._interventions = interventions
        self._connection = connection
        self._outbox, self._clock = connection.outbox, connection.clock
        self._lamport = lamport
        self._tokens: dict[str, CancellationToken] = {}
        self._memory: Memory[_Attempt] = Memory()
        self._runs: dict[str, Run[_Attempt]] = {}
        """By session id: the run that an attempt waits for."""
        self._stream = 0
        """Counts the connections."""
        self.stopping = False
        """Whether the worker stops, and cancels the handlers that still run."""

    def request(self, request: Request) -> None:
        """A direct message came."""
        copy = self._received(request.delivery_id, request.lamport, self._clock.now_ns())
        if request.metadata and ATTEMPT in request.metadata:
            self._attempt(_Attempt(request, copy))
            return
        token = CancellationToken()
        self._tokens[request.request_id] = token
        self._deliver(request, copy, token)

    def _deliver(self, request: Request, copy: Delivered, token: CancellationToken, call: Call | None = None) -> None:
        """Bring a request to its agent. A `call` is one that may come again."""
        agent = self._deliveries.ready(request.target)
        if agent is not None:
            self._deliveries.start(self._handle(request, copy, token, call, agent))
            return
        self._deliveries.deliver(
            request.target,
            partial(self._handle, request, copy, token, call),
            lambda error: self._fail(request, copy, error, f"making the agent {request.target}", call),
        )

    async def _handle(
        self, request: Request, copy: Delivered, token: CancellationToken, call: Call | None, agent: Agent
    ) -> None:
        """Handle a request, and reply."""
        self._started(copy)
        context = MessageContext(request.sender, None, True, token, request.message_id or request.request_id)
        step = "handling the message"
        try:
            message = self.read(request.target, request.payload)
            value = await run_handler(agent, message, context)
            if self._interventions:
                step = _INTERVENING
                value = await self._interventions.on_response(value, request.target, request.sender)
            step = "serializing the reply"
            payload = self._write(value)
        except BaseException as error:
            self._fail(request, copy, error, step, call)
            if not isinstance(error, Exception) and not isinstance(error, asyncio.CancelledError):
                raise
            return
        self._ended_well(copy, context.unhandled)
        too_large = self._connection.too_large(payload)
        if too_large:
            failure = Failure("PayloadTooLargeError", f"The reply of {request.target} was not sent. {too_large}")
            self._answer(request, copy, NOTHING, failure, call)
        else:
            self._answer(request, copy, payload, None, call)

    # Direct messages that may come again

    def _attempt(self, attempt: _Attempt) -> None:
        """An attempt of a call came: the first one is handled, and all get its reply."""
        request = attempt.request
        call = Call("" if request.sender is None else str(request.sender), str(request.target), request.message_id)
        reply = self._memory.reply(call)
        if reply is not None:
            self._repeat(attempt, reply, None)
            return
        run = self._memory.running(call)
        if run is not None:
            run.later.append(attempt)
        else:
            run = self._memory.begin(call)
            self._deliver(request, attempt.copy, run.token, call)
        run.interested.add(request.request_id)
        self._runs[request.request_id] = run

    def _ended(self, call: Call, payload: Payload, failure: Failure | None, cancelled: bool) -> None:
        """The run of a call ended: tell the attempts that came meanwhile."""
        run = self._memory.running(call)
        later = [] if run is None else [attempt for attempt in run.later if attempt.copy.stream == self._stream]
        if failure is None:
            self._memory.keep(call, payload)
        else:
            self._memory.forget(call)
            if later and cancelled:
                # Who gave it up was an earlier attempt; somebody still waits.
                self._attempt(later.pop(0))
                for attempt in later:
                    self._attempt(attempt)
                return
        for attempt in later:
            self._repeat(attempt, payload, failure)

    def _repeat(self, attempt: _Attempt, payload: Payload, failure: Failure | None) -> None:
        """Answer an attempt with what an earlier one came to."""
        number = attempt.request.metadata.get(ATTEMPT, "")
        self._report(attempt.copy, j.DROPPED, f"attempt {number:.10}: handled once, and answered with that reply")
        self._reply(Response(attempt.request.request_id, payload, failure), attempt.copy)

    # Published messages

    def event(self, event: Event) -> None:
        """A published message came."""
        # AutoGen's host does not say who receives it: then it is for whom our own subscriptions say.
        recipients = event.recipients or [
            (agent, 0) for agent in self._subscriptions.recipients(event.topic) if agent != event.sender
        ]
        now_ns = self._clock.now_ns()
        for recipient, delivery_id in recipients:
            copy = self._received(delivery_id, event.lamport, now_ns)
            agent = self._deliveries.ready(recipient)
            if agent is not None:
                self._deliveries.start(self._handle_event(event, recipient, copy, agent))
                continue
            self._deliveries.deliver(
                recipient,
                partial(self._handle_event, event, recipient, copy),
                partial(self._event_failed, event, recipient, copy),
            )

    async def _handle_event(self, event: Event, recipient: AgentId, copy: Delivered, agent: Agent) -> None:
        self._started(copy)
        context = MessageContext(event.sender, event.topic, False, CancellationToken(), event.message_id)
        try:
            await run_handler(agent, self.read(recipient, event.payload), context)
        except BaseException as error:
            self._event_failed(event, recipient, copy, error)
            if not isinstance(error, Exception) and not isinstance(error, asyncio.CancelledError):
                raise
            return
        self._ended_well(copy, context.unhandled)

    def _event_failed(self, event: Event, recipient: AgentId, copy: Delivered, error: BaseException) -> None:
        logger.error("%s failed to handle a message of type %s", recipient, event.payload.type, exc_info=error)
        self._report(copy, j.FAILED, one_line(error), own_trace(error))

    def response_received(self, response: Response) -> None:
        """A reply came."""
        now = self._lamport.merge(response.lamport)
        if response.delivery_id:
            self._outbox.report((response.delivery_id, j.RECEIVED, self._clock.now_ns(), now, "", ""))

    def cancel(self, cancel: Cancel) -> None:
        """The sender of a request no longer waits."""
        token = self._tokens.get(cancel.request_id)
        if token is not None:
            _cancel(token)
        run = self._runs.pop(cancel.request_id, None)
        if run is not None:
            run.interested.discard(cancel.request_id)
            run.later = [attempt for attempt in run.later if attempt.request.request_id != cancel.request_id]
            if not run.interested:
                _cancel(run.token)

    def cancel_all(self) -> None:
        """The connection was lost: no reply, and no report, of what came over it can be delivered any more."""
        self._stream += 1
        tokens, self._tokens = self._tokens, {}
        for token in tokens.values():
            _cancel(token)
        # What may come again is not cancelled: the next attempt asks for its reply.
        for run in self._runs.values():
            run.interested.clear()
        self._runs.clear()

    def read(self, agent: AgentId | None, payload: Payload) -> Any:
        """A message for an agent, of the class that the agent's own code knows; see `Catalog.messages_of`.

        `agent` is None for a reply to what was sent from outside any agent. Raises ValueError.
        """
        type_name, content_type, data = payload
        own = None if agent is None else self._catalog.messages_of(agent.type, type_name)
        reader = None if own is None else own.reader(type_name, content_type)
        if reader is not None:
            return reader.deserialize(data)
        return self._serializers.deserialize(data, type_name=type_name, data_content_type=content_type)

    def _write(self, value: Any) -> Payload:
        if value is None:
            return NOTHING
        serializer = self._serializers.serializer_for(value)
        return Payload(serializer.type_name, serializer.data_content_type, serializer.serialize(value))

    def _fail(self, request: Request, copy: Delivered, error: BaseException, step: str, call: Call | None) -> None:
        detail, trace = one_line(error), own_trace(error)
        self._report(copy, j.FAILED, detail, trace)
        if step == _INTERVENING and isinstance(error, MessageDroppedException):
            self._answer(request, copy, NOTHING, Failure(type(error).__name__, str(error)), call)
            return
        if isinstance(error, UndeliverableException):
            # An error of another call, inside the handler: to this sender it is the handler that failed.
            step = f"{step} (a message that the handler itself had sent was not answered)"
        text = f"{request.target} failed while {step}: {detail}"
        logger.info("%s", text, exc_info=error)
        failure = Failure("RemoteHandlerError", text, type(error).__name__, trace)
        if self.stopping and isinstance(error, asyncio.CancelledError):
            # It is the worker that did not answer; the handler might have.
            text = f"The worker {self._connection.name} stopped before {request.target} answered."
            failure = Failure("WorkerLostError", text)
        self._answer(request, copy, NOTHING, failure, call, isinstance(error, asyncio.CancelledError))

    def _answer(
        self,
        request: Request,
        copy: Delivered,
        payload: Payload,
        failure: Failure | None,
        call: Call | None,
        cancelled: bool = False,
    ) -> None:
        self._reply(Response(request.request_id, payload, failure), copy)
        if call is not None:
            self._ended(call, payload, failure, cancelled)

    def _reply(self, response: Response, copy: Delivered) -> None:
        if copy.stream != self._stream:
            return  # its session is gone with the connection; the next host may have another under the same id
        self._tokens.pop(response.request_id, None)
        self._runs.pop(response.request_id, None)
        response.sent_ns = self._clock.now_ns()
        response.lamport = self._lamport.tick()
        self._outbox.reply(response)
        if not self._tokens:  # no other reply is about to follow
            self._connection.begin_writing()

    def _received(self, delivery_id: int, lamport: int, now_ns: int) -> Delivered:
        copy = Delivered(delivery_id, self._stream, now_ns, self._lamport.merge(lamport))
        if delivery_id:
            self._outbox.received(copy)
        return copy

    def _started(self, copy: Delivered) -> None:
        if copy.waits:
            copy.started_ns, copy.started_lamport = self._clock.now_ns(), self._lamport.tick()
        else:
            self._report(copy, j.STARTED)

    def _ended_well(self, copy: Delivered, unhandled: bool) -> None:
        if unhandled or not copy.waits:
            self._report(copy, j.UNHANDLED if unhandled else j.HANDLED)
        elif copy.delivery_id and copy.stream == self._stream:
            self._outbox.handled(copy, self._clock.now_ns(), self._lamport.tick())

    def _report(self, copy: Delivered, what: str, detail: str = "", trace: str = "") -> None:
        now = self._lamport.tick()
        if copy.delivery_id and copy.stream == self._stream:
            if copy.waits:
                self._outbox.part(copy)
            texts = (detail and cut(detail), trace and cut(trace))
            self._outbox.report((copy.delivery_id, what, self._clock.now_ns(), now, *texts))


def _cancel(token: CancellationToken) -> None:
    try:
        token.cancel()
    except Exception:
        logger.exception("A callback of a cancellation token failed")


def one_line(error: BaseException) -> str:
    """The exception's class and text."""
    text = ""
    with contextlib.suppress(Exception):  # a __str__ that itself raises
        # A remote failure's text goes on with its traceback, which this error's own traceback has, too.
        text = str(error.args[0]) if isinstance(error, RemoteHandlerError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


_PACKAGE: Final = str(Path(__file__).parents[1]) + os.sep
_GALLERY: Final = str(Path(__file__).parents[1] / "gallery") + os.sep


def own_trace(error: BaseException) -> str:
    """The traceback without agentlab's own frames: they say nothing to whoever wrote the agent."""
    described = traceback.TracebackException.from_exception(error)
    inner: traceback.TracebackException | None = described
    while inner is not None:
        own = [frame for frame in inner.stack if _is_students(frame.filename)]
        inner.stack = traceback.StackSummary.from_list(own or list(inner.stack))
        inner = inner.__cause__ or inner.__context__
    return "".join(described.format())


def _is_students(filename: str) -> bool:
    return not filename.startswith(_PACKAGE) or filename.startswith(_GALLERY)
