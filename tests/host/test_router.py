"""What becomes of every message, and of every request when a process is lost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentlab import AgentId
from agentlab.core import journal as j
from agentlab.host.connection import Limits
from agentlab.wire.parcels import NOTHING, Event, Failure, LostMessage, Payload, Request, Response, WireError

from .world import TEXT, Peer, World

BIG = Payload("Text", "application/json", b"x" * 2000)
SMALL = Limits(max_message_bytes=1000)


@pytest.fixture
def world() -> World:
    return World()


# Direct messages


@pytest.mark.parametrize("reports", [True, False])
def test_a_request_goes_to_the_holder_and_its_reply_to_the_sender(world: World, reports: bool) -> None:
    sky, asker = world.worker("sky", "sky", reports=reports), world.worker("asker")
    asker.ask("1", "sky")
    (request,) = sky.read_requests()
    assert (request.target, request.payload) == (AgentId("sky", "k"), TEXT)
    sky.answer(request)
    (response,) = asker.read_responses()
    assert (response.request_id, response.payload, response.failure) == ("1", TEXT, None)
    words = world.words("client-2:1")
    ours = [f"request {what}" for what in ("received", "started")] if reports else []
    assert words == [
        "request sent", "request arrived", "request left", *ours, *(["request handled"] if reports else []),
        "response sent", "response arrived", *([] if reports else ["request handled"]), "response left",
        "response received",
    ]  # fmt: skip
    assert len(world.router.sessions) == 0


def test_a_reply_of_nothing_is_a_reply(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    sky.answer(sky.read_requests()[0], NOTHING)
    assert asker.read_responses()[0].payload == NOTHING


def test_a_handlers_failure_reaches_the_sender_as_it_was_told(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    failure = Failure("RemoteHandlerError", "bad luck", "KeyError", "the traceback")
    sky.answer(sky.read_requests()[0], NOTHING, failure)
    assert asker.read_responses()[0].failure == failure


def test_a_type_that_nobody_advertises_is_an_error_that_names_the_closest(world: World) -> None:
    world.worker("sky", "weather"), world.worker("sea", "tides")
    asker = world.worker("asker")
    asker.ask("1", "wether")
    failure = asker.read_responses()[0].failure
    assert failure is not None
    assert failure.kind == "AgentNotFoundError"
    assert "'wether'" in failure.text
    assert "Did you mean 'weather'?" in failure.text
    assert "tides, weather" in failure.text
    assert world.events("request", j.DROPPED)


def test_two_senders_with_the_same_request_id_get_each_their_own_reply(world: World) -> None:
    sky, first, second = world.worker("sky", "sky"), world.worker("a"), world.worker("b")
    first.ask("1", "sky")
    second.ask("1", "sky")
    asked = sky.read_requests()
    for n, request in reversed(list(enumerate(asked))):
        sky.answer(request, Payload("Text", "application/json", b"%d" % n))
    assert [r.payload.data for r in first.read_responses()] == [b"0"]
    assert [r.payload.data for r in second.read_responses()] == [b"1"]


def test_a_request_id_that_is_open_cannot_be_used_again_by_its_sender(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    asker.ask("1", "sky")
    (request,) = sky.read_requests()
    sky.answer(request)
    answers = asker.read_responses()
    assert [response.request_id for response in answers] == ["1"]
    assert world.events("request", j.DROPPED)


@pytest.mark.parametrize("own_deadline_s", [5.0, None])
def test_a_request_without_an_answer_ends_at_its_deadline(own_deadline_s: float | None) -> None:
    world = World(default_deadline_s=5.0)
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky", deadline_s=own_deadline_s)
    (request,) = sky.read_requests()
    world.pass_time(4.9)
    assert asker.read() == []
    world.pass_time(0.2)
    (response,) = asker.read_responses()
    assert response.failure is not None
    assert (response.failure.kind, response.request_id) == ("DeadlineExceededError", "1")
    assert "5 s" in response.failure.text
    sky.read()
    assert [cancel.request_id for cancel in sky.cancels] == [request.request_id]
    sky.answer(request)
    assert asker.read() == []
    assert [e.detail for e in world.events("response", j.DROPPED)] == ["late: its request had already ended"]
    assert world.router.counters["late reply"] == 1
    assert sky.connection.outstanding == {}


@pytest.mark.parametrize("default_s", [None, 5.0])
def test_a_request_may_wait_for_ever(default_s: float | None) -> None:
    world = World(default_deadline_s=default_s)
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky", deadline_s=math.inf)
    world.pass_time(1e9)
    sky.answer(sky.read_requests()[0])
    assert asker.read_responses()[0].failure is None


def test_a_cancelled_request_is_cancelled_at_its_target_and_not_answered(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    (request,) = sky.read_requests()
    asker.cancel("1")
    asker.cancel("1")
    sky.read()
    assert [cancel.request_id for cancel in sky.cancels] == [request.request_id]
    sky.answer(request)
    assert asker.read() == []
    assert len(world.router.sessions) == 0


def test_a_session_can_be_given_up_by_somebody_else_than_its_sender(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    (request,) = sky.read_requests()
    (session,) = world.router.snapshot().sessions
    assert world.router.endings.cancel_session(session.id, "by hand")
    assert not world.router.endings.cancel_session(session.id)
    (response,) = asker.read_responses()
    assert response.failure is not None
    assert response.failure.kind == "RequestCancelledError"
    assert "by hand" in response.failure.text
    sky.read()
    assert [cancel.request_id for cancel in sky.cancels] == [request.request_id]
    sky.answer(request)
    assert asker.read() == []
    assert len(world.router.sessions) == 0


@pytest.mark.parametrize("how", ["deadline", "cancel", "sender lost"])
def test_a_plain_worker_that_answers_too_late_leaves_nothing_behind(world: World, how: str) -> None:
    sky, asker = world.worker("sky", "sky", reports=False), world.worker("asker")
    asker.ask("1", "sky")
    (request,) = sky.read_requests()
    if how == "deadline":
        world.pass_time(100)
    elif how == "cancel":
        asker.cancel("1")
    else:
        asker.leave()
    sky.answer(request)
    assert sky.connection.outstanding == {}


@pytest.mark.parametrize("read_before", [True, False])
def test_the_requests_to_a_worker_that_is_lost_end_with_an_error(world: World, read_before: bool) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    if read_before:
        sky.read()
    sky.leave("killed")
    (response,) = asker.read_responses()
    assert response.failure is not None
    assert response.failure.kind == "WorkerLostError"
    assert "sky/k" in response.failure.text
    assert "killed" in response.failure.text
    assert [e.what for e in world.events("request") if e.what in j.ENDINGS] == [j.LOST]
    asker.ask("2", "sky")
    assert asker.read_responses()[0].failure.kind == "AgentNotFoundError"  # type: ignore[union-attr]


def test_the_requests_of_a_worker_that_is_lost_are_cancelled(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    (request,) = sky.read_requests()
    asker.leave()
    sky.read()
    assert [cancel.request_id for cancel in sky.cancels] == [request.request_id]
    assert len(world.router.sessions) == 0
    sky.answer(request)
    assert world.events("response", j.DROPPED)


@pytest.mark.parametrize("reports", [True, False])
@pytest.mark.parametrize("read_before", [True, False])
def test_a_worker_that_asked_itself_may_be_lost(world: World, reports: bool, read_before: bool) -> None:
    sky = world.worker("sky", "sky", reports=reports)
    sky.ask("1", "sky")
    if read_before:
        sky.read()
    sky.leave()
    connection = sky.connection
    assert len(world.router.sessions) == 0
    assert (connection.asked, connection.asked_of, connection.outstanding) == ({}, {}, {})
    endings = [(e.kind, e.what) for e in world.router.journal if e.what in j.ENDINGS]
    assert endings == [("request", j.LOST), ("response", j.LOST)]


def test_losing_a_worker_twice_does_nothing(world: World) -> None:
    sky = world.worker("sky", "sky")
    sky.leave("first")
    sky.leave("second")
    assert [e.detail for e in world.events("process", j.GONE)] == ["first"]


def test_a_payload_that_is_too_large_is_refused_by_name() -> None:
    world = World(SMALL)
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky", payload=BIG)
    failure = asker.read_responses()[0].failure
    assert failure is not None
    assert failure.kind == "PayloadTooLargeError"
    assert "2,000" in failure.text
    assert "1,000" in failure.text
    assert sky.read() == []


def test_a_reply_that_is_too_large_is_an_error_at_the_sender() -> None:
    world = World(SMALL)
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    sky.answer(sky.read_requests()[0], BIG)
    (response,) = asker.read_responses()
    assert response.failure is not None
    assert (response.failure.kind, response.payload) == ("PayloadTooLargeError", NOTHING)


def test_an_error_text_of_any_length_is_cut_before_it_is_passed_on(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker", reports=False)
    asker.ask("1", "sky")
    million = "x" * 5_000_000
    sky.answer(sky.read_requests()[0], NOTHING, Failure("RemoteHandlerError", million, "KeyError", million))
    pieces, _ = asker.connection.take()
    assert 1000 < len(pieces[0]) < 4 * 1024 * 1024


def test_a_request_to_a_full_queue_is_refused_by_name() -> None:
    world = World(Limits(queue_messages=2))
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    for n in range(3):
        asker.ask(str(n), "sky")
    (response,) = asker.read_responses()
    assert response.failure is not None
    assert (response.request_id, response.failure.kind) == ("2", "QueueFullError")
    assert [r.target.type for r in sky.read_requests()] == ["sky", "sky"]


def test_a_reply_that_nobody_asked_for_is_noted_and_harms_nothing(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    (request,) = sky.read_requests()
    asker.answer(Request(request.request_id, AgentId("sky", "k"), TEXT))  # it was not asked of this worker
    sky.answer(Request("s99", AgentId("sky", "k"), TEXT))
    assert world.router.counters["unasked reply"] == 2
    assert asker.read() == []
    sky.answer(request)
    assert [response.request_id for response in asker.read_responses()] == ["1"]


def test_something_illegal_is_noted_and_a_request_answered(world: World) -> None:
    asker = world.worker("asker")
    error = WireError("no such thing")
    world.router.reject(asker.connection, error)
    error.request_id = "7"
    world.router.reject(asker.connection, error)
    (response,) = asker.read_responses()
    assert response.request_id == "7"
    assert response.failure is not None
    assert len(world.events("process", j.REFUSED)) == 2


def test_an_illegal_reply_ends_its_session_at_once_and_no_other(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    for number in ("1", "2"):
        asker.ask(number, "sky")
    first, second = sky.read_requests()
    error = WireError("no such thing")
    error.answers = second.request_id
    world.router.reject(asker.connection, error)  # it was not asked of this worker
    error.answers = first.request_id
    world.router.reject(sky.connection, error)
    (response,) = asker.read_responses()
    assert response.request_id == "1"
    assert response.failure is not None
    assert response.failure.text == "sky/k on sky answered with something illegal: no such thing"
    assert len(world.router.sessions) == 1


# Published messages


def test_a_published_message_reaches_every_subscriber_but_its_sender(world: World) -> None:
    sky, sea = world.worker("sky", "sky"), world.worker("sea", "sea", "fish")
    for peer, agent_type in ((sky, "sky"), (sea, "sea"), (sea, "fish")):
        peer.subscribe("weather", agent_type)
    sky.publish("weather", "m1", AgentId("sky", "k"))
    assert sky.read() == []
    (event,) = sea.read()
    assert isinstance(event, Event)
    assert [agent for agent, _ in event.recipients] == [AgentId("sea", "k"), AgentId("fish", "k")]
    for n, (_, delivery_id) in enumerate(event.recipients):
        sea.report(delivery_id, [j.HANDLED, j.UNHANDLED][n])
    assert {(e.recipient, e.what) for e in world.events("event") if e.what in j.ENDINGS} == {
        ("sea/k", j.HANDLED),
        ("fish/k", j.UNHANDLED),
    }
    assert sea.connection.outstanding == {}


def test_a_plain_worker_gets_each_published_message_once(world: World) -> None:
    sea = world.worker("sea", "sea", "fish", reports=False)
    sea.subscribe("weather", "sea")
    sea.subscribe("weather", "fish")
    sea.publish("weather", "m1")
    (event,) = sea.read()
    assert isinstance(event, Event)
    assert event.message_id == "m1"
    assert sea.connection.outstanding == {}


@pytest.mark.parametrize(
    ("case", "detail"),
    [
        ("no subscriber", "nobody subscribes to weather/k"),
        ("nobody advertises", "nobody advertises the type 'sky'"),
        ("too large", "The payload has 2,000 bytes"),
        ("queue full", "too many messages already wait"),
    ],
)
def test_a_published_message_that_goes_nowhere_is_journaled_and_counted(case: str, detail: str) -> None:
    world = World(Limits(max_message_bytes=1000, queue_messages=1))
    sky, asker = world.worker("sky", "sea"), world.worker("asker")
    if case != "no subscriber":
        sky.subscribe("weather", "sky")
    if case == "queue full":
        world.router.register(sky.client_id, "sky")
        asker.ask("1", "sky")
    asker.publish("weather", "m1", payload=BIG if case == "too large" else TEXT)
    (dropped,) = world.events("event", j.DROPPED)
    assert detail in dropped.detail
    assert world.router.counters[case] == 1


def test_a_full_queue_drops_that_receivers_copy_and_no_other() -> None:
    world = World(Limits(queue_messages=3))
    slow, quick, asker = world.worker("slow", "slow"), world.worker("quick", "quick"), world.worker("asker")
    slow.subscribe("weather", "slow")
    quick.subscribe("weather", "quick")
    got = 0
    for n in range(10):
        asker.publish("weather", f"m{n}")
        got += len(quick.read())
    assert got == 10
    assert len(slow.read()) == 3
    assert {e.recipient for e in world.events("event", j.DROPPED)} == {"slow/k"}
    assert world.router.counters["queue full"] == 7


@pytest.mark.parametrize("read_before", [True, False])
def test_the_copies_that_a_lost_worker_had_are_lost_with_a_reason(world: World, read_before: bool) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    sky.subscribe("weather", "sky")
    asker.publish("weather", "m1")
    if read_before:
        sky.read()
    sky.leave("killed")
    (lost,) = world.events("event", j.LOST)
    assert "killed" in lost.detail
    assert (lost.message_id, lost.recipient) == ("m1", "sky/k")


def test_what_a_lost_plain_worker_had_not_been_sent_is_lost_too(world: World) -> None:
    sky, asker = world.worker("sky", "sky", reports=False), world.worker("asker")
    sky.subscribe("weather", "sky")
    asker.publish("weather", "m1")
    sky.leave("killed")
    assert len(world.events("event", j.LOST)) == 1


def test_a_report_about_something_that_a_worker_was_never_sent_is_only_counted(world: World) -> None:
    sky, sea = world.worker("sky", "sky"), world.worker("sea")
    sea.ask("1", "sky")
    (request,) = sky.read_requests()
    sea.report(request.delivery_id, j.HANDLED)
    sky.report(10_000, j.HANDLED)
    assert world.router.counters["unknown report"] == 2
    assert world.events("request", j.HANDLED) == []


# Workers


def test_names_are_told_apart(world: World) -> None:
    names = [world.worker(name).connection.name for name in ("sky", "sky", "host", "", "sky")]
    assert names[:3] == ["sky", "sky-2", "host-2"]
    assert names[3].startswith("worker-")
    assert names[4] == "sky-3"


def test_a_client_id_that_is_connected_cannot_connect_again(world: World) -> None:
    sky = world.worker("sky", "sky")
    with pytest.raises(ValueError, match="in use"):
        world.router.connect(sky.client_id, "other", reports=True)
    assert world.router.directory.holder("sky") == sky.client_id


def test_a_connection_that_is_resumed_takes_the_earlier_ones_place_and_name(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    sky.read()
    again = world.router.connect("other", "sky", reports=True, resume_token=sky.connection.resume_token)
    assert again.name == "sky"
    assert sky.connection.closed
    world.router.register("other", "sky")
    assert asker.read_responses()[0].failure.kind == "WorkerLostError"  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="already registered"):
        world.router.register(asker.client_id, "sky")


def test_a_wrong_resume_token_takes_nobodys_place(world: World) -> None:
    sky = world.worker("sky", "sky")
    world.router.connect("other", "sky", reports=True, resume_token="a guess")
    assert not sky.connection.closed


def test_what_could_not_be_registered_when_the_channel_opened_is_noted(world: World) -> None:
    world.router.register("late", "sky")
    world.worker("sky", "sky")
    world.router.connect("late", "late", reports=False)
    (refused,) = world.events("process", j.REFUSED)
    assert "already registered" in refused.detail


def test_a_snapshot_says_who_is_connected_and_what_waits(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    sky.subscribe("weather", "sky")
    asker.ask("1", "sky", sender=AgentId("asker", "k"), deadline_s=10.0)
    world.clock.now_s += 4
    snapshot = world.router.snapshot()
    assert [(w.name, w.types, w.queued, len(w.subscriptions)) for w in snapshot.workers] == [
        ("sky", ["sky"], 1, 1),
        ("asker", [], 0, 0),
    ]
    (session,) = snapshot.sessions
    assert (session.sender, session.target, session.sender_worker, session.target_worker) == (
        "asker/k", "sky/k", "asker", "sky",
    )  # fmt: skip
    assert (session.age_s, session.remaining_s) == (4.0, 6.0)
    assert snapshot.journal_seq == world.router.journal.last_seq


# Laws


@dataclass
class Fate:
    """What a test knows of a worker."""

    peer: Peer
    requests: list[Request] = field(default_factory=list)
    """Read and not answered yet."""
    copies: list[int] = field(default_factory=list)
    """Delivery ids of published copies, read and not reported yet."""
    answers: dict[str, list[Response]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    gone: bool = False

    def read(self) -> None:
        for parcel in self.peer.read():
            if isinstance(parcel, Request):
                self.requests.append(parcel)
            elif isinstance(parcel, Response):
                self.answers.setdefault(parcel.request_id, []).append(parcel)
            elif self.peer.connection.reports:
                self.copies += [delivery_id for _, delivery_id in parcel.recipients]

    def answer(self, which: int, failure: Failure | None) -> None:
        if self.requests:
            self.peer.answer(self.requests.pop(which % len(self.requests)), failure=failure)

    def report(self, which: int, what: str) -> None:
        if self.copies:
            self.peer.report(self.copies.pop(which % len(self.copies)), what)


WORKERS = 4  # the last one is plain
who = st.integers(0, WORKERS - 1)
steps = st.one_of(
    st.tuples(st.just("ask"), who, st.integers(0, WORKERS), st.none() | st.floats(0.1, 10) | st.just(math.inf)),
    st.tuples(st.just("publish"), who),
    st.tuples(st.just("read"), who),
    st.tuples(st.just("answer"), who, st.integers(0, 9), st.booleans()),
    st.tuples(
        st.just("report"), who, st.integers(0, 9), st.sampled_from([j.HANDLED, j.UNHANDLED, j.FAILED, j.DROPPED])
    ),
    st.tuples(st.just("cancel"), who, st.integers(0, 9)),
    st.tuples(st.just("leave"), who),
    st.tuples(st.just("time"), st.floats(0, 6)),
)


def _join(world: World, n: int) -> Fate:
    peer = world.worker(f"w{n}", f"t{n}", reports=n < WORKERS - 1)
    peer.subscribe("news", f"t{n}")
    return Fate(peer)


@given(st.lists(steps, max_size=60))
@settings(max_examples=150, deadline=None)
def test_whatever_happens_every_request_ends_once_and_every_copy_once(script: list[tuple]) -> None:  # type: ignore[type-arg]
    world = World(Limits(queue_messages=4, outstanding=9), default_deadline_s=5.0)
    workers = [_join(world, n) for n in range(WORKERS)]
    past: list[Fate] = []
    numbers = iter(range(1, 1000))
    for step in script:
        fate = workers[step[1]] if step[0] != "time" else workers[0]
        match step:
            case "ask", _, target, deadline_s:
                request_id = f"r{next(numbers)}"
                fate.asked.add(request_id)
                fate.peer.ask(request_id, f"t{target}", deadline_s=deadline_s)
            case "publish", _:
                fate.peer.publish("news", f"e{next(numbers)}")
            case "read", _:
                fate.read()
            case "answer", _, which, fails:
                fate.answer(which, Failure("RemoteHandlerError", "x") if fails else None)
            case "report", _, which, what:
                fate.report(which, what)
            case "cancel", _, which:
                open_ones = sorted(fate.asked - fate.cancelled)
                if open_ones:
                    fate.cancelled.add(open_ones[which % len(open_ones)])
                    fate.peer.cancel(open_ones[which % len(open_ones)])
            case "leave", n:
                fate.peer.leave()
                fate.gone = True
                past.append(fate)
                workers[n] = _join(world, n)
            case "time", seconds:
                world.pass_time(seconds)
    # In the end everybody does all that is left to do.
    for _ in range(3):
        for fate in workers:
            fate.read()
            while fate.requests:
                fate.answer(0, None)
            while fate.copies:
                fate.report(0, j.HANDLED)
    for fate in workers:
        for request_id in fate.asked:
            answers = len(fate.answers.get(request_id, []))
            assert answers <= 1 if request_id in fate.cancelled else answers == 1
        connection = fate.peer.connection
        assert (connection.asked, connection.asked_of, connection.outstanding) == ({}, {}, {})
        assert len(connection) == 0
    for fate in past:
        assert (fate.peer.connection.asked, fate.peer.connection.asked_of, fate.peer.connection.outstanding) == (
            {},
            {},
            {},
        )
    assert len(world.router.sessions) == 0
    _check_journal(world)


def _check_journal(world: World) -> None:
    plain = {f"t{WORKERS - 1}/k"}
    for (_, kind, recipient), life in j.messages(world.router.journal).items():
        endings = [event.what for event in life if event.what in j.ENDINGS]
        if kind == j.EVENT and recipient:
            if recipient in plain:
                assert endings in ([], [j.LOST], [j.DROPPED])
                assert endings or life[-1].what == j.LEFT
            else:
                assert len(endings) == 1, life
        elif kind == j.REQUEST:
            assert endings, life
        if any(event.detail.startswith("late:") for event in life):
            continue  # two responses under one name: the host's error, and the reply that came after it
        way = [event for event in life if event.what in (j.SENT, j.ARRIVED, j.LEFT, j.RECEIVED, j.STARTED)]
        lamports = [event.lamport for event in way]
        assert lamports == sorted(set(lamports)), "a step has a smaller Lamport time than the one that follows"
        times = [event.time_ns for event in way]
        assert times == sorted(times)


def test_payloads_are_recorded_when_they_are_asked_for_and_cut_when_long() -> None:
    world = World()
    world.router.book._payload_bytes = 10
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    sky.answer(sky.read_requests()[0])
    assert [(e.kind, e.payload) for e in world.events(what=j.ARRIVED)] == [
        ("request", '{"text": "' + " …"),
        ("response", '{"text": "' + " …"),
    ]
    assert not any(e.payload for e in world.events() if e.what != j.ARRIVED)


def test_payloads_are_not_recorded_unless_they_are_asked_for(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    sky.answer(sky.read_requests()[0])
    assert not any(e.payload for e in world.events())


def test_what_was_taken_from_connections_that_ended_is_remembered_of_so_many_as_may_be_connected() -> None:
    world = World(Limits(workers=2))
    tokens = []
    for n in range(3):
        worker = world.worker(f"w{n}")
        worker.connection.taken = n
        tokens.append(worker.connection.resume_token)
        assert world.router.taken(tokens[-1]) is None
        worker.leave()
    assert [world.router.taken(token) for token in tokens] == [None, 1, 2]


def test_a_message_that_its_sender_tells_to_be_lost_is_journaled_and_counted(world: World) -> None:
    asker = world.worker("asker")
    ahead_ns = world.clock.nanoseconds() + 10**9
    lost = LostMessage("m", "c", "a/k", "t/k", "Text", 5, ahead_ns, 7, "never arrived")
    world.router.book.lost(asker.connection, lost)
    sent, end = world.events(j.EVENT)
    assert (sent.what, sent.process, sent.lamport) == (j.SENT, "asker", 7)
    assert (end.what, end.process, end.detail) == (j.LOST, "asker", "never arrived")
    assert (end.message_id, end.cause, end.sender, end.recipient) == ("m", "c", "a/k", "")
    assert (end.topic, end.type, end.size) == ("t/k", "Text", 5)
    assert sent.time_ns <= end.time_ns == world.clock.nanoseconds()
    assert sent.lamport < end.lamport
    assert world.router.counters["lost on the way"] == 1
