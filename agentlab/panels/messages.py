"""What can be sent to whom, and what came of it. No widgets here.

Read next: `agentlab.panels.sending`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from ..core.cancellation import CancellationToken
from ..core.exceptions import RemoteHandlerError
from ..core.ids import AgentId
from ..core.routing import RoutedAgent, annotated_types
from ..core.runtime import RUNTIME_DEFAULT
from ..core.serialization import UnknownPayload, is_message_class
from ..core.subscriptions import TypePrefixSubscription, TypeSubscription
from ..lab.addresses import topic_id
from ..lab.shipping import AgentSpec
from ..wire.watching import Snapshot
from .fields import FormError
from .markup import block, duration, escaped, short, span, table

if TYPE_CHECKING:
    from ..lab.lab import Lab

MOST_AT_ONCE: Final = 500
"""So many direct messages of one order wait for their replies at the same time; then the next one waits too."""


def recipients(snapshot: Snapshot | None, direct: bool) -> list[str]:
    """The agent types that are advertised, or the topic types that somebody subscribed."""
    workers = [] if snapshot is None else snapshot.workers
    if direct:
        return sorted({name for worker in workers for name in worker.types})
    return sorted({_topic(one) for worker in workers for one in worker.subscriptions if not _is_direct(one)})


def _topic(subscription: TypeSubscription | TypePrefixSubscription) -> str:
    if isinstance(subscription, TypePrefixSubscription):
        return subscription.topic_type_prefix
    return subscription.topic_type


def _is_direct(subscription: TypeSubscription | TypePrefixSubscription) -> bool:
    """Every agent type has a subscription of its own, for messages that are published to just this agent."""
    return _topic(subscription) == f"{subscription.agent_type}:"


def reached(snapshot: Snapshot | None, direct: bool, address: str) -> set[str]:
    """The agent types that a message to this address reaches."""
    name = address.partition("/")[0].strip()
    if direct or snapshot is None:
        return {name}
    found = set()
    for worker in snapshot.workers:
        for one in worker.subscriptions:
            prefix = isinstance(one, TypePrefixSubscription)
            if name.startswith(_topic(one)) if prefix else name == _topic(one):
                found.add(one.agent_type)
    return found


def accepted(spec: AgentSpec) -> list[type[Any]]:
    """The message classes that the agents' handlers take."""
    types: list[type[Any]] = []
    if spec.is_closure:
        _, message, _ = inspect.signature(spec.agent).parameters
        types = list(annotated_types(spec.agent, [message], "None")[message])
    else:
        for cls in spec.classes:
            if issubclass(cls, RoutedAgent):
                types += [target for handler in cls.handlers() for target in handler.target_types]
    return [cls for cls in dict.fromkeys(types) if is_message_class(cls)]


def message_types(
    registered: Mapping[str, tuple[str, AgentSpec]], namespace: Mapping[str, Any], wanted: Iterable[str]
) -> list[type[Any]]:
    """What agents of the wanted types accept; when nothing is known of them, all message classes there are.

    Of two classes with the same name, which are the same type of message, the notebook's newest is taken.
    """
    specs = [registered[name][1] for name in sorted(wanted) if name in registered]
    known = [cls for spec in specs for cls in accepted(spec)]
    own = {
        name: thing
        for name, thing in list(namespace.items())
        if isinstance(thing, type) and not name.startswith("_") and name == thing.__name__ and is_message_class(thing)
    }
    if not known:
        known = [cls for _, spec in registered.values() for cls in accepted(spec)] + list(own.values())
    return list({cls.__name__: own.get(cls.__name__, cls) for cls in known}.values())


def deadline_of(text: str) -> float | None:
    """Seconds; ``none`` is for ever, nothing the lab's own. Raises FormError."""
    text = text.strip().lower()
    if not text:
        return RUNTIME_DEFAULT
    if text == "none":
        return None
    try:
        seconds = float(text.removesuffix("s").strip())
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise FormError(f"deadline: {text!r} is no number of seconds. Without a deadline, write: none")
    return seconds


def deadline_text(deadline_s: float | None) -> str:
    """What `deadline_of` reads as this deadline."""
    return "none" if deadline_s is None else "" if deadline_s is RUNTIME_DEFAULT else f"{deadline_s:g}"


@dataclass(frozen=True)
class Order:
    """An order: what to send, to whom, how often."""

    direct: bool
    address: str
    message: Any
    sender: AgentId | None = None
    deadline_s: float | None = RUNTIME_DEFAULT
    times: int = 1
    per_s: float = 0.0
    """Messages a second; 0: each when the one before is done."""

    def __str__(self) -> str:
        often = f" × {self.times}" if self.times > 1 else ""
        return f"{type(self.message).__name__} {'to' if self.direct else 'on'} {self.address}{often}"


@dataclass(eq=False)
class Sending:
    """A sending: an order on its way, and what came of it."""

    order: Order
    number: int
    replies: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    last_reply: Any = None
    first_error: BaseException | None = None
    state: str = "waiting"
    """``waiting``, ``done`` or ``cancelled``."""
    seconds: list[float] = field(default_factory=list)
    """How long each message that was answered took."""
    _tokens: set[CancellationToken] = field(default_factory=set)
    _pause: CancellationToken = field(default_factory=CancellationToken)

    @property
    def ended(self) -> int:
        """How many of its messages are done with."""
        return self.replies + self.errors.total()

    @property
    def line(self) -> str:
        """One line for the history."""
        what = f"{self.number}. {self.order}"
        if self.state == "waiting":
            return f"… {what}"
        if self.state == "cancelled":
            return f"⊘ {what}: cancelled"
        if self.errors:
            return f"✖ {what}: {', '.join(self.errors)}"
        return f"✔ {what}" + (f": {short(repr(self.last_reply), 60)}" if self.order.direct else "")

    async def run(self, lab: Lab) -> None:
        """Send all of it, and wait for what comes of it. On the lab's loop."""
        waiting: set[asyncio.Task[None]] = set()
        began = time.monotonic()
        try:
            for number in range(self.order.times):
                if self.order.per_s:
                    await self._wait_until(began + number / self.order.per_s)
                if self.state != "waiting":
                    break
                waiting.add(asyncio.ensure_future(self._send(lab)))
                if not self.order.per_s or len(waiting) >= MOST_AT_ONCE:
                    _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if waiting:
                await asyncio.wait(waiting)
        except asyncio.CancelledError:
            self.state = "cancelled"
            for task in waiting:
                task.cancel()
            raise
        finally:
            self.state = "done" if self.state == "waiting" else self.state

    async def _wait_until(self, moment_s: float) -> None:
        """Until it is that late on the monotonic clock, or `cancel` is called."""
        pause = asyncio.ensure_future(asyncio.sleep(max(0.0, moment_s - time.monotonic())))
        self._pause.link_future(pause)
        await asyncio.wait([pause])

    async def _send(self, lab: Lab) -> None:
        order, token, began = self.order, CancellationToken(), time.monotonic()
        self._tokens.add(token)
        try:
            if order.direct:
                self.last_reply = await lab.send_message(
                    order.message,
                    order.address,
                    sender=order.sender,
                    cancellation_token=token,
                    deadline_s=order.deadline_s,
                )
            else:
                await lab.publish_message(order.message, topic_id(order.address), sender=order.sender)
        except asyncio.CancelledError:
            self.state = "cancelled"
            if not token.is_cancelled():
                raise
        except Exception as error:
            self.errors[type(error).__name__] += 1
            self.first_error = self.first_error or error
        else:
            self.replies += 1
            self.seconds.append(time.monotonic() - began)
        finally:
            self._tokens.discard(token)

    def cancel(self) -> None:
        """Send no more of it, and wait for no reply. Doing it twice does nothing. From any thread."""
        if self.state != "waiting":
            return
        self.state = "cancelled"
        for token in [self._pause, *self._tokens]:
            token.cancel()

    def html(self) -> str:
        """What came of it, so far."""
        order = self.order
        head = f"<b>{escaped(order)}</b>"
        if order.times > 1:
            parts = [f"{self.ended} of {order.times} done"]
            parts += [f"{count} × {name}" for name, count in self.errors.items()]
            if self.seconds and order.direct:
                parts.append(f"half took less than {duration(median(self.seconds))}, all {duration(max(self.seconds))}")
            head += f"<br>{escaped('; '.join(parts))}"
        elif self.seconds and order.direct:
            head += f" {span(f'answered after {duration(self.seconds[-1])}', 'quiet')}"
        if self.state == "cancelled":
            head += f"<br>{span('Cancelled: nobody waits for it any more.', 'warn')}"
        elif self.state == "waiting":
            head += f"<br>{span('Waiting …', 'quiet')}"
        if self.first_error is not None:
            head += error_html(self.first_error)
        if self.replies and order.direct:
            head += reply_html(self.last_reply)
        elif self.replies:
            head += f"<br>{span('Published. Who handled it, the timeline and the logs show.', 'quiet')}"
        return head


def reply_html(reply: Any) -> str:
    """A reply: its type, and its fields one by one."""
    if reply is None:
        return f"<br>{span('The reply is None.', 'quiet')}"
    if isinstance(reply, UnknownPayload):
        said = f"A {reply.type_name}, which the notebook does not know:"
        return f"<br>{span(said, 'warn')}{block(short(reply.payload.decode('utf-8', 'replace'), 2000))}"
    name = f"<br><span class='agentlab-good'>✔</span> <b>{escaped(type(reply).__name__)}</b>"
    if dataclasses.is_dataclass(reply):
        names = [one.name for one in dataclasses.fields(reply)]
    else:
        names = list(getattr(type(reply), "model_fields", ()))
    if not names:
        return name + block(short(reply, 2000))
    return name + table((), [(one, short(_plain(getattr(reply, one)), 1000)) for one in names])


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else repr(value)


def error_html(error: BaseException) -> str:
    """A typed error, with the traceback of the other process if there is one."""
    text = str(error.args[0]) if isinstance(error, RemoteHandlerError) and error.args else str(error)
    trace = getattr(error, "remote_traceback", "")
    said = f"<br>{span(f'✖ {type(error).__name__}', 'bad')} {escaped(text)}"
    return said + (
        f"<details open><summary>Traceback of the other process</summary>{block(trace)}</details>" * bool(trace)
    )
