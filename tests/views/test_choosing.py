"""What a live timeline shows of a journal: filters, causality, lives, windows and densities, as plain calls."""

from __future__ import annotations

from dataclasses import replace

import journals
import numpy as np
import pytest
from histories import STORIES, any_journal, every_story, unhurried
from hypothesis import given
from hypothesis import strategies as st

from agentlab.core import journal as j
from agentlab.core.journal import messages
from agentlab.timeline.causality import Links, Node, causality
from agentlab.timeline.choosing import CHOSEN_OUTCOMES, MESSAGE_KINDS, Filter
from agentlab.timeline.chronicle import EVER, NO_LATENCY, Chronicle, Row
from agentlab.timeline.density import density
from agentlab.timeline.lens import EVERYTHING, SINGLE, SPANS, Lens, View
from agentlab.timeline.life import life_of, life_text, tip
from agentlab.timeline.outcomes import OUTCOMES, outcome_of

links = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"))
filters = st.builds(
    Filter,
    agent=st.sampled_from(["", "a/", "B/1", "nobody"]),
    process=st.sampled_from(["", "host", "w1"]),
    kind=st.sampled_from(["", *MESSAGE_KINDS]),
    outcome=st.sampled_from(["", *CHOSEN_OUTCOMES]),
    text=st.sampled_from(["", "why", "T"]),
)


def links_of(causes: dict[str, str], times: dict[str, tuple[int, int, int]]) -> Links:
    """Links with a reply to each message that has three times: when it was sent, when its reply was, when that came."""
    effects: dict[str, list[str]] = {}
    for effect, cause in causes.items():
        effects.setdefault(cause, []).append(effect)
    return Links(
        causes,
        effects,
        lambda name: times.get(name, (0,))[0],
        lambda name: (times.get(name, ()) or (None,))[1:] or None,
    )


def nodes(names) -> list[Node]:
    return [Node(name, is_reply) for name in names for is_reply in (False, True)]


times = st.dictionaries(
    st.sampled_from("abcdefgh"), st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), max_size=8
)


@given(links, times, st.sampled_from(nodes("abcdefgh")))
def test_in_a_journal_with_circles_past_and_future_end_and_do_not_overlap(causes, times, node):
    found = causality(node, links_of(causes, times))
    assert node not in found.future | found.past
    assert not found.future & found.past
    assert {name for name, _ in found.past | found.future} <= {*causes, *causes.values(), node.message_id}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 50), st.booleans()), max_size=30))
def test_without_circles_past_and_future_are_each_others_mirror(parents):
    causes = {str(n): str(parent) for n, (parent, _, _) in enumerate(parents) if parent < n}
    # each message is sent after its cause, and its reply after all that it led to
    times = {str(n): (n, 200 - n, 200 - n + later) for n, (_, later, has_reply) in enumerate(parents) if has_reply}
    found = {node: causality(node, links_of(causes, times)) for node in nodes(map(str, range(len(parents))))}
    for node, around in found.items():
        if node.is_reply and node.message_id not in times:
            continue
        assert all(node in found[before].future for before in around.past)
        assert all(node in found[after].past for after in around.future)


def test_a_nested_call_has_its_caller_in_its_past_and_its_own_calls_in_its_future():
    chronicle = Chronicle(journals.nested_calls())
    (inner,) = chronicle.effects["m2"]
    assert {Node(inner), Node(inner, True), Node("m2", True)} <= causality(Node("m2"), chronicle.links).future
    assert causality(Node(inner), chronicle.links).past == {Node("m2")}


def test_a_reply_leads_to_what_its_asker_sends_after_it_and_not_to_what_it_had_sent_before():
    causes = {"first": "ask", "at once": "ask", "then": "ask"}
    known = links_of(causes, {"ask": (0, 90, 95), "first": (10, 20, 30), "at once": (11, 80, 85), "then": (31, 40, 50)})
    found = causality(Node("first", True), known)
    assert found.past == {Node("first"), Node("ask")}
    assert found.future == {Node("then"), Node("then", True), Node("ask", True)}
    assert Node("first", True) not in causality(Node("at once"), known).past
    assert Node("first", True) in causality(Node("then"), known).past


@unhurried
@given(any_journal, st.integers(0, 40))
def test_a_chronicle_is_the_same_whether_it_is_told_at_once_or_bit_by_bit(history, cut):
    history = list(history)
    whole, grown = Chronicle(history), Chronicle(history[:cut])
    whole.refresh()
    grown.refresh()
    grown.extend(history[cut:])
    grown.refresh()
    assert grown.copies == whole.copies == list(messages(history).values())
    assert (grown.first_ns, grown.last_ns, grown.last_clock) == (whole.first_ns, whole.last_ns, whole.last_clock)
    for name in ("start_ns", "end_ns", "start_clock", "end_clock", "kind", "outcome"):
        left, right = getattr(whole.columns, name), getattr(grown.columns, name)
        differ = np.flatnonzero(left != right)  # only where it was not known yet that the receiver reports nothing
        assert all(EVER in (left[n], right[n]) for n in differ)


@unhurried
@given(any_journal, filters)
def test_every_message_is_shown_or_counted_as_hidden_by_the_filter(history, chosen):
    history = list(history)
    chronicle = Chronicle(history)
    lens = Lens(chronicle)
    scene = lens.look(View(span=EVERYTHING, filter=chosen, fold=False))
    passing = [steps for steps in chronicle.copies if chosen.passes(steps)]
    assert scene.shown == len(passing)
    assert scene.known == len(chronicle.copies)
    hidden = scene.known - scene.shown
    assert (f"{hidden:,} hidden by the filter" in scene.layout.note) == bool(hidden)
    # what is drawn belongs to what passes
    names = {steps[0].copy for steps in passing}
    assert all((arrow.message_id, arrow.kind, arrow.recipient) in names for arrow in scene.layout.arrows)


@unhurried
@given(any_journal, st.integers(0, 10**7), st.integers(1, 10**7), st.booleans())
def test_a_window_shows_the_messages_that_touch_it_and_no_arrow_runs_backwards(history, first, width, is_logical):
    chronicle = Chronicle(list(history))
    scene = Lens(chronicle).look(View(window=(first, first + width), is_logical=is_logical))
    rows = chronicle.columns
    starts, ends = (
        (rows.start_clock, rows.end_clock)
        if is_logical
        else (rows.start_ns - chronicle.first_ns, rows.end_ns - chronicle.first_ns)
    )
    wanted = [n for n in range(len(rows)) if starts[n] <= first + width and ends[n] >= first]
    assert list(scene.visible) == wanted
    assert all(arrow.start <= arrow.end for arrow in scene.layout.arrows)


@pytest.mark.parametrize("span", SPANS)
@every_story
def test_following_shows_no_more_than_asked_and_says_so(story, span):
    lens = Lens(Chronicle(story))
    scene = lens.look(View(span=span))
    if most := SPANS[span][0]:
        assert scene.shown <= most
    left_out = scene.known - scene.shown
    assert (f"{scene.shown:,} of {scene.known:,} messages are shown" in scene.layout.note) == bool(left_out)


def test_a_run_that_is_stopped_in_the_middle_shows_what_was_on_its_way_then():
    story = journals.killed_worker()
    chronicle = Chronicle(story)
    middle = next(e for e in story if e.what == j.LEFT).time_ns - chronicle.first_ns
    scene = Lens(chronicle).look(View(until=middle, span=EVERYTHING))
    assert [arrow.fate for arrow in scene.layout.arrows][-1] == "in flight"
    assert "stopped at" in scene.layout.note


@given(
    st.lists(
        st.tuples(st.integers(-50, 500), st.integers(-1, 900), st.integers(-1, 3), st.integers(-1, 3)), max_size=40
    )
)
def test_a_density_counts_every_message_once_on_each_of_its_lanes(rows):
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    bad = np.zeros(len(rows), bool)
    bad[::2] = True
    found = density((0, 400), (0, 400), *columns, bad, 4, bins=20)
    ends = [{lane for lane in (source, target) if lane >= 0} for _, _, source, target in rows]
    assert found.counts.sum() == sum(map(len, ends))
    assert found.bad.sum() == sum(map(len, ends[::2]))
    assert (found.bad <= found.counts).all()
    measured = [latency for _, latency, _, _ in rows if latency != NO_LATENCY]
    assert set(found.median[~np.isnan(found.median)]) <= set(measured)
    assert (found.median[~np.isnan(found.median)] <= found.p99[~np.isnan(found.p99)]).all()


def test_too_many_messages_are_a_density_that_says_how_to_see_them():
    lens = Lens(Chronicle(journals.many(SINGLE)))
    scene = lens.look(View(span=EVERYTHING))
    assert scene.density is not None
    assert scene.layout.arrows == ()
    assert f"too many for single arrows: zoom in to {SINGLE} or fewer" in scene.layout.note
    first = lens.chronicle.columns.start_ns[500] - lens.chronicle.first_ns
    closer = lens.look(View(window=(int(first), int(first) + 20 * journals.MS)))
    assert closer.density is None
    assert closer.layout.arrows


@every_story
def test_the_shares_of_a_life_add_up_and_its_steps_are_in_order(story):
    for steps in messages(story).values():
        life = life_of(steps)
        assert len(life.steps) == len(steps)
        assert [step.after_ns for step in life.steps] == sorted(step.after_ns for step in life.steps)
        assert sum(step.took_ns for step in life.steps) == life.took_ns
        assert not life.took_ns or sum(step.share for step in life.steps) == pytest.approx(1)
        assert life.outcome in OUTCOMES
        assert len(tip(steps, -1)) == 4
        assert life.outcome in life_text(life)


def test_the_life_of_a_failed_message_has_the_error_and_its_traceback():
    story = journals.Story({"a/1": "w"})
    story.call("", "a/1", "Ask", error="ValueError: no")
    story.events = [replace(e, trace="Traceback: line 3") if e.what == j.FAILED else e for e in story.events]
    life = life_of(messages(story.events)["m1", j.REQUEST, "a/1"])
    assert (life.outcome, life.error, life.trace) == (j.FAILED, "ValueError: no", "Traceback: line 3")
    assert "Traceback: line 3" in life_text(life)


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        ([(j.SENT, "")], "in flight"),
        ([(j.SENT, ""), (j.STARTED, "")], "running"),
        ([(j.FAILED, "ValueError: x")], "failed"),
        ([(j.FAILED, "DeadlineExceededError: a/1 did not answer"), (j.HANDLED, "")], "timed out"),
        ([(j.HANDLED, ""), (j.LOST, "worker lost")], "lost"),
    ],
)
def test_an_outcome_says_what_tells_most(steps, outcome):
    story = journals.Story()
    for what, detail in steps:
        story.log(what, "w", kind=j.REQUEST, message_id="m1", recipient="a/1", detail=detail)
    assert outcome_of(story.events) == outcome


def test_a_late_reply_and_a_missed_deadline_are_drawn_as_such():
    story = journals.Story({"slow/1": "w"})
    request = {"kind": j.REQUEST, "message_id": "m1", "sender": "", "recipient": "slow/1", "type": "Ask"}
    at = story.send(j.REQUEST, "m1", "", "slow/1", "Ask")
    story.log(j.STARTED, "w", at, **request)
    story.log(j.FAILED, j.HOST, at + journals.MS, **request, detail="DeadlineExceededError: no answer")
    reply = {"kind": j.RESPONSE, "message_id": "m1", "sender": "slow/1", "recipient": "", "type": "Answer"}
    story.log(j.SENT, "w", at + 2 * journals.MS, **reply)
    story.log(j.ARRIVED, j.HOST, at + 3 * journals.MS, **reply, detail="w")
    story.log(j.DROPPED, j.HOST, at + 3 * journals.MS, **reply, detail="late: its request had already ended")
    layout = Lens(Chronicle(story.events)).look(View()).layout
    assert "timed out" in {mark.what for mark in layout.marks}
    assert "late" in {mark.what for mark in layout.marks} | {arrow.fate for arrow in layout.arrows}


def test_latency_is_from_sent_to_received():
    story = journals.Story({"a/1": "w"})
    start = story.now
    at = story.send(j.REQUEST, "m1", "", "a/1", "Ask")
    chronicle = Chronicle(story.events)
    chronicle.refresh()
    assert chronicle.columns.latency_ns.tolist() == [at - start]
    assert "latency_ns" in Row._fields


@every_story
def test_lanes_stand_still_while_the_run_goes_on(story):
    chronicle = Chronicle()
    lens = Lens(chronicle)
    before: list[str] = []
    for event in story:
        chronicle.extend([event])
        names = [lane.name for lane in lens.look(View(lanes="process")).layout.lanes if lane.name != j.HOST]
        known = [name for name in names if name in before]
        assert known == [name for name in before if name != "notebook"] or known == before
        before = names


def test_filters_name_what_they_compare():
    assert str(Filter(agent="pro", outcome="lost")) == "agent pro, outcome lost"
    assert not Filter()
    steps = next(iter(messages(STORIES["debate"]).values()))
    assert Filter(agent="MODERATOR").passes(steps)
    assert not Filter(type="Verdict").passes(steps)
