"""What there is in a lab, as tables."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.subscriptions import TypePrefixSubscription, TypeSubscription
from ..wire.watching import Snapshot
from .addresses import NOTEBOOK
from .process import ChildProcess
from .tables import Table


def processes_table(processes: Iterable[ChildProcess]) -> Table:
    """One row a process: state, process id, uptime in seconds."""
    rows = [(p.name, p.state, p.pid or None, p.uptime_s or None) for p in processes]
    return Table("Processes", ("process", "state", "pid", "uptime_s"), rows, "none yet")


def directory_table(snapshot: Snapshot) -> Table:
    """One row a worker: what it advertises, and what it subscribed."""
    workers = sorted(snapshot.workers, key=lambda worker: (worker.name != NOTEBOOK, worker.name))
    rows = [(w.name, w.pid or None, w.types, sorted(map(_subscription, w.subscriptions))) for w in workers]
    columns = ("worker", "pid", "agent types", "subscriptions")
    return Table("The host's directory", columns, rows, "nobody is connected")


def _subscription(subscription: TypeSubscription | TypePrefixSubscription) -> str:
    if isinstance(subscription, TypePrefixSubscription):
        return f"{subscription.topic_type_prefix}* → {subscription.agent_type}"
    return f"{subscription.topic_type} → {subscription.agent_type}"


def sessions_table(snapshot: Snapshot) -> Table:
    """One row an open session: who waits for whom, how long already, and how long it may."""
    rows = [
        (s.type, s.sender or s.sender_worker, s.target, s.target_worker, s.age_s, s.remaining_s)
        for s in snapshot.sessions
    ]
    columns = ("message", "from", "to", "worker", "age_s", "remaining_s")
    return Table("Open sessions", columns, rows, "none")
