"""What a reader looks for first: errors are drawn as errors, and marks stand out when they tell something."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import journals
import pytest
from histories import both_views, hops, names
from hypothesis import given
from hypothesis import strategies as st

from agentlab.core import journal as j
from agentlab.core.exceptions import BY_NAME
from agentlab.core.journal import JournalEvent
from agentlab.timeline.draw import plot
from agentlab.timeline.placing import layout
from agentlab.timeline.shapes import Mark
from agentlab.timeline.stacks import stacks


def host_made_error(type: str) -> list[JournalEvent]:
    """What a real host writes: its own answer names no sender."""
    story = journals.Story()
    request = {"kind": j.REQUEST, "message_id": "m1", "sender": "", "recipient": "nobody/1", "type": "Hello"}
    error = {"kind": j.RESPONSE, "message_id": "m1", "sender": "", "recipient": "", "type": type}
    story.log(j.SENT, "notebook", **request)
    story.log(j.ARRIVED, j.HOST, story.now + 1, detail="notebook", **request)
    story.log(j.DROPPED, j.HOST, story.now + 1, detail="nobody advertises it", **request)
    story.log(j.LEFT, j.HOST, story.now + 2, detail="notebook", **error)
    story.log(j.RECEIVED, "notebook", story.now + 3, **error)
    return story.events


@pytest.mark.parametrize("type", [*BY_NAME, "agentlab.core.exceptions.AgentNotFoundError"])
@both_views
def test_an_answer_that_is_one_of_the_runtimes_own_errors_is_drawn_as_an_error(type, lanes):
    (answer,) = [arrow for arrow in layout(host_made_error(type), lanes=lanes).arrows if arrow.style != "request"]
    assert (answer.style, answer.detail) == ("error", "nobody advertises it")


def test_where_the_host_has_no_lane_its_answers_begin_halfway_to_the_agent_that_was_asked():
    picture = layout(host_made_error("AgentNotFoundError"), lanes="agent")
    answer = next(arrow for arrow in picture.arrows if arrow.style == "error")
    assert hops(picture, "m1") == [("outside", "nobody/1", "dropped"), ("nobody/1", "outside", "arrived")]
    assert (answer.begins_midway, answer.estimated) == (True, False)


def test_a_remote_handler_error_is_an_error_even_when_the_request_is_not_in_the_journal():
    story = journals.Story({"echo/1": "worker"})
    story.send(j.RESPONSE, "m1", "echo/1", "", "RemoteHandlerError")
    assert {(arrow.style, arrow.detail) for arrow in layout(story.events).arrows} == {("error", "RemoteHandlerError")}


def weights(story: journals.Story) -> list[tuple[str, str, str]]:
    picture = layout(story.events)
    return [(names(picture)[mark.lane], mark.what, mark.weight) for mark in picture.marks]


def test_joining_at_the_start_and_stopping_in_order_are_quiet():
    story = journals.Story({"echo/1": "worker"})
    story.join("notebook", "worker")
    story.call("", "echo/1", "Hello")
    story.log(j.GONE, "worker", detail="stopped")
    story.log(j.GONE, "notebook", story.now + 1, detail="the host stopped")
    assert weights(story) == [
        ("notebook", j.JOINED, "quiet"),
        ("worker", j.JOINED, "quiet"),
        ("worker", j.GONE, "quiet"),
        ("notebook", j.GONE, "quiet"),
    ]


def test_joining_late_or_again_and_losing_the_connection_are_to_be_seen():
    story = journals.Story({"echo/1": "worker"})
    story.join("worker")
    story.call("", "echo/1", "Hello")
    story.log(j.GONE, "worker", detail="the host stopped")
    story.join("worker", "latecomer")
    story.call("", "echo/1", "Hello")
    story.log(j.GONE, "worker", detail="the connection was lost")
    assert [weight for *_, weight in weights(story)] == ["quiet", "full", "full", "full", "full"]


@pytest.mark.parametrize("order", [(j.GONE, j.KILLED), (j.KILLED, j.GONE)])
def test_the_mark_of_a_killed_worker_covers_the_end_of_its_connection(order):
    story = journals.Story({"echo/1": "worker"})
    story.join("worker")
    story.call("", "echo/1", "Hello")
    for what in order:
        story.log(what, "worker", detail="the connection was lost" if what == j.GONE else "")
        story.now += 1
    story.join("worker")
    assert {what: weight for _, what, weight in weights(story)[1:]} == {
        j.GONE: "covered",
        j.KILLED: "full",
        j.JOINED: "full",
    }


@given(st.lists(st.tuples(st.floats(0, 300), st.integers(0, 2), st.sampled_from("abc")), max_size=30))
def test_every_mark_is_in_one_stack_and_stacks_keep_apart(drawn):
    marks = [(x, Mark(what, lane, round(x), "", "", str(n))) for n, (x, lane, what) in enumerate(drawn)]
    found = stacks(marks, lambda mark: mark.what)
    assert Counter(mark for _, stack in found for alike in stack for mark in alike) == Counter(m for _, m in marks)
    for lane in range(3):
        places = sorted((x, sum(map(len, stack))) for x, stack in found if stack[0][0].lane == lane)
        assert all(b - a >= (26 if size > 1 else 11) for (a, size), (b, _) in pairwise(places))
    assert all(len({mark.what for mark in alike}) == 1 for _, stack in found for alike in stack)


@pytest.mark.parametrize("apart_ns", [0, 3600 * 1_000_000_000])
def test_marks_on_one_place_are_one_symbol_with_their_number(apart_ns):
    story = journals.Story({"echo/1": "worker"})
    for n in range(3):
        what = {"kind": j.REQUEST, "message_id": f"m{n}", "sender": "", "recipient": "echo/1", "type": "Hello"}
        story.log(j.SENT, "notebook", story.now - 1_000_000, **what)
        story.log(j.DELAYED, j.HOST, detail="by 1 s", **what)
        story.now += apart_ns
    figure = plot(story.events, fold=False)
    assert [text.get_text() for text in figure.axes[0].texts].count("(3)") == (1 if apart_ns == 0 else 0)
