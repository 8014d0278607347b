"""Pictures are tested by their artists, and saved so that a person can look at them (pytest --basetemp=DIR)."""

from __future__ import annotations

import subprocess
import sys

import journals
import pytest
from histories import STORIES, any_journal, any_view, both_views, every_story, unhurried
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from agentlab import timeline
from agentlab.core import journal as j
from agentlab.core.run import Run
from agentlab.timeline.arrows import HEADS, LABELLED_ARROWS
from agentlab.timeline.ground import in_rows
from agentlab.timeline.labels import Box, place_labels, shortened
from agentlab.timeline.shapes import EMPTY
from agentlab.timeline.style import ARROWS, BARS, FATES, MARKS, QUIET_MARKS


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def legend_of(figure: Figure) -> set[str]:
    legend = figure.axes[0].get_legend()
    assert legend is not None
    return {text.get_text() for text in legend.get_texts()}


def lines_by_style(figure: Figure) -> dict[str, int]:
    found = [item for item in figure.axes[0].collections if isinstance(item, LineCollection)]
    return {str(item.get_label()): len(item.get_segments()) for item in found if item.get_label() in ARROWS}


@every_story
@both_views
def test_a_story_is_drawn_and_saved(story, lanes, tmp_path):
    path = timeline.save(story, tmp_path / "timeline.png", lanes=lanes)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_there_is_one_line_for_each_arrow_and_one_collection_for_each_style():
    story = journals.nested_calls()
    arrows = timeline.layout(story).arrows
    expected = {style: sum(arrow.style == style for arrow in arrows) for style in {arrow.style for arrow in arrows}}
    assert lines_by_style(timeline.plot(story)) == expected


def test_there_is_one_box_for_each_handler_and_a_failed_one_is_hatched():
    boxes = [
        item
        for item in timeline.plot(journals.nested_calls()).axes[0].collections
        if type(item) is PolyCollection and item.get_label() != HEADS
    ]
    assert {str(item.get_label()): len(item.get_paths()) for item in boxes} == {"handled": 3, "failed": 1}
    assert [bool(item.get_hatch()) for item in boxes if item.get_label() == "failed"] == [True]


def test_the_legend_explains_what_is_present_and_nothing_else():
    assert legend_of(timeline.plot(journals.fan_out())) == {"handler", "published event", "joined"}
    killed = legend_of(timeline.plot(journals.killed_worker()))
    assert {"lost", "dropped", "still on its way", "killed", "paused", "resumed", "error response"} <= killed


def test_no_two_kinds_of_message_and_no_two_endings_differ_by_colour_alone():
    assert len({(look.dashes, look.head, look.hollow) for look in ARROWS.values()}) == len(ARROWS)
    assert len({look.dashes for look in ARROWS.values()}) == len(ARROWS)
    assert len({look.marker for look in FATES.values()}) == len(FATES)
    assert len({(look.dashes, look.hatch, look.legend) for look in BARS.values()}) == len(BARS)
    happened = (j.JOINED, j.GONE, j.KILLED, j.PAUSED, j.RESUMED, j.LEAVING, j.MOVED, j.STAYING, j.PARTED, j.HEALED)
    on_lanes = [MARKS[what] for what in happened]
    assert len({(look.marker, look.face == look.edge) for look in on_lanes}) == len(on_lanes)


def test_a_worker_that_leaves_in_order_and_the_agents_it_hands_over_are_marked(tmp_path):
    story = journals.moved_agents()
    assert {"about to leave", "agent moved", "stays after all", "stopped"} <= legend_of(timeline.plot(story))
    listed = timeline.text(story)
    assert "● " in listed
    assert "moved: counter/a → steady" in listed
    assert timeline.save(story, tmp_path / "moved.png").stat().st_size
    picture = timeline.layout(story, lanes="agent")
    moved = [(picture.lanes[mark.lane].name, mark.detail) for mark in picture.marks if mark.what == j.MOVED]
    assert moved == [("counter/a", "counter/a → steady"), ("counter/b", "counter/b → steady")]


def test_lanes_are_named_from_top_to_bottom_and_the_host_stands_out():
    labels = timeline.plot(journals.debate()).axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == ["notebook", "moderator", "host", "pro", "contra"]
    assert [label.get_text() for label in labels if label.get_fontweight() == "bold"] == ["host"]
    top, bottom = labels[0].get_window_extent(), labels[-1].get_window_extent()
    assert top.y0 > bottom.y1


def test_long_names_that_differ_at_the_end_still_differ_when_cut():
    names = [shortened(f"a-rather-long-worker-name-{number}") for number in (1, 2)]
    assert names == ["a-rather-lon…rker-name-1", "a-rather-lon…rker-name-2"]
    assert shortened("short") == "short"


def test_few_arrows_are_labelled_with_their_message_type_and_many_are_not():
    few, many = journals.fan_out(), journals.many(60)
    assert len(timeline.layout(few).arrows) <= LABELLED_ARROWS < len(timeline.layout(many).arrows)
    assert {"News", "Correction"} <= set(texts(timeline.plot(few)))
    assert "Task" not in texts(timeline.plot(many))


@pytest.mark.parametrize("name", ["debate", "nested calls", "fan-out", "killed worker", "foreign worker"])
def test_labels_do_not_overlap_each_other_and_stay_in_the_picture(name):
    figure = timeline.plot(STORIES[name])
    FigureCanvasAgg(figure).draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize("name", STORIES)
def test_nothing_is_clipped_at_the_edge_of_the_picture(name):
    figure = timeline.plot(STORIES[name], title="A title")
    FigureCanvasAgg(figure).draw()
    tight = figure.axes[0].get_tightbbox()
    assert tight is not None
    assert figure.bbox.x0 <= tight.x0
    assert tight.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= tight.y0
    assert tight.y1 <= figure.bbox.y1


@unhurried
@given(st.lists(st.tuples(st.text("abc", min_size=1, max_size=9), *[st.floats(0, 300)] * 4), max_size=15))
def test_placed_labels_never_overlap_and_stay_in_the_frame(wanted):
    frame = Box(0, 0, 300, 300)
    labels = [(text, (x0, y0, x1, y1)) for text, x0, y0, x1, y1 in wanted]
    places = place_labels(labels, 10, frame, [line for _, line in labels], len(labels) // 2)
    assert len(places) == len(labels)
    boxes = [
        Box(place[0] + 0.01, place[1] - 6, place[0] + len(text) * 5.9, place[1] + 6)
        for (text, _), place in zip(labels, places, strict=True)
        if place is not None
    ]
    for number, box in enumerate(boxes):
        assert not any(map(box.overlaps, boxes[number + 1 :]))
        assert 0 <= box.left < box.right <= 300


@given(any_journal, any_view)
@settings(max_examples=25, deadline=None)
def test_any_journal_can_be_drawn_and_listed(history, lanes):
    FigureCanvasAgg(timeline.plot(history, lanes=lanes)).draw()
    listing = timeline.text(history, 60, lanes=lanes)
    assert all(len(line) <= 60 for line in listing.splitlines())


def test_an_empty_journal_says_that_nothing_has_happened_yet(tmp_path):
    assert texts(timeline.plot([])) == [EMPTY]
    assert timeline.save(Run([]), tmp_path / "empty.svg").exists()
    assert timeline.text([]) == f"{EMPTY}\n"


def test_drawing_into_given_axes_returns_their_figure():
    figure = Figure()
    first, second = figure.subplots(2)
    assert timeline.plot(journals.debate(), first, title="Above") is figure
    assert timeline.plot([], second) is figure
    assert first.get_title(loc="left") == "Above"
    part = Figure()
    assert timeline.plot(journals.debate(), part.subfigures(1, 2)[0].subplots()) is part


@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".PDF", b"%PDF")])
def test_the_suffix_chooses_the_format(suffix, start, tmp_path):
    path = timeline.save(journals.debate(), tmp_path / "new folder" / f"timeline{suffix}", title="A debate")
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["timeline.docx", "timeline"])
def test_an_unknown_suffix_is_refused_with_those_that_are_known(name, tmp_path):
    with pytest.raises(ValueError, match=r"\.svg, \.png, \.pdf"):
        timeline.save(journals.debate(), tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_picture_shows_itself_in_a_notebook_without_pyplot():
    code = (
        "import sys, agentlab.timeline as t\n"
        "data, size = t.plot([])._repr_png_()\n"
        "assert data[:4] == b'\\x89PNG' and size['width'] == 1000, size\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_the_picture_leaves_out_is_written_on_it():
    figure = timeline.plot(Run(journals.debate(), let_go=3, note="cut off"))
    assert "cut off; 3 earlier events let go by the journal" in texts(figure)


def test_the_listing_tells_the_story_in_order_of_time():
    lines = timeline.text(journals.killed_worker(), 120).splitlines()
    assert lines[0] == "ms since the first event; lanes: notebook, host, fragile, steady"
    times = [float(line.split()[0]) for line in lines[1:]]
    assert times == sorted(times)
    story = "\n".join(lines)
    for part in ("──✕ fragile", "··⊘ fragile", "──○ steady", "lost after 2.56 ms: worker fragile was lost", "killed"):
        assert part in story


def long_pauses() -> list[j.JournalEvent]:
    story = journals.Story({"echo/1": "worker"})
    story.join("notebook", "worker")
    for _ in range(3):
        story.now += 1_234 * journals.MS
        story.call("", "echo/1", "Hello")
    return story.events


def test_a_break_cuts_the_picture_and_says_how_long_it_was():
    figure = timeline.plot(long_pauses())
    (edges,) = [item for item in figure.axes[0].collections if item.get_label() == "break"]
    assert len(edges.get_paths()) == 2 * 3
    assert texts(figure).count("1.2 s") == 3
    assert figure.axes[0].get_xlabel() == "time since the first event, with long waits cut short"


def test_on_request_the_time_axis_is_true_everywhere():
    figure = timeline.plot(long_pauses(), fold=False)
    assert "1.2 s" not in texts(figure)
    assert figure.axes[0].get_xlabel() == "ms since the first event"


def test_the_labels_of_breaks_do_not_touch_and_are_turned_when_there_are_too_many():
    assert in_rows([(10, 18), (40, 18)]) == [0, 0]
    assert in_rows([(10, 18), (20, 18), (33, 18)]) == [0, 1, 0]
    assert in_rows([(10, 18), (15, 18), (20, 18)]) == [None, None, None]


def test_the_pointer_tells_the_time_that_was_and_not_the_place():
    ax = timeline.plot(long_pauses()).axes[0]
    last = timeline.layout(long_pauses()).axis
    assert ax.format_coord(last.place(last.length), 0) == f"{last.shown(last.length):.6g} ms"


def test_quiet_marks_are_small_and_a_covered_one_is_not_drawn():
    killed = legend_of(timeline.plot(journals.killed_worker()))
    assert "killed" in killed
    assert not killed & {"stopped", "connection lost", "joined later"}
    assert QUIET_MARKS[j.JOINED].area < MARKS[j.JOINED].area / 2


def test_a_request_that_missed_its_deadline_is_labelled_with_the_error():
    story = journals.Story({"slow/1": "worker"})
    request = {"kind": j.REQUEST, "message_id": "m1", "sender": "", "recipient": "slow/1", "type": "Hello"}
    story.send(j.REQUEST, "m1", "", "slow/1", "Hello")
    story.log(j.STARTED, "worker", story.now + journals.MS, **request)
    error = "DeadlineExceededError: slow/1 did not answer within 1 s."
    story.log(j.FAILED, j.HOST, story.now + 2 * journals.MS, **request, detail=error)
    assert "DeadlineExceededError" in texts(timeline.plot(story.events))
