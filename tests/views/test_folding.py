"""Folding changes where times are drawn, and never their order; what is folded depends on what there is to see."""

from __future__ import annotations

from itertools import pairwise

import journals
import pytest
from histories import any_journal, any_view, unhurried
from hypothesis import given
from hypothesis import strategies as st
from journals import MS, US

from agentlab.core import journal as j
from agentlab.timeline.axis import Fold, TimeAxis
from agentlab.timeline.folding import ALL_WIDTHS, folds
from agentlab.timeline.placing import layout
from agentlab.timeline.ruler import duration, ruler
from agentlab.timeline.shapes import Layout

SECOND = 1000 * MS


@st.composite
def scattered_calls(draw: st.DrawFn) -> list[j.JournalEvent]:
    """Calls with pauses and handlers of any length, from microseconds to hours."""
    story = journals.Story({"echo/1": "worker"})
    story.join("notebook", "worker")
    lengths = st.one_of(st.integers(1, 5 * MS), st.integers(1, 4000 * SECOND))
    for pause, work in draw(st.lists(st.tuples(lengths, lengths), min_size=1, max_size=12)):
        story.now += pause
        story.call("", "echo/1", "Hello", work)
    return story.events


def calls(number: int, pause_ns: int, work_ns: int = MS) -> Layout:
    story = journals.Story({"echo/1": "worker"})
    for _ in range(number):
        story.call("", "echo/1", "Hello", work_ns)
        story.now += pause_ns
    return layout(story.events)


def width_of_a_hop(picture: Layout) -> float:
    """The median one's, as a share of the picture."""
    places = sorted(picture.axis.place(arrow.end) - picture.axis.place(arrow.start) for arrow in picture.arrows)
    return places[len(places) // 2] / picture.axis.place(picture.axis.length)


@unhurried
@given(st.one_of(any_journal, scattered_calls()), any_view)
def test_a_later_time_is_always_drawn_further_right_and_everything_is_within_the_axis(history, lanes):
    picture = layout(history, lanes=lanes)
    axis = picture.axis
    times = {0, axis.length} | {axis.at(event) for event in history}
    times |= {time for fold in axis.folds for time in (fold.start, fold.end, (fold.start + fold.end) // 2)}
    places = [axis.place(time) for time in sorted(times)]
    assert all(earlier < later for earlier, later in pairwise(places))
    assert places[0] == 0
    for shape in (*picture.arrows, *picture.bars):
        assert 0 <= axis.place(shape.start) <= axis.place(shape.end) <= places[-1]


@unhurried
@given(scattered_calls(), st.floats(0, 1))
def test_a_place_can_be_read_as_the_time_that_is_drawn_there(history, share):
    axis = layout(history).axis
    time = round(axis.length * share)
    assert axis.ticks_at(axis.place(time)) == pytest.approx(time, rel=1e-6, abs=1)


@unhurried
@given(scattered_calls())
def test_folds_are_in_order_narrower_than_their_time_and_leave_room(history):
    axis = layout(history).axis
    assert all(earlier.end <= later.start for earlier, later in pairwise(axis.folds))
    assert all(0 < fold.width < fold.end - fold.start for fold in axis.folds)
    drawn = axis.place(axis.length) * axis.ticks_per_unit
    assert sum(fold.width for fold in axis.folds) <= ALL_WIDTHS * drawn + len(axis.folds)


@unhurried
@given(scattered_calls())
def test_outside_folds_the_scale_is_true_and_no_message_is_sent_or_received_inside_one(history):
    picture = layout(history)
    for start, end in picture.axis.stretches():
        assert picture.axis.place(end) - picture.axis.place(start) == pytest.approx(
            picture.axis.shown(end - start), rel=1e-6, abs=1e-6
        )
    for arrow in picture.arrows:
        assert not any(fold.start < time < fold.end for fold in picture.axis.folds for time in (arrow.start, arrow.end))


@unhurried
@given(any_journal, any_view)
def test_without_folding_a_place_is_the_time_itself(history, lanes):
    axis = layout(history, lanes=lanes, fold=False).axis
    assert axis.folds == ()
    assert all(axis.place(axis.at(event)) == axis.shown(axis.at(event)) for event in history)


def test_a_thousand_times_longer_pauses_are_folded_and_the_hops_slant():
    picture = calls(5, pause_ns=2 * SECOND)
    assert len(picture.axis.folds) == 4
    assert width_of_a_hop(picture) > 0.005


def test_what_is_readable_as_it_is_is_not_folded():
    assert calls(5, pause_ns=MS).axis.folds == ()
    assert layout(journals.debate()).axis.folds == ()
    assert layout(journals.many(60)).axis.folds == ()


def test_equal_pauses_are_folded_together_even_when_each_is_a_small_part_of_the_picture():
    assert len(calls(30, pause_ns=SECOND).axis.folds) == 29


def test_a_handler_of_a_minute_does_not_flatten_everything_and_its_bar_goes_through_the_break():
    picture = calls(3, pause_ns=MS, work_ns=60 * SECOND)
    assert len(picture.axis.folds) == 3
    for fold in picture.axis.folds:
        assert any(bar.start <= fold.start and fold.end <= bar.end for bar in picture.bars)
    assert width_of_a_hop(picture) > 0.01


def test_a_handler_that_leaves_the_arrows_readable_is_drawn_as_long_as_it_was():
    assert calls(1, pause_ns=0, work_ns=12 * MS).axis.folds == ()


def test_processes_that_join_do_not_end_a_wait():
    story = journals.Story({"echo/1": "worker"})
    for process in ("notebook", "worker", "other"):
        story.join(process)
        story.now += SECOND
    story.call("", "echo/1", "Hello")
    assert [fold.start for fold in layout(story.events).axis.folds] == [0]


def test_without_a_message_nothing_is_folded():
    assert folds(SECOND, [], [], [5]) == ()
    assert folds(0, [(0, 0)], [], []) == ()


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (850, "0.85 µs"),
        (16_400_000, "16 ms"),
        (690_400_000, "690 ms"),
        (999_900_000, "1 s"),
        (1_234_000_000, "1.2 s"),
        (75 * SECOND, "75 s"),
        (200 * SECOND, "3.3 min"),
        (9000 * SECOND, "2.5 h"),
    ],
)
def test_a_break_says_how_long_it_was(ns, text):
    assert duration(ns) == text


def test_each_stretch_begins_with_the_time_since_the_first_event_and_goes_on_relative_to_that():
    fold = Fold(start=4 * MS, end=1004 * MS, place=4 * MS, width=MS)
    axis = TimeAxis(0, 1008 * MS, "ms", MS, "", (fold,))
    ticks = ruler(axis, pixels_per_place=60, size=10)
    after_start = [f"+{n} ms" for n in range(1, 5)]
    assert [tick.place for tick in ticks] == list(range(10))
    assert [tick.label for tick in ticks] == ["0", *after_start, "1.004 s", *after_start]
    assert [tick.place for tick in ticks if tick.is_start] == [0, 5]


@unhurried
@given(scattered_calls(), st.floats(200, 2000))
def test_every_tick_stands_where_its_label_says_and_labels_do_not_touch(history, width):
    axis = layout(history).axis
    per_place = width / axis.place(axis.length)
    sizes = {"µs": US, "ms": MS, "s": SECOND}
    start, right = 0.0, float("-inf")
    for tick in ruler(axis, per_place, 10):
        time = axis.ticks_at(tick.place)
        start = time if tick.is_start else start
        if not tick.label:
            continue
        half = len(tick.label) * 3.0
        assert right <= tick.place * per_place - half
        right = tick.place * per_place + half
        number, _, unit = tick.label.partition(" ")
        said = float(number) * sizes.get(unit, 1)
        last_digit = sizes.get(unit, 1) / 10 ** len(number.partition(".")[2])
        assert abs(said - (time if tick.is_start else time - start)) <= (0.5 * last_digit if tick.is_start else 0) + 2
