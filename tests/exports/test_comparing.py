"""What differs between two runs."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from views import journals

from agentlab.core import journal as j
from agentlab.core.journal import JournalEvent
from agentlab.exports import Comparison, compare, message_copies

from .journals import JOURNALS, STORIES

RUNS = st.builds(journals.many, st.integers(1, 15), st.integers(2, 4), st.integers(0, 50))


def without(events: list[JournalEvent], message_id: str) -> list[JournalEvent]:
    return [event for event in events if event.message_id != message_id]


@given(JOURNALS | RUNS)
def test_a_run_differs_nowhere_from_itself(events: list[JournalEvent]) -> None:
    comparison = compare(events, events)
    assert comparison.is_same
    assert comparison.timing == ()
    assert len(comparison.pairs) == len(message_copies(events))
    assert comparison.median_ms[0] == comparison.median_ms[1]


@given(RUNS, st.integers(0))
def test_ids_and_the_time_of_day_do_not_matter(events: list[JournalEvent], later_ns: int) -> None:
    other = [
        replace(
            e,
            message_id=e.message_id and f"x-{e.message_id}",
            cause=e.cause and f"x-{e.cause}",
            time_ns=e.time_ns + later_ns,
        )
        for e in events
    ]
    assert compare(events, other).is_same
    assert compare(events, other).timing == ()


@given(RUNS, st.data())
def test_a_message_that_is_gone_is_missed_and_nothing_else(events: list[JournalEvent], data: st.DataObject) -> None:
    ids = sorted({event.message_id for event in events if event.message_id})
    gone = data.draw(st.sampled_from(ids))
    comparison = compare(events, without(events, gone))
    removed = [copy for copy in message_copies(events) if copy.message_id == gone]
    assert comparison.added == ()
    assert comparison.reordered == ()
    assert sorted((n.sender, n.recipient, n.kind, n.type) for n in comparison.missing) == sorted(
        (copy.sender, copy.recipient, copy.kind, copy.type) for copy in removed
    )


@given(RUNS, RUNS)
def test_what_one_run_misses_the_other_has_added(first: list[JournalEvent], second: list[JournalEvent]) -> None:
    there, back = compare(first, second), compare(second, first)
    assert set(there.missing) == set(back.added)
    assert set(there.added) == set(back.missing)
    assert {pair.name for pair in there.pairs} == {pair.name for pair in back.pairs}
    assert {pair.name for pair in there.outcomes} == {pair.name for pair in back.outcomes}
    assert {pair.name for pair in there.timing} == {pair.name for pair in back.timing}
    assert len(there.reordered) == len(back.reordered)


@given(RUNS, RUNS)
def test_every_message_of_both_runs_is_accounted_for(first: list[JournalEvent], second: list[JournalEvent]) -> None:
    comparison = compare(first, second)
    assert len(comparison.pairs) + len(comparison.missing) == len(message_copies(first))
    assert len(comparison.pairs) + len(comparison.added) == len(message_copies(second))


def asked_in_order(*senders: str) -> list[JournalEvent]:
    story = journals.Story({f"{name}/1": name for name in "abcd"} | {"worker/1": "w"})
    for sender in senders:
        story.call(f"{sender}/1", "worker/1", "Ask")
    return story.events


def test_a_race_that_went_the_other_way_is_found() -> None:
    comparison = compare(asked_in_order("a", "b", "c"), asked_in_order("b", "c", "a"))
    assert [(pair.name.kind, pair.name.sender) for pair in comparison.reordered] == [("request", "a/1")]
    assert not comparison.missing
    assert not comparison.added


@given(st.permutations("abcd"))
def test_the_fewest_messages_explain_another_order(order: list[str]) -> None:
    reordered = compare(asked_in_order(*"abcd"), asked_in_order(*order)).reordered
    moved = {pair.name.sender for pair in reordered}
    kept = [name for name in order if f"{name}/1" not in moved]
    assert kept == sorted(kept)
    longest = max(len(rise) for rise in rises(order))
    assert len(reordered) == 4 - longest


def rises(order: list[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for name in order:
        found += [[*rise, name] for rise in found if not rise or rise[-1] < name]
    return found


def failing(error: str, work_ns: int = journals.MS) -> list[JournalEvent]:
    story = journals.Story({"worker/1": "w"})
    story.call("", "worker/1", "Ask", work_ns, error=error)
    return story.events


def test_another_outcome_is_found_with_its_reason() -> None:
    comparison = compare(failing(""), failing("ValueError: no\nsecond line"))
    assert [pair.name.kind for pair in comparison.outcomes] == ["request"]
    assert "handled, then failed (ValueError: no)" in str(comparison)
    assert [(name.type, name.kind) for name in comparison.missing] == [("Reply", "response")]
    assert [(name.type, name.kind) for name in comparison.added] == [("Error", "response")]


@pytest.mark.parametrize(
    ("first_ms", "second_ms", "differs"), [(1, 3, False), (10, 40, True), (40, 10, True), (1000, 1100, False)]
)
def test_only_a_noticeable_difference_of_times_counts(first_ms: int, second_ms: int, differs: bool) -> None:
    comparison = compare(failing("", first_ms * journals.MS), failing("", second_ms * journals.MS))
    assert bool(comparison.timing) == differs
    assert comparison.is_same


def test_what_counts_as_noticeable_can_be_said() -> None:
    first, second = failing("", 1000 * journals.MS), failing("", 1100 * journals.MS)
    (pair,) = compare(first, second, noticeable_factor=1.05).timing
    assert pair.difference_ms == pytest.approx(100)
    assert compare(first, second, noticeable_factor=1.05, noticeable_ms=200).timing == ()


def test_a_comparison_says_in_a_line_what_differs() -> None:
    assert repr(compare(failing(""), failing(""))) == "<Comparison: 2 messages in both, no difference>"
    assert repr(compare(asked_in_order("a", "b"), asked_in_order("b"))) == (
        "<Comparison: 2 messages in both; 2 missing>"
    )


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def read_html(comparison: Comparison) -> Tags:
    tags = Tags()
    tags.feed(comparison._repr_html_())
    tags.close()
    return tags


def test_a_notebook_shows_a_table_and_no_markup_of_a_message() -> None:
    story = journals.Story({"<script>/1": "<b>w"})
    story.call("", "<script>/1", "<img src=x>", error="<i>& 'no'</i>")
    quiet = [replace(e, what=j.HANDLED, detail="") if e.what == j.FAILED else e for e in story.events]
    shown = read_html(compare(story.events, [*quiet, *journals.debate()]))
    assert shown.tags <= {"div", "p", "b", "br", "table", "tr", "th", "td"}
    assert "<img src=x>" in shown.text
    assert "failed (<i>& 'no'</i>), then handled" in shown.text


def test_a_long_list_is_cut_and_says_how_much_more_there_is() -> None:
    story = journals.Story({"a/1": "w"})
    for _ in range(60):
        story.call("", "a/1", "Ask")
    comparison = compare(story.events, [])
    assert "  … and 70 more\n" in str(comparison)
    assert "… and 70 more" in read_html(comparison).text


@pytest.mark.parametrize("story", STORIES)
def test_any_story_compared_with_any_other_can_be_shown(story: str) -> None:
    for other in STORIES.values():
        comparison = compare(STORIES[story], other)
        assert str(comparison).startswith(repr(comparison)[len("<Comparison: ") : -1])
        assert read_html(comparison).text
