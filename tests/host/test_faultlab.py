"""What the fault lab does to messages that pass the host: what the receiver gets, and what the journal says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab.core import journal as j
from agentlab.host.connection import Limits
from agentlab.wire.faults import Delay, Drop, Duplicate, Effect, Match, Partition, Reorder, Rule, Slow
from agentlab.wire.parcels import Event, Response

from .world import Peer, World


@pytest.fixture
def world() -> World:
    return World()


def ids(peer: Peer) -> list[str]:
    return [parcel.message_id for parcel in peer.read() if isinstance(parcel, Event)]


def subscribed(world: World, name: str, reports: bool = True) -> Peer:
    peer = world.worker(name, name, reports=reports)
    peer.subscribe("news", name)
    return peer


def test_without_a_rule_no_message_asks_the_fault_lab(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    assert world.router._faults is None
    number = world.router.set_fault(Rule(Delay(1.0), Match(receiver="sky")))
    assert world.router._faults is not None
    asker.ask("1", "sky")
    world.router.remove_faults([number])
    assert world.router._faults is None
    assert len(sky.read_requests()) == 1


def test_a_dropped_request_ends_at_its_deadline(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    world.router.set_fault(Rule(Drop(), Match(receiver="sky", kind=j.REQUEST)))
    asker.ask("1", "sky", deadline_s=2.0)
    assert sky.read_requests() == []
    assert asker.read_responses() == []
    world.pass_time(2.1)
    (response,) = asker.read_responses()
    assert response.failure is not None
    assert response.failure.kind == "DeadlineExceededError"
    (dropped,) = world.events(j.REQUEST, j.DROPPED)
    assert dropped.detail == "fault: drop #1 (drop requests to sky)"
    assert dropped.process == j.HOST
    assert len(world.router.sessions) == 0


def test_a_dropped_reply_ends_nothing_and_the_next_one_counts(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    world.router.set_fault(Rule(Drop(), Match(sender="sky"), count=1))
    asker.ask("1", "sky", deadline_s=2.0)
    (request,) = sky.read_requests()
    sky.answer(request)
    assert asker.read_responses() == []
    assert len(world.router.sessions) == 1
    sky.answer(request)
    assert [response.failure for response in asker.read_responses()] == [None]
    assert len(world.router.sessions) == 0
    assert [event.what for event in world.events(j.PROCESS) if event.what == j.FAULT] == [j.FAULT]
    world.pass_time(0.1)
    assert "ends" in world.events(j.PROCESS, j.FAULT)[-1].detail


def test_a_duplicated_request_is_handled_twice_and_its_second_reply_is_late(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    world.router.set_fault(Rule(Duplicate(), Match(kind=j.REQUEST)))
    asker.ask("1", "sky")
    first, second = sky.read_requests()
    assert first.message_id == second.message_id
    assert first.delivery_id != second.delivery_id
    sky.answer(first)
    sky.answer(second)
    assert len(asker.read_responses()) == 1
    words = world.words("client-2:1")
    assert words.count("request handled") == 2
    assert words.count("request duplicated") == 1
    assert words[-3:].count("response dropped") == 1
    assert not sky.connection.outstanding


def test_a_duplicated_reply_arrives_twice(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    world.router.set_fault(Rule(Duplicate(), Match(kind=j.RESPONSE)))
    asker.ask("1", "sky")
    sky.answer(sky.read_requests()[0])
    assert [response.request_id for response in asker.read_responses()] == ["1", "1"]


def test_a_delayed_message_waits_and_others_on_its_way_wait_behind_it(world: World) -> None:
    sky, asker = subscribed(world, "sky"), world.worker("asker")
    world.router.set_fault(Rule(Delay(1.0), count=1))
    asker.publish("news", "first")
    asker.publish("news", "second")
    world.pass_time(0.9)
    assert ids(sky) == []
    world.pass_time(0.2)
    assert ids(sky) == ["first", "second"]
    details = [event.detail for event in world.events(j.EVENT, j.DELAYED)]
    assert details == ["fault: delay #1: 1 s", "fault: delay #1: waits behind an earlier message"]


def test_a_reply_that_is_held_longer_than_the_deadline_is_late(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    world.router.set_fault(Rule(Delay(5.0), Match(kind=j.RESPONSE)))
    asker.ask("1", "sky", deadline_s=2.0)
    sky.answer(sky.read_requests()[0])
    world.pass_time(2.1)
    assert [r.failure.kind for r in asker.read_responses() if r.failure] == ["DeadlineExceededError"]
    world.pass_time(5.0)
    assert asker.read() == []
    assert world.events(j.RESPONSE, j.DROPPED)[0].detail.startswith("late:")


def test_the_word_that_nobody_waits_follows_a_delayed_request(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    world.router.set_fault(Rule(Delay(3.0), Match(kind=j.REQUEST)))
    asker.ask("1", "sky")
    asker.cancel("1")
    assert (sky.read(), sky.cancels) == ([], [])
    world.pass_time(3.1)
    assert len(sky.read_requests()) == 1
    assert len(sky.cancels) == 1


def test_what_waits_for_a_worker_that_leaves_is_journaled_as_lost(world: World) -> None:
    sky, asker = subscribed(world, "sky"), world.worker("asker")
    world.router.set_fault(Rule(Delay(3.0)))
    asker.publish("news", "event")
    asker.ask("1", "sky")
    sky.leave("stopped")
    assert len(world.events(j.EVENT, j.LOST)) == 1
    assert len(world.events(j.REQUEST, j.LOST)) == 1
    assert [r.failure.kind for r in asker.read_responses() if r.failure] == ["WorkerLostError"]
    world.pass_time(4)
    assert len(world.events(what=j.LEFT)) == 1  # the error's


def test_what_is_held_back_for_a_worker_that_leaves_in_order_goes_on_at_once(world: World) -> None:
    sky, asker = subscribed(world, "sky"), world.worker("asker")
    world.router.set_fault(Rule(Delay(3.0)))
    asker.publish("news", "1")
    asker.publish("news", "2")
    asker.ask("1", "sky")
    world.router.leave(sky.client_id)
    assert [parcel.message_id for parcel in sky.read() if not isinstance(parcel, Response)] == ["1", "2", "client-2:1"]
    world.pass_time(4)
    assert sky.read() == []


def test_what_waits_when_the_host_stops_is_journaled_as_lost(world: World) -> None:
    subscribed(world, "sky")
    asker = world.worker("asker")
    world.router.set_fault(Rule(Delay(3.0)))
    asker.publish("news", "event")
    world.router.faultlab.close()
    assert "the host stopped" in world.events(j.EVENT, j.LOST)[0].detail


def test_what_a_worker_sent_before_it_left_still_arrives(world: World) -> None:
    sky, asker = subscribed(world, "sky"), world.worker("asker")
    world.router.set_fault(Rule(Delay(3.0)))
    asker.publish("news", "event")
    asker.leave("stopped")
    world.pass_time(3.1)
    assert ids(sky) == ["event"]


def test_clearing_the_rules_lets_all_that_waits_go_on_at_once_and_in_order(world: World) -> None:
    sky, asker = subscribed(world, "sky"), world.worker("asker")
    world.router.set_fault(Rule(Slow(1.0)))
    for n in range(5):
        asker.publish("news", str(n))
    assert ids(sky) == []
    world.router.remove_faults()
    assert ids(sky) == ["0", "1", "2", "3", "4"]
    assert world.router.faultlab.rules() == []


def test_a_reordered_message_comes_after_the_next_one(world: World) -> None:
    sky, asker = subscribed(world, "sky"), world.worker("asker")
    world.router.set_fault(Rule(Reorder(), count=1))
    for n in range(3):
        asker.publish("news", str(n))
    assert ids(sky) == ["1", "0", "2"]


def test_in_a_partition_the_two_sides_do_not_hear_each_other_until_it_heals(world: World) -> None:
    left, right, third = subscribed(world, "left"), subscribed(world, "right"), subscribed(world, "third")
    world.router.set_fault(Rule(Partition((("left",), ("right", "asker"))), for_s=2.0))
    left.publish("news", "one", sender=None)
    assert (ids(right), ids(third)) == ([], ["one"])
    assert ids(left) == ["one"]
    assert "left and right cannot hear each other" in world.events(j.EVENT, j.DROPPED)[0].detail
    world.pass_time(2.1)
    left.publish("news", "two")
    assert ids(right) == ["two"]
    spans = [(event.what, event.process) for event in world.events(j.PROCESS) if event.what in (j.PARTED, j.HEALED)]
    assert spans == [(what, name) for what in (j.PARTED, j.HEALED) for name in ("left", "right", "asker")]


def test_a_cancellation_does_not_cross_a_partition(world: World) -> None:
    sky, asker = world.worker("sky", "sky"), world.worker("asker")
    asker.ask("1", "sky")
    world.router.set_fault(Rule(Partition((("sky",), ("asker",)))))
    asker.cancel("1")
    sky.read()
    assert sky.cancels == []


def test_a_worker_that_is_cut_off_from_the_host_is_lost_after_the_time_that_silence_takes(world: World) -> None:
    sky, other = world.worker("sky", "sky"), world.worker("other", "other")
    world.router.set_fault(Rule(Partition((("sky",), ("host",)))))
    assert "partition #1" in sky.connection.cut
    assert other.connection.cut == ""
    assert "partition #1" in world.router.faultlab.cut("sky")
    world.pass_time(9.9)
    assert sky.connection.closed == ""
    assert world.router.tick_faults() == pytest.approx(0.1)
    world.pass_time(0.2)
    assert "no sign of life for 10 s" in sky.connection.closed
    assert other.connection.closed == ""


def test_a_worker_that_was_cut_off_for_a_moment_goes_on(world: World) -> None:
    sky = world.worker("sky", "sky")
    world.router.set_fault(Rule(Partition((("sky",), ("host",))), for_s=2.0))
    woken = sky.woken
    world.pass_time(2.1)
    assert (sky.connection.cut, sky.connection.closed) == ("", "")
    assert sky.woken == woken + 1


def test_more_than_a_queue_takes_is_not_held_back(world: World) -> None:
    world = World(Limits(queue_messages=3))
    subscribed(world, "sky")
    asker = world.worker("asker")
    world.router.set_fault(Rule(Delay(3.0)))
    for n in range(5):
        asker.publish("news", str(n))
    dropped = world.events(j.EVENT, j.DROPPED)
    assert [event.message_id for event in dropped] == ["3", "4"]
    assert "queue full" in dropped[0].detail


@pytest.mark.parametrize("reports", [True, False])
def test_a_plain_worker_is_struck_like_any_other(world: World, reports: bool) -> None:
    sky, asker = subscribed(world, "sky", reports), world.worker("asker")
    world.router.set_fault(Rule(Duplicate(), Match(to_process="sky")))
    asker.publish("news", "event")
    asker.ask("1", "sky")
    parcels = sky.read()
    assert len(parcels) == 4
    for request in parcels[2:]:
        sky.answer(request)  # type: ignore[arg-type]
    assert len(asker.read_responses()) == 1
    assert reports or not sky.connection.outstanding


effects = st.sampled_from([Drop(), Delay(0.5, 0.5), Delay(0.2, 0.2, False), Duplicate(), Reorder(), Slow(100.0)])
asked = st.lists(st.tuples(st.sampled_from(["ask", "publish", "wait"]), st.sampled_from(["sky", "sea"])), max_size=20)


@given(st.lists(st.builds(Rule, effects, probability=st.floats(0, 1)), min_size=1, max_size=3), asked, st.booleans())
def test_every_request_ends_and_every_copy_is_accounted_for(
    rules: list[Rule], asked: list[tuple[str, str]], reports: bool
) -> None:
    world = World(default_deadline_s=5.0)
    workers = [subscribed(world, name, reports) for name in ("sky", "sea")]
    asker = world.worker("asker")
    for rule in rules:
        world.router.set_fault(rule)
    answers, wanted = [], 0

    def settle() -> None:
        for worker in workers:
            for parcel in worker.read():
                if isinstance(parcel, Event):
                    for _, delivery_id in parcel.recipients:
                        worker.report(delivery_id, j.HANDLED)
                else:
                    worker.answer(parcel)  # type: ignore[arg-type]
        answers.extend(asker.read_responses())

    for n, (what, target) in enumerate(asked):
        if what == "wait":
            world.pass_time(0.3)
            settle()
        elif what == "ask":
            asker.ask(str(n), target)
            wanted += 1
        else:
            asker.publish("news", f"event-{n}")
    for _ in range(100):
        world.pass_time(0.5)
        settle()
    assert len(world.router.sessions) == 0
    assert len({answer.request_id for answer in answers}) == wanted
    assert not any(worker.connection.outstanding for worker in workers)
    copies: dict[tuple[str, str, str], set[str]] = {}
    for event in world.router.journal:
        copies.setdefault(event.copy, set()).add(event.what)
    if reports:
        for (_, kind, recipient), what in copies.items():
            if kind == j.EVENT and recipient:
                assert what & j.ENDINGS


def test_an_effect_is_always_one_of_the_journals_words(world: World) -> None:
    effects: list[Effect] = [Delay(1), Drop(), Duplicate(), Reorder(), Slow(10)]
    subscribed(world, "sky")
    asker = world.worker("asker")
    for n, effect in enumerate(effects, 1):
        number = world.router.set_fault(Rule(effect))
        asker.publish("news", f"event-{n}")
        struck = [e for e in world.events(j.EVENT) if f"fault: {type(effect).__name__.lower()} #{number}" in e.detail]
        assert next(event.what for event in struck) in (j.DELAYED, j.DROPPED, j.DUPLICATED)
        world.router.remove_faults()
