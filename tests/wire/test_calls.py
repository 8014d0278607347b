"""The unary calls, the control channel and the journal's stream, as bytes and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentlab import AgentId, JournalEvent, TypePrefixSubscription, TypeSubscription
from agentlab.core.subscriptions import Subscription
from agentlab.core.topics import TopicId
from agentlab.wire import calls, control, watching
from agentlab.wire.control import Answer, Control, Describe, LoadState, Question, SaveState
from agentlab.wire.generated import agent_worker_pb2 as agents_pb
from agentlab.wire.parcels import WireError
from agentlab.wire.watching import JournalBatch

from . import strategies as s

subscriptions = st.builds(TypeSubscription, s.names, st.just("sky"), s.names) | st.builds(
    TypePrefixSubscription, s.names, st.just("sky"), s.names
)
states = st.dictionaries(s.text, st.none() | st.integers() | s.text | st.lists(st.booleans(), max_size=3), max_size=3)
uint64 = st.integers(0, 2**64 - 1)
journal_events = st.builds(
    JournalEvent, uint64, s.text, s.text, s.text, s.text, s.text, s.text, s.text, s.text, s.text,
    uint64, uint64, uint64, s.text, s.text,
)  # fmt: skip


@given(s.text)
def test_names_come_back_as_they_were(name: str) -> None:
    assert calls.decode_register_agent(calls.encode_register_agent(name)) == name
    assert calls.decode_withdraw_agent(calls.encode_withdraw_agent(name)) == name
    assert calls.decode_remove_subscription(calls.encode_remove_subscription(name)) == name


@given(subscriptions)
def test_a_subscription_comes_back_as_it_was(subscription: TypeSubscription | TypePrefixSubscription) -> None:
    back = calls.decode_add_subscription(calls.encode_add_subscription(subscription))
    assert type(back) is type(subscription)
    assert (back.id, repr(back)) == (subscription.id, repr(subscription))


@given(st.lists(subscriptions, max_size=3))
def test_a_list_of_subscriptions_comes_back_in_order(listed: list[Any]) -> None:
    back = calls.decode_subscriptions(calls.encode_subscriptions(listed))
    assert [(b.id, repr(b)) for b in back] == [(one.id, repr(one)) for one in listed]


def test_a_subscription_of_ones_own_kind_cannot_travel() -> None:
    class Everything:
        id = "all"

        def is_match(self, topic_id: TopicId) -> bool:
            return True

        def map_to_agent(self, topic_id: TopicId) -> AgentId:
            return AgentId("sky", "a")

    everything: Subscription = Everything()
    with pytest.raises(ValueError, match="use TypeSubscription or TypePrefixSubscription"):
        calls.encode_add_subscription(everything)


@pytest.mark.parametrize("question", [SaveState(AgentId("a", "b/c")), Describe(AgentId("a", ""))])
def test_a_question_comes_back_as_it_was(question: Question) -> None:
    assert control.decode_question(control.encode_question(question)) == question


@given(states)
def test_a_state_comes_back_as_it_was(state: dict[str, Any]) -> None:
    question = LoadState(AgentId("a", "b"), state)
    assert control.decode_question(control.encode_question(question)) == question
    answer = Answer(state)
    assert control.decode_answer(control.encode_answer(SaveState(AgentId("a", "b")), answer)) == answer


@pytest.mark.parametrize(
    "question", [SaveState(AgentId("a", "b")), LoadState(AgentId("a", "b"), {}), Describe(AgentId("a", "b"))]
)
def test_an_answer_may_be_an_error(question: Question) -> None:
    back = control.decode_answer(control.encode_answer(question, Answer(error="no such agent")))
    assert back == Answer(error="no such agent")


def test_a_state_that_json_cannot_hold_is_refused_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="JSON can hold"):
        control.encode_answer(SaveState(AgentId("a", "b")), Answer({"when": object()}))


@pytest.mark.parametrize("state", ["", "[]", "{", "[" * 100_000, '"text"'])
def test_a_state_that_is_no_json_object_is_a_wire_error(state: str) -> None:
    body = control._any(agents_pb.SaveStateResponse(state=state))
    with pytest.raises(WireError):
        control.decode_answer(body)
    body = control._any(agents_pb.LoadStateRequest(agentId=agents_pb.AgentId(type="a", key="b"), state=state))
    with pytest.raises(WireError):
        control.decode_question(body)


@given(s.text, s.text, s.text, states)
def test_a_control_message_comes_back_as_it_was(rpc_id: str, destination: str, respond_to: str, state: Any) -> None:
    message = Control(rpc_id, destination, respond_to, control.encode_question(LoadState(AgentId("a", "b"), state)))
    assert control.decode_control(control.encode_control(message)) == message


@pytest.mark.parametrize(
    ("destination", "target"),
    [("agentid=a/b", AgentId("a", "b")), ("agentid=a/b/c=d", AgentId("a", "b/c=d")), ("clientid=x=y", "x=y")],
)
def test_a_destination_names_an_agent_or_a_client(destination: str, target: AgentId | str) -> None:
    assert Control("1", destination, "", b"").target() == target


@pytest.mark.parametrize("destination", ["", "agentid", "agentid=", "agentid=a", "agentid=!/k", "worker=1", "clientid"])
def test_a_malformed_destination_is_a_wire_error(destination: str) -> None:
    with pytest.raises(WireError):
        Control("1", destination, "", b"").target()


@given(st.lists(journal_events, max_size=3), s.text, uint64)
def test_journal_events_come_back_as_they_were(events: list[JournalEvent], name: str, missed: int) -> None:
    batch = JournalBatch(name, events, missed)
    assert watching.decode_journal_batch(watching.encode_journal_batch(batch)) == batch


@given(uint64, st.booleans(), s.text)
def test_what_a_watcher_asks_comes_back_as_it_was(after: int, follow: bool, text: str) -> None:
    assert watching.decode_watch(watching.encode_watch(after, follow)) == (after, follow)
    assert watching.decode_note_process(watching.encode_note_process(text, "killed", "x")) == (text, "killed", "x")
    assert watching.decode_cancel_session(watching.encode_cancel_session(text, "x")) == (text, "x")
    assert watching.decode_cancelled(watching.encode_cancelled(follow)) is follow


def test_a_snapshot_comes_back_as_it_was() -> None:
    worker = watching.WorkerInfo("w", "c", 7, "ipv4:1.2.3.4:5", True, 3, ["a"], [TypeSubscription("t", "a", "id")])
    sessions = [
        watching.SessionInfo("s1", "m", "a/b", "w", "c/d", "v", "Ask", 1.5, 2.5),
        watching.SessionInfo("s2", "m", "", "w", "c/d", "v", "Ask", 1.5, None),
    ]
    snapshot = watching.Snapshot([worker], sessions, 9, 2, {"late reply": 4})
    assert watching.decode_snapshot(watching.encode_snapshot(snapshot)) == snapshot


DECODERS: list[Callable[[bytes], Any]] = [
    calls.decode_register_agent,
    calls.decode_withdraw_agent,
    calls.decode_add_subscription,
    calls.decode_remove_subscription,
    calls.decode_subscriptions,
    control.decode_control,
    control.decode_question,
    control.decode_answer,
    watching.decode_journal_batch,
    watching.decode_watch,
    watching.decode_note_process,
    watching.decode_cancel_session,
    watching.decode_cancelled,
    watching.decode_snapshot,
]


@pytest.mark.parametrize("decode", DECODERS, ids=lambda decode: decode.__name__)
def test_bytes_that_are_nothing_raise_a_wire_error_and_nothing_else(decode: Callable[[bytes], Any]) -> None:
    refused = 0

    @given(st.binary(max_size=80))
    @settings(max_examples=100)
    def feed(data: bytes) -> None:
        nonlocal refused
        try:
            decode(data)
        except WireError:
            refused += 1

    feed()
    assert refused
