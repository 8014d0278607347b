"""The fault lab at the host: carries out what the rules decide, and journals it with the rule that caused it.

Pure: no gRPC, no asyncio. The router asks it only while rules are set or messages wait because of one. Answers that
the host itself makes (an error, say) are not touched: they tell the truth about what happened. Read next:
`agentlab.host.router`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ..core import journal as j
from ..core.ids import AgentId
from ..wire.faults import Partition, Rule, SetRule
from ..wire.parcels import Cancel, Event, Request
from .book import Book
from .connection import Connection, Copy, Delivery
from .detours import Detours, Pair, Waiting
from .faults import UNTOUCHED, Decision, Faults, Turn, Way
from .sessions import LATE, Session


@dataclass(frozen=True)
class Host:
    """What the fault lab needs of the host around it."""

    connections: dict[str, Connection]
    book: Book
    delivery_id: Callable[[], int]
    is_open: Callable[[Session], bool]
    now_s: Callable[[], float]
    silence_s: float
    """A worker that cannot be reached for so long is taken for lost."""


class FaultLab:
    """A fault lab: rules, the messages that wait because of them, and the processes that are cut off.

    `turned` is called when the moment may have changed at which `tick` has something to do.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._faults = Faults()
        self._detours = Detours()
        self._cut_since_s: dict[str, float] = {}
        self.turned: Callable[[], None] = lambda: None

    @property
    def idle(self) -> bool:
        """Whether there is no rule, and nothing waits because of one."""
        return not len(self._faults) and not len(self._detours)

    # Rules

    def add(self, rule: Rule) -> int:
        """Set a rule; returns its number. Raises ValueError when there are too many."""
        number = self._faults.add(rule, self._host.now_s())
        self.tick()
        return number

    def remove(self, numbers: Iterable[int] = ()) -> None:
        """Remove rules, or all. When none is left, all that waits goes on at once. Unknown numbers do no harm."""
        now_s = self._host.now_s()
        for one in self._faults.listed(now_s):
            if one.number in numbers or not numbers:
                self._faults.remove(one.number)
                if one.state == "on":
                    self._note(Turn(one.number, one.rule, False))
        if not len(self._faults):
            self._detours.release_all()
        self.tick()

    def rules(self) -> list[SetRule]:
        """The rules, with how many messages each struck."""
        return self._faults.listed(self._host.now_s())

    def tick(self) -> float | None:
        """Do what is due; returns in how many seconds there is something to do again (None: never)."""
        now_s = self._host.now_s()
        for turn in self._faults.turns(now_s):
            self._note(turn)
        self._cut(now_s)
        self._detours.release(now_s)
        times = [self._faults.next_turn_s(), self._detours.next_due_s()]
        times += [since_s + self._host.silence_s for since_s in self._cut_since_s.values()]
        next_s = min((time_s for time_s in times if time_s is not None), default=None)
        self.turned()
        return None if next_s is None else max(0.0, next_s - now_s)

    def _note(self, turn: Turn) -> None:
        note, effect = self._host.book.note, turn.rule.effect
        label = f"fault: {turn.rule.name} #{turn.number}"
        note(j.HOST, j.FAULT, f"{turn.rule.name} #{turn.number} {'begins' if turn.begins else 'ends'} ({turn.rule})")
        if not isinstance(effect, Partition):
            return
        for group in effect.groups:
            others = ", ".join(name for other in effect.groups if other is not group for name in other)
            for name in group:
                note(name, j.PARTED if turn.begins else j.HEALED, f"{label}: {name} cannot hear {others}"
                     if turn.begins else f"{label}: {name} hears {others} again")  # fmt: skip

    # Processes that cannot reach the host

    def cut(self, process: str) -> str:
        """Which rule keeps a process from the host; empty when it can reach it."""
        return self._faults.cut(process, self._host.now_s()) if len(self._faults) else ""

    def _cut(self, now_s: float) -> None:
        """Stop and start the streams of those that are cut off. Who is cut off too long is taken for lost."""
        since = self._cut_since_s
        for connection in list(self._host.connections.values()):
            why, before = self._faults.cut(connection.name, now_s), connection.cut
            connection.cut = why
            if why and not connection.closed:
                if now_s >= since.setdefault(connection.client_id, now_s) + self._host.silence_s:
                    connection.close(f"no sign of life for {self._host.silence_s:g} s: {why}")
            elif before and not why:
                connection.wake()
        cut = {client_id for client_id, one in self._host.connections.items() if one.cut and not one.closed}
        self._cut_since_s = {client_id: since_s for client_id, since_s in since.items() if client_id in cut}

    # Messages

    def request(self, session: Session, request: Request) -> None:
        """A request is about to go from its sender's worker to its target's."""
        copy, target = session.copy, session.target

        def send(delivery: Delivery) -> None:
            request.delivery_id = delivery.id
            request.lamport = self._host.book.tick()
            target.put(request, delivery)
            if not target.reports and not (delivery is session.delivery and self._host.is_open(session)):
                del target.outstanding[delivery.id]  # a plain worker will not speak of it, and no session ends it

        self._pass(copy, session.sender, target, self._sends(send, session.delivery), session)

    def response(self, session: Session, copy: Copy, answer: Callable[[], None]) -> None:
        """A reply is about to go to the one who asked. Its session is open until it does: a reply that is thrown away
        ends nothing, and one that is held back may be too late."""
        host, answered = self._host, False

        def send(_: Delivery) -> None:
            nonlocal answered
            if host.connections.get(session.sender.client_id) is not session.sender:
                host.book.record(j.LOST, copy, f"the worker {session.sender.name} was lost")
            elif answered or host.is_open(session):
                answered = True
                answer()
            else:
                host.book.counters["late reply"] += 1
                host.book.record(j.DROPPED, copy, LATE)

        self._pass(copy, session.target, session.sender, self._sends(send, Delivery(0, copy)))

    def event(
        self, source: Connection, event: Event, target: Connection, copies: list[tuple[AgentId, Delivery]]
    ) -> None:
        """Copies of a published message are about to go from its sender's worker to another."""
        together = [copies] if not target.reports else [[one] for one in copies]
        # A plain worker asks its own subscriptions who receives an event: it gets all copies or none.
        for group in together:
            receivers = [(agent, delivery.id) for agent, delivery in group]
            first, *others = [delivery for _, delivery in group]

            def send(delivery: Delivery, group: list[tuple[AgentId, Delivery]] = group,
                     receivers: list[tuple[AgentId, int]] = receivers) -> None:  # fmt: skip
                is_first = delivery is group[0][1]
                own = receivers if is_first else [(group[0][0], delivery.id)]
                deliveries = [one for _, one in group] if is_first else [delivery]
                target.put(replace(event, recipients=own, lamport=self._host.book.tick()), *deliveries)

            self._pass(first.copy, source, target, self._sends(send, first), also=[one.copy for one in others])

    def _sends(self, send: Callable[[Delivery], None], first: Delivery) -> Callable[[], Callable[[], None]]:
        """Makes what sends the copy: the first time with its own delivery, then with others for the further copies."""
        deliveries = [first]

        def next_send() -> Callable[[], None]:
            delivery = deliveries.pop() if deliveries else Delivery(self._host.delivery_id(), first.copy)
            return lambda: send(delivery)

        return next_send

    def _pass(
        self,
        copy: Copy,
        source: Connection,
        target: Connection,
        next_send: Callable[[], Callable[[], None]],
        subject: object = None,
        also: Iterable[Copy] = (),
    ) -> None:
        """Decide about a copy (and `also` those that go with it), and carry it out."""
        now_s = self._host.now_s()
        self._detours.release(now_s)
        decision = self._faults.decide(copy, Way(source.name, target.name), now_s)
        pair: Pair = (source.name, copy.sender, copy.recipient)
        if decision is UNTOUCHED and (why := self._detours.blocked(pair)):
            decision = Decision(notes=((j.DELAYED, f"{why}: waits behind an earlier message"),))
        if (decision.due_s or decision.behind or self._detours.blocked(pair)) and not self._detours.has_room(target):
            decision = Decision("queue full: too many messages are already held back on their way to this worker")
        for one in (copy, *also):
            for what, detail in decision.notes:
                self._host.book.record(what, one, detail)
            if decision.dropped:
                self._host.book.counters["fault: dropped"] += 1
                self._host.book.record(j.DROPPED, one, decision.dropped)
        if decision is not UNTOUCHED:
            self.turned()
        if decision.dropped:
            return
        for number in range(1 + decision.copies):
            own = subject if not number else None
            self._detours.send(Waiting(copy, target, next_send(), copy.size, own), pair, decision, now_s)

    def cancel(self, session: Session, cancel: Cancel) -> None:
        """Nobody waits for the reply any more: the word of it follows the request, if that is still on its way."""
        waiting = self._detours.find(session)
        if waiting is not None:
            waiting.afterwards.append(lambda: session.target.put_cancel(cancel))
        elif not self._faults.parted(session.sender.name, session.target.name, self._host.now_s()):
            session.target.put_cancel(cancel)

    def hurry(self, connection: Connection) -> None:
        """A worker is about to leave in order: what is held back on its way to it goes on at once, so that it loses
        nothing."""
        self._detours.hurry(connection)

    def lost(self, connection: Connection) -> None:
        """A worker was lost, or stopped: what still waits on its way to it is lost too. (A request whose session is
        open ends with that.)"""
        for waiting in self._detours.take(connection):
            session = waiting.subject
            if not (isinstance(session, Session) and self._host.is_open(session)):
                why = f"the worker {connection.name} was gone before this message, held back on purpose, was sent on"
                self._host.book.record(j.LOST, waiting.copy, why)

    def close(self) -> None:
        """The host stops: what still waits is lost."""
        for waiting in self._detours.take():
            self._host.book.record(
                j.LOST, waiting.copy, "the host stopped before this message, held back on purpose, was sent on"
            )
