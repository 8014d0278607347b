"""Journals for these tests: the stories that the views are tested with, any events at all, and one run of real
agents."""

from __future__ import annotations

from hypothesis import strategies as st
from views import journals

from agentlab.core import journal as j
from agentlab.core.journal import JournalEvent

STORIES = {
    "debate": journals.debate(),
    "nested calls": journals.nested_calls(),
    "fan-out": journals.fan_out(),
    "killed worker": journals.killed_worker(),
    "standalone": journals.standalone(),
    "foreign worker": journals.foreign_worker(),
    "many": journals.many(60),
    "nothing": [],
}
"""Stories by their names, to run a test with each."""

_MESSAGE = st.sampled_from(
    [
        j.SENT,
        j.ARRIVED,
        j.LEFT,
        j.RECEIVED,
        j.STARTED,
        j.HANDLED,
        j.FAILED,
        j.LOST,
        j.DROPPED,
        j.DUPLICATED,
        j.DELAYED,
        j.UNHANDLED,
    ]
)
_PROCESSES = st.sampled_from(["notebook", "host", "w 1", "w\t1", "", 'w"2', "standalone", "neige\N{SNOWMAN}"])
_AGENTS = st.sampled_from(["", "a/1", "b/1", "end/as", "loop/<b>&#35;;:%%"])
NASTY = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
"""Texts with everything in them that could mean something to a reader."""

EVENTS = st.builds(
    JournalEvent,
    seq=st.integers(1, 99),
    what=_MESSAGE,
    kind=st.sampled_from([j.REQUEST, j.RESPONSE, j.EVENT]),
    message_id=st.sampled_from(["m1", "m2", "m3"]),
    cause=st.sampled_from(["", "m1", "m2"]),
    sender=_AGENTS,
    recipient=_AGENTS,
    topic=st.sampled_from(["", "news/x"]),
    process=_PROCESSES,
    type=st.sampled_from(["Ask", "pkg.Answer", "RemoteHandlerError"]) | NASTY,
    size=st.integers(0, 10**6),
    time_ns=st.integers(0, 10**7),
    lamport=st.integers(0, 20),
    detail=_PROCESSES | NASTY,
    trace=st.just(""),
) | st.builds(
    JournalEvent,
    seq=st.integers(1, 99),
    what=st.sampled_from([j.JOINED, j.GONE, j.KILLED, j.ADVERTISED, j.PARTED, j.HEALED, j.FAULT]),
    kind=st.just(j.PROCESS),
    message_id=st.just(""),
    cause=st.just(""),
    sender=st.just(""),
    recipient=st.just(""),
    topic=st.just(""),
    process=_PROCESSES,
    type=st.just(""),
    size=st.just(0),
    time_ns=st.integers(0, 10**7),
    lamport=st.integers(0, 20),
    detail=NASTY,
)
JOURNALS = st.lists(EVENTS, max_size=30)
"""Any events in any order, contradictions and all: what a damaged or a foreign journal may hold."""
