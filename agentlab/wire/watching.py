"""Watching a host: its journal, and what it knows at one moment, as plain data and as bytes.

Decoding raises `WireError` for anything illegal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.journal import FIELDS, JournalEvent
from ..core.subscriptions import TypePrefixSubscription, TypeSubscription
from .calls import parse, read_subscription, write_subscription
from .generated import agentlab_pb2 as lab_pb


@dataclass(frozen=True)
class JournalBatch:
    """Some journal events, in order."""

    journal: str
    """Names the journal: a restarted host begins another."""
    events: list[JournalEvent]
    missed: int
    """Events before these that the host had to let go."""


_wire_event: Callable[..., Any] = lab_pb.JournalEvent


def encode_journal_batch(batch: JournalBatch) -> bytes:
    """One gRPC message of `Watch`."""
    events = [_wire_event(**{name: getattr(event, name) for name in FIELDS}) for event in batch.events]
    return lab_pb.JournalBatch(journal=batch.journal, events=events, missed=batch.missed).SerializeToString()


def decode_journal_batch(data: bytes) -> JournalBatch:
    """Raises WireError."""
    raw = parse(lab_pb.JournalBatch, data)
    events = [JournalEvent(*(getattr(event, name) for name in FIELDS)) for event in raw.events]
    return JournalBatch(raw.journal, events, raw.missed)


def encode_watch(after: int, follow: bool) -> bytes:
    """What `Watch` is asked."""
    return lab_pb.WatchRequest(after=after, follow=follow).SerializeToString()


def decode_watch(data: bytes) -> tuple[int, bool]:
    """``(after, follow)``."""
    raw = parse(lab_pb.WatchRequest, data)
    return raw.after, raw.follow


def encode_cancel_session(id: str, reason: str) -> bytes:
    """What `CancelSession` is asked."""
    return lab_pb.CancelSessionRequest(id=id, reason=reason).SerializeToString()


def decode_cancel_session(data: bytes) -> tuple[str, str]:
    """``(id, reason)``."""
    raw = parse(lab_pb.CancelSessionRequest, data)
    return raw.id, raw.reason


def encode_cancelled(cancelled: bool) -> bytes:
    """What `CancelSession` answers."""
    return lab_pb.CancelSessionResponse(cancelled=cancelled).SerializeToString()


def decode_cancelled(data: bytes) -> bool:
    """Whether the session was open."""
    return parse(lab_pb.CancelSessionResponse, data).cancelled


def encode_note_process(process: str, what: str, detail: str) -> bytes:
    """What `NoteProcess` is asked."""
    return lab_pb.NoteProcessRequest(process=process, what=what, detail=detail).SerializeToString()


def decode_note_process(data: bytes) -> tuple[str, str, str]:
    """``(process, what, detail)``."""
    raw = parse(lab_pb.NoteProcessRequest, data)
    return raw.process, raw.what, raw.detail


@dataclass(frozen=True)
class WorkerInfo:
    """A connected worker, as the host sees it."""

    name: str
    client_id: str
    pid: int
    """0 when it did not say."""
    address: str
    """gRPC's name for the other end of the connection."""
    reports: bool
    """Whether it reports what becomes of messages."""
    queued: int
    """Messages that wait at the host for it."""
    types: list[str]
    """The agent types it advertises."""
    subscriptions: list[TypeSubscription | TypePrefixSubscription]


@dataclass(frozen=True)
class SessionInfo:
    """An open session: a direct message without a reply so far."""

    id: str
    message_id: str
    sender: str
    """The sending agent as ``type/key``; empty for none."""
    sender_worker: str
    target: str
    target_worker: str
    type: str
    """The message type's name."""
    age_s: float
    remaining_s: float | None
    """Seconds to its deadline; None for none."""


@dataclass(frozen=True)
class Snapshot:
    """What the host knows at one moment."""

    workers: list[WorkerInfo]
    sessions: list[SessionInfo]
    journal_seq: int
    journal_let_go: int
    counters: dict[str, int]
    """How many messages were refused or dropped, by reason."""


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """What `Snapshot` answers."""
    out = lab_pb.SnapshotResponse(journal_seq=snapshot.journal_seq, journal_let_go=snapshot.journal_let_go)
    for worker in snapshot.workers:
        out.workers.add(
            name=worker.name,
            client_id=worker.client_id,
            pid=worker.pid,
            address=worker.address,
            reports=worker.reports,
            queued=worker.queued,
            types=worker.types,
            subscriptions=[write_subscription(subscription) for subscription in worker.subscriptions],
        )
    for session in snapshot.sessions:
        out.sessions.add(
            id=session.id,
            message_id=session.message_id,
            sender=session.sender,
            sender_worker=session.sender_worker,
            target=session.target,
            target_worker=session.target_worker,
            type=session.type,
            age_s=session.age_s,
            remaining_s=session.remaining_s,
        )
    out.counters.update(snapshot.counters)
    return out.SerializeToString()


def decode_snapshot(data: bytes) -> Snapshot:
    """Raises WireError."""
    raw = parse(lab_pb.SnapshotResponse, data)
    workers = [
        WorkerInfo(
            w.name, w.client_id, w.pid, w.address, w.reports, w.queued, list(w.types),
            [read_subscription(subscription) for subscription in w.subscriptions],
        )
        for w in raw.workers
    ]  # fmt: skip
    sessions = [
        SessionInfo(
            s.id, s.message_id, s.sender, s.sender_worker, s.target, s.target_worker, s.type, s.age_s,
            s.remaining_s if s.HasField("remaining_s") else None,
        )
        for s in raw.sessions
    ]  # fmt: skip
    return Snapshot(workers, sessions, raw.journal_seq, raw.journal_let_go, dict(raw.counters))
