"""The layout is a pure function of the journal: these tests call it with plausible and with absurd journals."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import journals
import pytest
from histories import any_journal, any_view, both_views, drawn_messages, every_story, hops, names, unhurried
from hypothesis import given
from hypothesis import strategies as st

import agentlab.timeline.shapes
from agentlab import AgentId, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler
from agentlab.core import journal as j
from agentlab.core.journal import Journal
from agentlab.core.run import Run
from agentlab.timeline.life import tip
from agentlab.timeline.listing import text
from agentlab.timeline.placing import layout


@dataclass
class Word:
    text: str


class Shouter(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("Shouts a word.")

    @message_handler
    async def on_word(self, message: Word, ctx: MessageContext) -> Word:
        if not message.text:
            raise ValueError("nothing to shout")
        return Word(message.text.upper())


@unhurried
@given(any_journal, any_view)
def test_no_arrow_and_no_bar_runs_backwards_in_time_or_leaves_the_axis(history, lanes):
    picture = layout(history, lanes=lanes)
    for shape in (*picture.arrows, *picture.bars):
        assert 0 <= shape.start <= shape.end <= picture.axis.length


@unhurried
@given(any_journal, any_view)
def test_every_message_copy_is_drawn_or_counted(history, lanes):
    picture = layout(history, lanes=lanes)
    copies = j.messages(history)
    missing = [copy for copy in copies if copy[0] not in drawn_messages(picture)]
    assert len(missing) <= picture.undrawn_copies <= len(copies)
    marked = [mark for mark in picture.marks if not mark.message_id]
    process_events = [event for event in history if event.kind == j.PROCESS]
    if lanes == "process" and all(event.process for event in process_events):
        assert len(marked) + picture.undrawn_process_events == len(process_events)


@unhurried
@given(any_journal, st.data(), any_view)
def test_lanes_keep_their_order_when_events_are_appended(history, data, lanes):
    before = [n for n in names(layout(history[: data.draw(st.integers(0, len(history)))], lanes=lanes)) if n != j.HOST]
    after = names(layout(history, lanes=lanes))
    assert [name for name in after if name in before] == before


@unhurried
@given(any_journal)
def test_bars_that_overlap_in_a_lane_lie_on_different_levels(history):
    picture = layout(history)
    rows: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for bar in picture.bars:
        assert bar.level < picture.lanes[bar.lane].levels
        rows.setdefault((bar.lane, bar.level), []).append((bar.start, bar.end))
    for row in rows.values():
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(row))


@unhurried
@given(any_journal, any_view)
def test_the_same_journal_gives_the_same_layout(history, lanes):
    assert layout(history, lanes=lanes) == layout(iter(history), lanes=lanes)


@every_story
@both_views
def test_a_plausible_journal_is_drawn_completely(story, lanes):
    picture = layout(story, lanes=lanes)
    assert (picture.undrawn_copies, picture.clamped) == (0, 0)
    assert drawn_messages(picture) == {event.message_id for event in story} - {""}


def test_a_request_and_its_response_go_by_way_of_the_host():
    story = journals.Story({"echo/1": "worker"})
    story.call("", "echo/1", "Hello")
    picture = layout(story.events)
    assert names(picture) == ["notebook", "host", "worker"]
    there_and_back = [("notebook", "host"), ("host", "worker"), ("worker", "host"), ("host", "notebook")]
    assert hops(picture, "m1") == [(*hop, "arrived") for hop in there_and_back]
    assert [arrow.style for arrow in picture.arrows] == ["request", "request", "response", "response"]
    assert [(bar.outcome, bar.agent) for bar in picture.bars] == [("handled", "echo/1")]


def test_a_published_message_goes_to_the_host_once_and_then_to_each_receiver():
    picture = layout(journals.fan_out())
    receivers = [("host", name, "arrived") for name in ("ada", "bob", "cy")]
    assert sorted(hops(picture, "m1")) == sorted([("notebook", "host", "arrived"), *receivers])


def test_the_response_to_a_failed_request_is_drawn_as_an_error():
    picture = layout(journals.nested_calls())
    errors = [arrow for arrow in picture.arrows if arrow.style == "error"]
    assert len(errors) == 2
    assert errors[0].detail == "AssertionError: 2 is not 3"
    assert [bar.detail for bar in picture.bars if bar.outcome == j.FAILED] == ["AssertionError: 2 is not 3"]


def test_what_a_killed_worker_had_and_what_was_on_its_way_is_lost():
    picture = layout(journals.killed_worker())
    assert [bar.outcome for bar in picture.bars if bar.message_id == "m2"] == ["lost"]
    assert ("host", "fragile", "lost") in hops(picture, "m3")
    assert ("host", "fragile", "dropped") in hops(picture, "m4")
    assert hops(picture, "m99") == [("notebook", "host", "arrived"), ("host", "steady", "in flight")]
    assert {mark.what for mark in picture.marks} == {j.JOINED, j.KILLED, j.GONE, j.PAUSED, j.RESUMED}


def test_hops_of_a_worker_that_reports_nothing_are_estimated():
    picture = layout(journals.foreign_worker())
    lanes = names(picture)
    estimated = [(lanes[a.from_lane], lanes[a.to_lane or 0]) for a in picture.arrows if a.estimated]
    assert estimated == [("host", "autogen"), ("autogen", "host"), ("autogen", "host")]
    assert all(arrow.start == arrow.end for arrow in picture.arrows if arrow.estimated)


def test_a_duplicated_message_is_drawn_twice_and_marked():
    story = journals.Story({"echo/1": "worker"})
    story.call("", "echo/1", "Hello")
    request = {"kind": j.REQUEST, "message_id": "m1", "sender": "", "recipient": "echo/1", "type": "Hello"}
    story.log(j.DUPLICATED, j.HOST, **request)
    story.log(j.LEFT, j.HOST, detail="worker", **request)
    story.log(j.RECEIVED, "worker", **request)
    picture = layout(story.events)
    assert hops(picture, "m1").count(("host", "worker", "arrived")) == 2
    assert [mark.what for mark in picture.marks] == [j.DUPLICATED]


def test_each_attempt_of_a_message_that_was_sent_again_ends_where_it_was():
    story = journals.Story({"echo/1": "worker"})
    request = {"kind": j.REQUEST, "message_id": "m1", "sender": "", "recipient": "echo/1", "type": "Hello"}
    story.log(j.ADVERTISED, "worker", type="echo")
    for attempt in range(3):
        at = story.now + 100 * attempt
        story.log(j.SENT, "notebook", at, **request)
        story.log(j.ARRIVED, j.HOST, at + 1, detail="notebook", **request)
        story.log(j.DROPPED, j.HOST, at + 2, detail="fault: drop #1", **request)
    picture = layout(story.events)
    assert picture.clamped == 0
    onward = [arrow for arrow in picture.arrows if arrow.fate == "dropped"]
    assert [arrow.end - onward[0].end for arrow in onward] == [0, 100, 200]
    assert all(arrow.end - arrow.start == 1 for arrow in onward)


def test_a_request_that_was_handled_and_whose_answer_can_no_longer_come_is_marked_at_the_host():
    story = journals.Story({"bank/1": "worker"})
    request = {"kind": j.REQUEST, "message_id": "m1", "sender": "", "recipient": "bank/1", "type": "Pay"}
    response = {"kind": j.RESPONSE, "message_id": "m1", "sender": "bank/1", "recipient": "", "type": "Balance"}
    at = story.send(j.REQUEST, "m1", "", "bank/1", "Pay")
    story.log(j.STARTED, "worker", at + 1, **request)
    story.log(j.HANDLED, "worker", at + 2, **request)
    story.log(j.SENT, "worker", at + 3, **response)
    story.log(j.ARRIVED, j.HOST, at + 4, detail="worker", **response)
    story.log(j.DROPPED, j.HOST, at + 5, detail="fault: drop #1", **response)
    story.log(j.LOST, j.HOST, at + 9, detail="WorkerLostError: The worker was lost", **request)
    picture = layout(story.events)
    assert [hop for hop in hops(picture, "m1") if hop[0] != "worker"] == [
        ("notebook", "host", "arrived"),
        ("host", "worker", "arrived"),
        ("host", "notebook", "dropped"),
    ]
    assert [(mark.what, names(picture)[mark.lane]) for mark in picture.marks] == [(j.LOST, "host")]


@both_views
def test_of_attempts_that_ended_differently_each_error_has_its_own_words(lanes):
    story = journals.Story({"slow/1": "worker"})
    request = {"kind": j.REQUEST, "message_id": "m1", "sender": "", "recipient": "slow/1", "type": "Hello"}
    for what, error in ((j.LOST, "WorkerLostError"), (j.DROPPED, "AgentNotFoundError")):
        answer = {"kind": j.RESPONSE, "message_id": "m1", "sender": "", "recipient": "", "type": error}
        story.now += journals.MS
        story.log(j.SENT, "notebook", **request)
        story.log(j.ARRIVED, j.HOST, story.now + 1, detail="notebook", **request)
        story.log(what, j.HOST, story.now + 2, detail=f"{error}: why", **request)
        story.log(j.LEFT, j.HOST, story.now + 3, detail="notebook", **answer)
        story.log(j.RECEIVED, "notebook", story.now + 4, **answer)
    answers = [arrow for arrow in layout(story.events, lanes=lanes).arrows if arrow.style == "error"]
    assert {(arrow.label, arrow.detail) for arrow in answers} == {
        ("WorkerLostError", "WorkerLostError: why"),
        ("AgentNotFoundError", "AgentNotFoundError: why"),
    }


def test_a_message_that_is_held_back_is_marked_where_it_lay():
    story = journals.Story({"echo/1": "worker"})
    request = {"kind": j.REQUEST, "message_id": "m1", "sender": "", "recipient": "echo/1", "type": "Hello"}
    story.log(j.SENT, "notebook", **request)
    story.log(j.ARRIVED, j.HOST, story.now + 1, detail="notebook", **request)
    story.log(j.DELAYED, j.HOST, story.now + 2, detail="fault: delay #1: 0.5 s", **request)
    story.log(j.LEFT, j.HOST, story.now + 9, detail="worker", **request)
    story.log(j.RECEIVED, "worker", story.now + 10, **request)
    picture = layout(story.events)
    assert hops(picture, "m1") == [("notebook", "host", "arrived"), ("host", "worker", "arrived")]
    (mark,) = picture.marks
    assert (mark.what, names(picture)[mark.lane], mark.detail) == (j.DELAYED, "host", "fault: delay #1: 0.5 s")
    assert "delayed: fault: delay #1: 0.5 s" in text(story.events)
    assert tip(story.events, 10)[-1] == "delayed: fault: delay #1: 0.5 s"


@both_views
def test_a_partition_is_a_span_on_the_lanes_of_both_sides(lanes):
    story = journals.Story({"ping/1": "left", "pong/1": "right"})
    story.call("ping/1", "pong/1", "Ball")
    for name in ("left", "right"):
        story.log(j.PARTED, name, story.now + 10, detail="fault: partition #1")
        story.log(j.PARTED, name, story.now + 20, detail="fault: partition #2")
        story.log(j.HEALED, name, story.now + 30)
    story.log(j.HEALED, "right", story.now + 40)
    picture = layout(story.events, lanes=lanes)
    spans = {names(picture)[span.lane]: (span.start, span.end) for span in picture.spans}
    left, right = ("left", "right") if lanes == "process" else ("ping/1", "pong/1")
    assert set(spans) == {left, right}
    assert spans[right][1] - spans[right][0] == 30
    assert spans[left][1] == picture.axis.last


def test_a_clock_that_is_behind_does_not_turn_an_arrow_round_and_is_counted():
    story = journals.Story({"echo/1": "worker"})
    request = {"kind": j.REQUEST, "message_id": "m1", "sender": "", "recipient": "echo/1", "type": "Hello"}
    story.log(j.LEFT, j.HOST, story.now + 5, detail="worker", **request)
    story.log(j.RECEIVED, "worker", story.now, **request)
    picture = layout(story.events)
    assert [(arrow.start, arrow.end) for arrow in picture.arrows] == [(5, 5)]
    assert picture.clamped == 1
    assert "clocks disagree" in picture.remarks()[0]


@both_views
def test_a_deadline_gives_an_error_and_the_late_reply_is_dropped(lanes):
    story = journals.Story({"slow/1": "worker"})
    request = {"kind": j.REQUEST, "message_id": "m1", "sender": "", "recipient": "slow/1", "type": "Hello"}
    error = {
        "kind": j.RESPONSE,
        "message_id": "m1",
        "sender": "slow/1",
        "recipient": "",
        "type": "DeadlineExceededError",
    }
    reply = error | {"type": "Reply"}
    start = story.send(j.REQUEST, "m1", "", "slow/1", "Hello")
    story.log(j.STARTED, "worker", start, **request)
    story.log(j.FAILED, j.HOST, start + 2, detail="no answer within 1 s", **request)
    story.log(j.LEFT, j.HOST, start + 3, detail="notebook", **error)
    story.log(j.RECEIVED, "notebook", start + 4, **error)
    story.log(j.HANDLED, "worker", start + 6, **request)
    story.log(j.SENT, "worker", start + 7, **reply)
    story.log(j.ARRIVED, j.HOST, start + 8, detail="worker", **reply)
    story.log(j.DROPPED, j.HOST, start + 9, detail="late", **reply)
    picture = layout(story.events, lanes=lanes)
    arrows = {(a.style, a.label, a.fate, a.detail) for a in picture.arrows if a.style != "request"}
    dropped = ("response", "Reply", "dropped", "late")
    assert arrows - {("response", "Reply", "arrived", "")} == {
        ("error", "DeadlineExceededError", "arrived", "no answer within 1 s"),
        dropped,
    }
    assert [(mark.what, mark.detail) for mark in picture.marks] == [(j.FAILED, "no answer within 1 s")]
    assert [bar.outcome for bar in picture.bars] == [j.HANDLED]
    assert picture.clamped == 0


@both_views
def test_the_reply_to_a_second_attempt_is_no_error_though_the_first_was_lost(lanes):
    story = journals.Story({"slow/1": "worker"})
    request = {"kind": j.REQUEST, "message_id": "m1", "sender": "", "recipient": "slow/1", "type": "Hello"}
    lost = {
        "kind": j.RESPONSE,
        "message_id": "m1",
        "sender": "",
        "recipient": "",
        "type": "WorkerLostError",
    }
    start = story.send(j.REQUEST, "m1", "", "slow/1", "Hello")
    story.log(j.STARTED, "worker", start, **request)
    story.log(j.LOST, j.HOST, start + 2, detail="WorkerLostError: it was lost", **request)
    story.log(j.LEFT, j.HOST, start + 3, detail="notebook", **lost)
    story.log(j.RECEIVED, "notebook", start + 4, **lost)
    story.now = start + journals.MS
    again = story.send(j.REQUEST, "m1", "", "slow/1", "Hello")
    story.log(j.DROPPED, "worker", again, detail="attempt 2: handled once", **request)
    story.now = again + 1
    story.send(j.RESPONSE, "m1", "slow/1", "", "Reply")
    picture = layout(story.events, lanes=lanes)
    answers = {(arrow.style, arrow.label, arrow.fate) for arrow in picture.arrows if arrow.style != "request"}
    assert answers == {("error", "WorkerLostError", "arrived"), ("response", "Reply", "arrived")}


def test_a_request_that_the_host_refused_ends_there_and_an_error_comes_back():
    story = journals.Story()
    request = {"kind": j.REQUEST, "message_id": "m1", "sender": "", "recipient": "nobody/1", "type": "Hello"}
    error = {
        "kind": j.RESPONSE,
        "message_id": "m1",
        "sender": "nobody/1",
        "recipient": "",
        "type": "AgentNotFoundError",
    }
    story.log(j.SENT, "notebook", **request)
    story.log(j.ARRIVED, j.HOST, story.now + 1, detail="notebook", **request)
    story.log(j.DROPPED, j.HOST, story.now + 1, detail="nobody advertises it", **request)
    story.log(j.LEFT, j.HOST, story.now + 2, detail="notebook", **error)
    story.log(j.RECEIVED, "notebook", story.now + 3, **error)
    picture = layout(story.events)
    assert hops(picture, "m1") == [
        ("notebook", "host", "arrived"),
        ("host", "?", "dropped"),
        ("host", "notebook", "arrived"),
    ]
    assert [arrow.style for arrow in picture.arrows] == ["request", "request", "error"]


def test_a_message_without_a_handler_is_answered_and_that_is_not_an_error():
    story = journals.Story({"echo/1": "worker"})
    story.call("", "echo/1", "Hello", reply="None")
    unhandled = [replace(e, what=j.UNHANDLED) if e.what == j.HANDLED else e for e in story.events]
    picture = layout(unhandled)
    assert {arrow.style for arrow in picture.arrows} == {"request", "response"}
    assert [bar.outcome for bar in picture.bars] == [j.UNHANDLED]


async def test_what_the_standalone_runtime_records_is_drawn_completely():
    journal = Journal()
    runtime = SingleThreadedAgentRuntime(journal=journal)
    await Shouter.register(runtime, "shouter", Shouter)
    runtime.start()
    target = AgentId("shouter", "default")
    assert await runtime.send_message(Word("hello"), target) == Word("HELLO")
    with pytest.raises(ValueError, match="nothing to shout"):
        await runtime.send_message(Word(""), target)
    await runtime.stop_when_idle()
    picture = layout(journal, lanes="agent")
    assert names(picture) == ["outside", "shouter/default"]
    assert [arrow.style for arrow in picture.arrows] == ["request", "response", "request"]
    assert [bar.outcome for bar in picture.bars] == [j.HANDLED, j.FAILED]
    assert (picture.undrawn_copies, picture.clamped) == (0, 0)


def test_standalone_arrows_go_straight_from_agent_to_agent():
    picture = layout(journals.standalone(), lanes="agent")
    assert names(picture) == ["outside", "editor/e", "writer/w", "critic/c"]
    assert hops(picture, "m1") == [("outside", "editor/e", "arrived"), ("editor/e", "outside", "arrived")]
    assert hops(picture, "m4") == [("editor/e", "writer/w", "arrived"), ("editor/e", "critic/c", "arrived")]
    assert hops(picture, "m5") == [("writer/w", "?", "in flight")]


def test_standalone_agents_share_one_lane_when_lanes_are_processes():
    picture = layout(journals.standalone(), lanes="process")
    assert names(picture) == ["standalone"]
    assert picture.lanes[0].levels == 2


def test_a_standalone_run_has_a_lane_for_each_agent_unless_told_otherwise():
    assert names(layout(journals.standalone())) == names(layout(journals.standalone(), lanes="agent"))
    assert names(layout(journals.debate())) == names(layout(journals.debate(), lanes="process"))
    assert names(layout([])) == []


def test_a_run_says_in_which_order_its_lanes_are_drawn_and_what_was_let_go():
    story = journals.fan_out()
    run = Run(story, lanes=("cy", "nobody", "ada"), let_go=7, note="cut off")
    picture = layout(run)
    assert names(picture) == ["notebook", "cy", "host", "ada", "bob"]
    assert picture.remarks() == ["cut off", "7 earlier events let go by the journal"]


def test_a_journal_that_let_events_go_is_laid_out_with_their_count():
    journal = Journal(capacity=20)
    for event in journals.debate():
        record = [getattr(event, name) for name in j.FIELDS[1:]]
        journal.append(*record)
    picture = layout(journal)
    assert picture.let_go == len(journals.debate()) - 20
    assert picture.arrows


@pytest.mark.parametrize(("length_ns", "unit"), [(999_000, "µs"), (1_000_000, "ms"), (10_000_000_000, "s")])
def test_the_unit_of_the_axis_fits_its_length(length_ns, unit):
    story = journals.Story()
    story.log(j.JOINED, "w1")
    story.log(j.GONE, "w1", story.now + length_ns)
    axis = layout(story.events).axis
    assert axis.unit == unit
    assert axis.label == f"{unit} since the first event"


def test_an_unknown_kind_of_lanes_is_refused():
    with pytest.raises(ValueError, match="process"):
        layout([], lanes="thread")


def test_nothing_that_makes_a_layout_imports_matplotlib():
    folder = Path(agentlab.timeline.shapes.__file__).parent
    for name in (
        "axis",
        "folding",
        "shapes",
        "lanes",
        "hops",
        "marks",
        "placing",
        "labels",
        "style",
        "ruler",
        "listing",
    ):
        tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not any(module.startswith("matplotlib") for module in imported), name
        assert not imported & {"draw", "arrows", "picture", "ground"}, name
