"""Journals to draw: stories by name, any journal that hypothesis thinks of, and what is seen of them."""

from __future__ import annotations

import journals
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from agentlab.core import journal as j
from agentlab.core.journal import JournalEvent
from agentlab.timeline.shapes import Layout

STORIES = {
    "debate": journals.debate(),
    "nested calls": journals.nested_calls(),
    "fan-out": journals.fan_out(),
    "killed worker": journals.killed_worker(),
    "moved agents": journals.moved_agents(),
    "foreign worker": journals.foreign_worker(),
    "standalone": journals.standalone(),
    "many": journals.many(60),
}
every_story = pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
both_views = pytest.mark.parametrize("lanes", ["process", "agent"])

MESSAGE_STEPS = [j.SENT, j.ARRIVED, j.LEFT, j.RECEIVED, j.STARTED, j.DUPLICATED, j.DELAYED, *sorted(j.ENDINGS)]
PROCESS_STEPS = [
    j.JOINED, j.GONE, j.KILLED, j.PAUSED, j.RESUMED, j.LEAVING, j.MOVED, j.STAYING,
    j.ADVERTISED, j.REFUSED, j.PARTED, j.HEALED, j.FAULT,
]  # fmt: skip
PROCESSES = ["", "host", "notebook", "w1", "w2", "w3"]
AGENTS = ["", "a/1", "b/1", "c/2"]


@st.composite
def events(draw: st.DrawFn) -> JournalEvent:
    """Any event at all: steps without the ones before them, clocks that disagree, processes without a name."""
    is_message = draw(st.integers(0, 4)) > 0
    kind = draw(st.sampled_from([j.REQUEST, j.RESPONSE, j.EVENT])) if is_message else j.PROCESS
    what = draw(st.sampled_from(MESSAGE_STEPS if is_message else PROCESS_STEPS))
    return JournalEvent(
        seq=0,
        what=what,
        kind=kind,
        message_id=draw(st.sampled_from(["m1", "m2", "m3"])) if is_message else "",
        cause="",
        sender=draw(st.sampled_from(AGENTS)) if is_message else "",
        recipient=draw(st.sampled_from(AGENTS)) if is_message else "",
        topic="news/x" if kind == j.EVENT else "",
        process=j.HOST if what in (j.ARRIVED, j.LEFT) else draw(st.sampled_from(PROCESSES)),
        type="module.Greeting",
        size=1,
        time_ns=draw(st.integers(0, 50)) * 1_000_000,
        lamport=0,
        detail=draw(st.sampled_from(PROCESSES)),
    )


any_journal = st.lists(events(), max_size=40)
any_view = st.sampled_from(["process", "agent"])
unhurried = settings(deadline=None, max_examples=300)
"""A busy machine is no reason to fail."""


def drawn_messages(picture: Layout) -> set[str]:
    return {shape.message_id for shape in (*picture.arrows, *picture.bars, *picture.marks)} - {""}


def names(picture: Layout) -> list[str]:
    return [lane.name for lane in picture.lanes]


def hops(picture: Layout, message_id: str) -> list[tuple[str, str, str]]:
    lanes = names(picture)
    return [
        (lanes[a.from_lane], lanes[a.to_lane] if a.to_lane is not None else "?", a.fate)
        for a in picture.arrows
        if a.message_id == message_id
    ]
