"""What the rules of the fault lab decide, with plain calls: nothing runs, and time passes when the test says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab.core import journal as j
from agentlab.host.connection import Connection, Copy, Limits
from agentlab.host.detours import Detours, Waiting
from agentlab.host.faults import MOST_RULES, UNTOUCHED, Decision, Faults, Way, matches
from agentlab.wire.faults import (
    Delay,
    Drop,
    Duplicate,
    Effect,
    Match,
    Partition,
    Reorder,
    Rule,
    SetRule,
    Slow,
    decode_rule,
    decode_rules,
    encode_rule,
    encode_rules,
)
from agentlab.wire.parcels import WireError

WAY = Way("one", "two")
PAIR = ("one", "ping/a", "pong/b")


def copy(n: int = 0, kind: str = j.EVENT, sender: str = "ping/a", to: str = "pong/b", type: str = "Ball") -> Copy:
    return Copy(kind, f"m{n}", "", sender, to, "", type, 100)


def decided(rule: Rule, copies: list[Copy], way: Way = WAY) -> list[Decision]:
    faults = Faults()
    faults.add(rule, 0.0)
    return [faults.decide(one, way, 0.0) for one in copies]


names = st.sampled_from(["ping/a", "pong/b", "judge/x", ""])
copies = st.lists(st.builds(copy, st.integers(0, 9), st.sampled_from([j.REQUEST, j.RESPONSE, j.EVENT]), names, names))
texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
seconds = st.floats(0, 1000)
effects = st.one_of(
    st.builds(Delay, seconds, seconds, st.booleans()),
    st.just(Drop()),
    st.builds(Duplicate, st.integers(1, 9)),
    st.builds(Reorder, st.integers(1, 9), st.floats(0.001, 9)),
    st.builds(Slow, st.floats(0.1, 1e9)),
)
matching = st.builds(Match, texts, texts, texts, texts, st.sampled_from(["", "request", "response", "event"]), texts)
rules = st.one_of(
    st.builds(
        Rule, effects, matching, st.floats(0, 1), st.none() | st.integers(1, 99), seconds,
        st.none() | st.floats(0.001, 99), st.integers(-(2**53), 2**53),
    ),
    st.just(Rule(Partition((("a",), ("b", "host"))), for_s=2.0)),
)  # fmt: skip


@given(rules)
def test_a_rule_is_the_same_after_its_journey(rule: Rule) -> None:
    assert decode_rule(encode_rule(rule)) == rule
    state = SetRule(3, rule, 17, "on")
    assert decode_rules(encode_rules([state])) == [state]


@given(st.binary(max_size=60))
def test_bytes_that_are_no_rule_are_refused_as_such(data: bytes) -> None:
    try:
        decode_rule(data)
    except WireError:
        return


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Delay(-1), "A delay's seconds should be from 0"),
        (lambda: Delay(float("nan")), "not nan"),
        (lambda: Duplicate(0), "further copies should be from 1"),
        (lambda: Slow(0), "should be above 0"),
        (lambda: Rule(Drop(), probability=30), "A probability should be from 0 to 1, not 30"),
        (lambda: Rule(Drop(), for_s=0), "should be above 0"),
        (lambda: Match(kind="reply"), "kind is request, response, event, not 'reply'"),
        (lambda: Partition((("a",),)), "two groups or more"),
        (lambda: Partition((("a",), ("a", "b"))), "one group only"),
        (lambda: Rule(Partition((("a",), ("b",))), probability=0.5), "takes no match"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_in_words(make: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        (Match(), True),
        (Match(sender="ping"), True),
        (Match(sender="pin"), False),
        (Match(sender="p*"), True),
        (Match(sender="ping/a", receiver="*/b"), True),
        (Match(sender="ping/b"), False),
        (Match(receiver="ping"), False),
        (Match(from_process="one", to_process="t*"), True),
        (Match(from_process="two"), False),
        (Match(kind=j.EVENT, type="Ball"), True),
        (Match(kind=j.REQUEST), False),
        (Match(type="Bat"), False),
    ],
)
def test_messages_are_matched_by_agents_processes_kind_and_type(match: Match, hit: bool) -> None:
    assert matches(match, copy(), WAY) is hit


@given(rules, copies)
def test_the_same_seed_decides_the_same(rule: Rule, messages: list[Copy]) -> None:
    assert decided(rule, messages) == decided(rule, messages)


@given(effects, st.integers(0, 99))
def test_what_one_pair_meets_does_not_depend_on_what_others_send_meanwhile(effect: Effect, seed: int) -> None:
    rule = Rule(effect, probability=0.5, seed=seed)
    ours, theirs = [copy(n) for n in range(20)], [copy(n, sender="judge/x") for n in range(20)]
    mixed = [one for pair in zip(theirs, ours, strict=True) for one in pair]
    alone, among = decided(rule, ours), decided(rule, mixed)[1::2]
    if isinstance(effect, Slow):  # the line is shared: only who is struck is compared
        alone, among = ([d._replace(due_s=0.0, notes=()) for d in some] for some in (alone, among))
    assert alone == among


def test_another_seed_decides_something_else() -> None:
    messages = [copy(n) for n in range(64)]
    fates = {tuple(d.dropped != "" for d in decided(Rule(Drop(), probability=0.5, seed=n), messages)) for n in range(5)}
    assert len(fates) == 5


@given(effects, copies)
def test_probability_0_strikes_never_and_1_always(effect: Effect, messages: list[Copy]) -> None:
    assert all(d is UNTOUCHED for d in decided(Rule(effect, probability=0.0), messages))
    assert all(d is not UNTOUCHED for d in decided(Rule(effect, probability=1.0), messages))


def test_a_probability_is_about_how_many_are_struck() -> None:
    struck = sum(d.dropped != "" for d in decided(Rule(Drop(), probability=0.3), [copy(n) for n in range(4000)]))
    assert 1100 < struck < 1300


def test_a_rule_with_a_count_is_over_after_so_many() -> None:
    faults = Faults()
    faults.add(Rule(Drop(), count=2), 0.0)
    assert [bool(faults.decide(copy(n), WAY, 0.0).dropped) for n in range(4)] == [True, True, False, False]
    assert faults.listed(0.0)[0].state == "over"


def test_a_rule_has_its_time_window() -> None:
    faults = Faults()
    faults.add(Rule(Drop(), after_s=1, for_s=2), 10.0)
    times = [10.0, 10.9, 11.0, 12.9, 13.0]
    assert [bool(faults.decide(copy(), WAY, now).dropped) for now in times] == [False, False, True, True, False]
    assert [faults.listed(now)[0].state for now in times] == ["waiting", "waiting", "on", "on", "over"]


def test_rules_work_together_in_the_order_in_which_they_were_set() -> None:
    faults = Faults()
    faults.add(Rule(Delay(1.0)), 0.0)
    faults.add(Rule(Duplicate(2)), 0.0)
    faults.add(Rule(Delay(0.5)), 0.0)
    decision = faults.decide(copy(), WAY, 100.0)
    assert (decision.due_s, decision.copies) == (101.5, 2)
    assert [note[0] for note in decision.notes] == [j.DELAYED, j.DUPLICATED, j.DELAYED]
    assert decision.notes[0][1] == "fault: delay #1: 1 s"
    faults.add(Rule(Drop()), 0.0)
    assert "drop #4" in faults.decide(copy(), WAY, 100.0).dropped


def test_a_bandwidth_is_shared_by_all_messages_to_a_process() -> None:
    faults = Faults()
    faults.add(Rule(Slow(50.0)), 0.0)
    dues = [faults.decide(one, WAY, 0.0).due_s for one in (copy(), copy(sender="judge/x"))]
    assert [*dues, faults.decide(copy(), Way("one", "three"), 0.0).due_s] == [2.0, 4.0, 2.0]


def test_jitter_stays_within_its_bounds_and_never_before_now() -> None:
    dues = [d.due_s for d in decided(Rule(Delay(0.2, 0.5)), [copy(n) for n in range(200)])]
    assert min(dues) == 0.0
    assert 0.4 < max(dues) <= 0.7


def test_the_number_of_rules_is_limited() -> None:
    faults = Faults()
    for _ in range(MOST_RULES):
        faults.add(Rule(Drop()), 0.0)
    with pytest.raises(ValueError, match="remove some"):
        faults.add(Rule(Drop()), 0.0)


class Road:
    """Detours with one way, and what came out of them."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.detours, self.out = Detours(), list[int]()
        self.target = Connection("c", "two", limits or Limits(), reports=True)

    def send(self, n: int, decision: Decision, now_s: float) -> None:
        waiting = Waiting(copy(n), self.target, lambda: self.out.append(n), 100, n)
        self.detours.release(now_s)
        self.detours.send(waiting, PAIR, decision, now_s)


steps = st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), max_size=30)


@given(steps)
def test_delays_keep_the_order_of_a_pair(steps: list[tuple[float, float]]) -> None:
    road, now_s = Road(), 100.0
    for n, (pause_s, delay_s) in enumerate(steps):
        now_s += pause_s
        road.send(n, Decision(due_s=now_s + delay_s) if delay_s > 1 else UNTOUCHED, now_s)
    while (next_s := road.detours.next_due_s()) is not None:
        road.detours.release(next_s)
    assert road.out == list(range(len(steps)))
    assert len(road.detours) == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3), st.booleans()), max_size=30))
def test_whatever_waits_goes_on_exactly_once(steps: list[tuple[bool, int, bool]]) -> None:
    road, now_s = Road(), 100.0
    for n, (reorders, behind, keeps_order) in enumerate(steps):
        now_s += 0.4
        held = Decision(due_s=now_s + 1, behind=behind, keeps_order=False)
        road.send(n, held if reorders else Decision(due_s=now_s + 0.3 * behind, keeps_order=keeps_order), now_s)
    road.detours.release_all()
    assert sorted(road.out) == list(range(len(steps)))
    assert (len(road.detours), road.detours.next_due_s()) == (0, None)


def test_a_message_is_reordered_behind_the_next_ones_or_goes_when_its_time_is_over() -> None:
    road = Road()
    road.send(1, Decision(due_s=5.0, behind=2, keeps_order=False), 0.0)
    road.send(2, UNTOUCHED, 0.0)
    road.send(3, UNTOUCHED, 0.0)
    road.send(4, Decision(due_s=5.0, behind=1, keeps_order=False), 0.0)
    assert road.out == [2, 3, 1]
    road.detours.release(5.0)
    assert road.out == [2, 3, 1, 4]


def test_how_much_may_wait_is_limited() -> None:
    road = Road(Limits(queue_messages=2))
    for n in range(2):
        assert road.detours.has_room(road.target)
        road.send(n, Decision(due_s=9.0), 0.0)
    assert not road.detours.has_room(road.target)
    road.detours.release(9.0)
    assert road.detours.has_room(road.target)
