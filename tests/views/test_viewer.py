"""What a reader does with a live timeline, and the frames that come of it."""

from __future__ import annotations

import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import journals
import pytest
from histories import STORIES, any_journal, every_story, unhurried
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends import backend_agg
from matplotlib.image import imread

from agentlab.core import journal as j
from agentlab.timeline.causality import Node
from agentlab.timeline.choosing import Filter
from agentlab.timeline.chronicle import Chronicle
from agentlab.timeline.frame import NARROWEST, Frame, render
from agentlab.timeline.lens import EVERYTHING, SINGLE, Lens, View
from agentlab.timeline.sheet import Sheets
from agentlab.timeline.viewer import NARROWEST_NS, SPEEDS, Viewer


def viewer_of(events: list[j.JournalEvent], view: View | None = None) -> Viewer:
    viewer = Viewer(Lens(Chronicle(events)), view)
    viewer.lens.refresh()
    return viewer


def frame_of(events: list[j.JournalEvent], view: View | None = None, width: int = 800, ratio: float = 1) -> Frame:
    viewer = viewer_of(events, view)
    return render(viewer.lens.look(viewer.view), viewer.chronicle, width, ratio=ratio)


def test_a_paused_view_stays_where_it_is_and_follow_jumps_to_now():
    story = journals.debate()
    viewer = viewer_of(story[:20])
    viewer.pause()
    before = viewer.lens.look(viewer.view)
    viewer.chronicle.extend(story[20:])
    after = viewer.lens.look(viewer.view)
    assert (before.layout.arrows, before.layout.bars) == (after.layout.arrows, after.layout.bars)
    viewer.follow()
    assert viewer.is_following
    assert len(viewer.lens.look(viewer.view).layout.arrows) > len(after.layout.arrows)


@every_story
def test_stepping_visits_every_message_once_and_back_again(story):
    viewer = viewer_of(story)
    known = len(viewer.chronicle.copies)
    viewer.change(until=-1)
    visited = []
    for _ in range(known + 2):
        viewer.step(1)
        visited.append(viewer.selected)
    assert len(set(visited)) == known
    assert visited[-1] == visited[-2]
    viewer.step(-1)
    assert viewer.selected == visited[known - 2]


def test_stepping_goes_through_what_the_filter_lets_pass():
    viewer = viewer_of(journals.debate(), View(filter=Filter(kind="response"), until=-1))
    for _ in range(3):
        viewer.step(1)
        assert viewer.view.selected is not None
        assert viewer.view.selected[1] == j.RESPONSE


@pytest.mark.parametrize("is_logical", [False, True])
def test_a_step_out_of_the_window_leaves_it_and_one_within_it_does_not(is_logical):
    viewer = viewer_of(journals.debate(), View(is_logical=is_logical))
    everything = (0, viewer.chronicle.last_clock if is_logical else viewer.end)
    viewer.change(window=everything, until=-1)
    viewer.step(1)
    assert viewer.view.window == everything
    viewer.change(window=(0, 1))
    viewer.step(1)
    assert viewer.selected in viewer.lens.look(viewer.view).visible


@pytest.mark.parametrize("speed", SPEEDS.values())
def test_a_replay_goes_forward_to_the_end_and_waits_are_cut_short(speed):
    story = journals.Story({"a/1": "w"})
    for _ in range(3):
        story.call("", "a/1", "Ask")
        story.now += 3600 * 1_000_000_000
    viewer = viewer_of(story.events)
    viewer.speed = speed
    viewer.play()
    positions = []
    while viewer.is_playing:
        positions.append(viewer.position)
        viewer.advance(0.5)
        assert len(positions) < 2_000
    assert positions == sorted(positions)
    assert viewer.is_following


@unhurried
@given(any_journal, st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.booleans())
def test_any_window_that_is_asked_for_can_be_shown(history, first, last, is_logical):
    viewer = viewer_of(list(history))
    viewer.change(is_logical=is_logical)
    viewer.show(first, last)
    assert viewer.view.window is not None
    begin, end = viewer.view.window
    assert end - begin >= (4 if is_logical else NARROWEST_NS)
    viewer.lens.look(viewer.view)


def test_selecting_lights_up_past_and_future_and_a_wrong_number_selects_nothing():
    viewer = viewer_of(journals.nested_calls())
    number = viewer.chronicle.of_message["m2"][0]
    viewer.select(number)
    lit = viewer.lens.look(viewer.view).layout.lit
    life = viewer.life()
    assert lit is not None
    assert life is not None
    assert lit == life[1].around(Node("m2"))
    for wrong in (None, -1, 10**9):
        viewer.select(wrong)
        assert viewer.selected is None
        assert viewer.life() is None


@pytest.mark.parametrize("ratio", [1, 2])
@pytest.mark.parametrize("name", STORIES)
def test_everything_that_can_be_hit_is_on_the_picture(name, ratio):
    frame = frame_of(STORIES[name], ratio=ratio)
    image = imread(BytesIO(frame.png))
    assert image.shape[:2] == (frame.height * ratio, frame.width * ratio)
    left, top, right, bottom = frame.axes
    assert 0 < left < right <= frame.width
    assert 0 < top < bottom < frame.height
    for kind, x0, y0, x1, y1, place in frame.hits:
        assert kind in ("arrow", "bar", "point")
        assert min(y0, y1) >= -1
        assert max(y0, y1) <= frame.height
        assert x0 <= x1
        assert len(frame.tips[place]) >= 2
    assert [tick for _, tick in frame.scale] == sorted(tick for _, tick in frame.scale)
    assert [x for x, _ in frame.scale] == sorted(x for x, _ in frame.scale)


@pytest.mark.parametrize("name", STORIES)
def test_on_a_used_sheet_nothing_is_left_of_the_frame_before(name):
    story, sheets = STORIES[name], Sheets()
    for view in (View(), View(fold=False), View(lanes="agent"), View(is_logical=True), View(until=10**6), View()):
        viewer = viewer_of(story)
        viewer.view = view
        scene = viewer.lens.look(view)
        used = render(scene, viewer.chronicle, sheets=sheets)
        assert used == render(scene, viewer.chronicle)


def test_an_arrow_is_drawn_where_its_hit_says():
    frame = frame_of(journals.debate(), View(fold=False))
    image = imread(BytesIO(frame.png))
    arrows = [hit for hit in frame.hits if hit[0] == "arrow"]
    assert arrows
    for _, x0, y0, x1, y1, _ in arrows:
        row, column = round(y0 + (y1 - y0) * 0.75), round(x0 + (x1 - x0) * 0.75)
        around = image[row - 2 : row + 3, column - 3 : column + 4, :3]
        assert around.min() < 0.8


def test_a_density_says_what_is_in_each_of_its_cells():
    frame = frame_of(journals.many(SINGLE), View(span=EVERYTHING))
    assert frame.cells is not None
    assert len(frame.cells["counts"]) == len(frame.cells["lanes"])
    assert frame.hits == [] or all(frame.tips[hit[-1]][0] == -1 for hit in frame.hits)
    assert "too many for single arrows" in frame.alt


def test_an_empty_run_and_a_narrow_page_have_a_picture_too():
    assert frame_of([]).alt == "nothing has happened yet"
    assert frame_of(journals.debate(), width=10).width == NARROWEST


@pytest.mark.parametrize("name", ["$\\frac$", "<script>alert(1)</script>", "名前 🙂", "a\nb", "$a$ & _b^c"])
def test_names_from_elsewhere_are_drawn_as_they_are(name):
    story = journals.Story({"a/1": name})
    story.join("notebook", name)
    story.call("", "a/1", name, error=f"ValueError: {name}")
    for view in (View(), View(lanes="agent"), View(filter=Filter(text=name))):
        frame = frame_of(story.events, view)
        assert frame.png.startswith(b"\x89PNG")


def test_a_slider_goes_through_the_run_moment_by_moment_and_waits_take_none_of_it():
    viewer = viewer_of(journals.debate())
    seen = []
    for place in (0.0, 0.25, 0.5, 0.75):
        viewer.seek(place)
        assert viewer.is_sought
        assert not viewer.is_following
        assert abs(viewer.place - place) < 0.1
        seen.append(viewer.lens.look(viewer.view).shown)
    assert seen == sorted(seen)
    assert seen[0] < seen[-1]
    viewer.step(1)
    assert not viewer.is_sought
    viewer.seek(1.0)
    assert viewer.is_following
    assert viewer.place == 1.0


def test_a_slider_of_an_empty_run_does_nothing():
    viewer = viewer_of([])
    viewer.seek(0.3)
    assert viewer.is_following


def pauses(messages: int) -> list[j.JournalEvent]:
    """Many messages, a minute of nothing, and as many again."""
    story = journals.many(messages)
    again = [replace(e, message_id=e.message_id and e.message_id + "b", time_ns=e.time_ns + 60 * 10**9) for e in story]
    return [replace(e, seq=n) for n, e in enumerate([*story, *again], 1)]


def test_an_overview_folds_long_waits_and_its_bins_are_as_wide_as_they_are_drawn():
    viewer = viewer_of(pauses(SINGLE))
    viewer.show_everything()
    scene = viewer.lens.look(viewer.view)
    assert scene.density is not None
    (fold,) = scene.layout.axis.folds
    assert fold.end - fold.start > 50 * 10**9
    full = (scene.density.counts.sum(axis=0) > 0).mean()
    assert full > 0.5
    viewer.change(fold=False)
    true = viewer.lens.look(viewer.view)
    assert true.layout.axis.folds == ()
    assert true.density is not None
    assert (true.density.counts.sum(axis=0) > 0).mean() < 0.1
    assert true.density.counts.sum() == scene.density.counts.sum()
    save("overview.png", render(scene, viewer.chronicle).png)


def test_in_an_overview_the_selected_message_stands_out():
    viewer = viewer_of(pauses(SINGLE))
    viewer.show_everything()
    assert viewer.lens.look(viewer.view).layout.arrows == ()
    viewer.select(10)
    scene = viewer.lens.look(viewer.view)
    assert scene.density is not None
    assert viewer.chronicle.copies[10][0].message_id in {arrow.message_id for arrow in scene.layout.arrows}
    frame = render(scene, viewer.chronicle)
    assert any(frame.tips[hit[-1]][0] == 10 for hit in frame.hits)
    save("overview-selected.png", frame.png)


def save(name: str, png: bytes) -> None:
    """Keep a picture for a person to look at, where that is wanted."""
    if folder := os.environ.get("AGENTLAB_TEST_PICTURES"):
        Path(folder).mkdir(exist_ok=True)
        (Path(folder) / name).write_bytes(png)


def test_a_picture_reads_no_file(monkeypatch):
    """Whoever reads lets another thread take its turn: beside a busy cell, that is the end of a live picture."""
    events = journals.debate()
    frame_of(events)
    with monkeypatch.context() as patch:
        patch.setattr(backend_agg, "get_font", None)
        frame_of([*events, *journals.nested_calls()])
