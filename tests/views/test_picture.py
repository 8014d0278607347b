"""A picture shows itself: as an image where there are images, else as text; and nothing is loaded before it must be."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import journals
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure

from agentlab import timeline
from agentlab.core import journal as j
from agentlab.core.run import Run
from agentlab.timeline import overview
from agentlab.timeline.chronicle import Chronicle
from agentlab.timeline.picture import LISTED, Picture


def shown(figure: Figure, **wanted: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    data, metadata = DisplayFormatter().format(figure, **wanted)
    return data, metadata


def test_a_notebook_gets_an_image_with_its_size_and_the_listing_as_text():
    figure = timeline.plot(journals.debate())
    data, metadata = shown(figure)
    assert set(data) == {"text/plain", "image/png"}
    assert data["image/png"].startswith(b"\x89PNG")
    pixels = int.from_bytes(data["image/png"][16:20], "big")
    assert pixels == 2 * metadata["image/png"]["width"]
    assert data["text/plain"] == timeline.text(journals.debate()).rstrip("\n")


def test_who_wants_text_only_waits_for_no_image():
    data, _ = shown(timeline.plot(journals.debate()), include={"text/plain"})
    assert set(data) == {"text/plain"}
    data, _ = shown(timeline.plot(journals.debate()), exclude={"image/png"})
    assert set(data) == {"text/plain"}


def test_the_text_of_a_long_run_is_cut_in_the_middle_and_says_so():
    data, _ = shown(timeline.plot(journals.many(60)), include={"text/plain"})
    lines = data["text/plain"].splitlines()
    whole = timeline.text(journals.many(60)).splitlines()
    assert len(lines) == LISTED + 2
    assert (lines[1], lines[-1]) == (whole[1], whole[-1])
    left_out = len(whole) - 1 - LISTED
    assert f"{left_out} lines left out" in lines[1 + LISTED // 2]


def test_the_repr_is_one_line():
    assert repr(timeline.plot(journals.debate())) == "<Picture of a timeline: 5 lanes, 3 messages>"
    assert isinstance(timeline.plot([]), Picture)
    assert shown(timeline.plot([]))[0]["text/plain"] == "nothing has happened yet"


@pytest.mark.parametrize(
    "code",
    [
        "from agentlab.timeline import layout, text; text([]); layout([])",
        "import agentlab.timeline.placing",
        "import agentlab; agentlab.timeline.layout([])",
    ],
)
def test_layout_and_listing_load_no_matplotlib(code):
    check = f"{code}\nimport sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", check], check=True, timeout=60)


def test_what_the_package_offers_is_listed_and_found():
    assert dir(timeline) == ["layout", "plot", "save", "text"]
    assert all(callable(getattr(timeline, name)) for name in dir(timeline))
    with pytest.raises(AttributeError, match="no attribute 'plt'"):
        timeline.plt  # noqa: B018


def test_more_messages_than_there_is_room_for_are_an_overview_that_says_so(monkeypatch):
    story = journals.many(350)
    copies = len(Chronicle(story).copies)
    monkeypatch.setattr(overview, "ONE_BY_ONE", copies)
    assert timeline.plot(story).density_shown is None
    monkeypatch.setattr(overview, "ONE_BY_ONE", copies - 1)
    end = replace(story[0], what=j.KILLED, process="worker-1", time_ns=story[-1].time_ns)
    figure = timeline.plot(Run([*story, end], let_go=3, note="cut off"), title="A title")
    assert not figure.layout_shown.arrows
    said = [text.get_text() for text in figure.axes[0].texts]
    assert any(f"cut off; {copies} messages are too many for single arrows" in text for text in said)
    assert any("3 earlier events" in text for text in said)
    legend = {text.get_text() for text in figure.axes[0].get_legend().get_texts()}
    assert {"killed", "not handled, dropped, late or lost"} <= legend
    data, _ = shown(figure)
    assert data["image/png"].startswith(b"\x89PNG")
    assert re.search(r"worker-4 +\d+ messages began or ended here, \d+ of them", data["text/plain"])
    assert "overview" in repr(figure)
