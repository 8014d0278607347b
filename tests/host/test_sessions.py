"""Direct messages that have no reply so far."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab.host import sessions as module
from agentlab.host.connection import Connection, Copy, Delivery, Limits
from agentlab.host.sessions import Session, Sessions

COPY = Copy("request", "m", "", "", "sky/k", "", "Text", 3)


def _worker(name: str = "w") -> Connection:
    return Connection(name, name, Limits(), reports=True)


def _open(
    sessions: Sessions, sender: Connection, request_id: str, deadline_s: float | None = None, **k: Any
) -> Session:
    return sessions.open(sender, request_id, k.get("target", sender), Delivery(1, COPY), 0.0, deadline_s)


def test_two_senders_may_use_the_same_request_id() -> None:
    sessions, target = Sessions(), _worker()
    first = _open(sessions, _worker("a"), "1", target=target)
    second = _open(sessions, _worker("b"), "1", target=target)
    assert first.id != second.id
    assert set(target.asked_of) == {first.id, second.id}


def test_one_sender_may_not_use_an_open_request_id_twice() -> None:
    sessions, sender = Sessions(), _worker()
    first = _open(sessions, sender, "1")
    with pytest.raises(ValueError, match="already in use"):
        _open(sessions, sender, "1")
    assert list(sessions) == [first]
    sessions.end(first)
    _open(sessions, sender, "1")


def test_a_session_of_a_worker_with_itself_ends_like_any_other() -> None:
    sessions, worker = Sessions(), _worker()
    session = _open(sessions, worker, "1")
    sessions.end(session)
    assert (len(sessions), worker.asked, worker.asked_of) == (0, {}, {})


@pytest.mark.parametrize(("limit", "answered"), [("REMEMBERED", False), ("ANSWERED", True)])
def test_an_ended_session_is_remembered_for_a_while(
    monkeypatch: pytest.MonkeyPatch, limit: str, answered: bool
) -> None:
    monkeypatch.setattr(module, limit, 3)
    sessions, worker = Sessions(), _worker()
    ids = []
    for n in range(5):
        session = _open(sessions, worker, str(n))
        sessions.end(session, answered=answered)
        ids.append(session.id)
    assert [sessions.ended(id) for id in ids] == [None, None, COPY, COPY, COPY]
    assert sessions.ended("s999") is None


def test_a_session_that_nobody_answered_is_remembered_whatever_is_answered_after_it() -> None:
    sessions, worker = Sessions(), _worker()
    silent = _open(sessions, worker, "silent")
    sessions.end(silent)
    for n in range(module.REMEMBERED + 1):
        sessions.end(_open(sessions, worker, str(n)), answered=True)
    assert sessions.ended(silent.id) == COPY


@given(st.lists(st.tuples(st.none() | st.floats(0, 10), st.booleans()), max_size=30), st.floats(0, 10))
def test_due_are_the_open_sessions_whose_deadline_has_passed_each_once(
    wanted: list[tuple[float | None, bool]], now_s: float
) -> None:
    sessions, worker = Sessions(), _worker()
    expected = set()
    for n, (deadline_s, ended) in enumerate(wanted):
        session = _open(sessions, worker, str(n), deadline_s)
        if ended:
            sessions.end(session)
        elif deadline_s is not None and deadline_s <= now_s:
            expected.add(session.id)
    assert {session.id for session in sessions.due(now_s)} == expected
    assert sessions.due(now_s) == []


def test_the_deadlines_of_ended_sessions_do_not_pile_up() -> None:
    sessions, worker = Sessions(), _worker()
    for n in range(20_000):
        sessions.end(_open(sessions, worker, str(n), 60.0 + n))
    assert len(sessions._deadlines) < 2000
