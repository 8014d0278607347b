from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab import Journal, JournalEvent
from agentlab.core import journal as j
from agentlab.core.clock import LamportClock
from agentlab.core.journal import payload_text


def record(message_id: str = "m1", *, kind: str = j.EVENT, recipient: str = "a/1", what: str = j.SENT) -> Sequence[Any]:
    return (what, kind, message_id, "", "", recipient, "t/s", "host", "Text", 0, 0, 1)


def test_events_are_numbered_from_one_without_holes() -> None:
    journal = Journal()
    for name in ("m1", "m2", "m3"):
        journal.append(*record(name))
    assert [(event.seq, event.message_id) for event in journal] == [(1, "m1"), (2, "m2"), (3, "m3")]
    assert (len(journal), journal.last_seq, journal.let_go) == (3, 3, 0)


def test_an_event_is_made_of_its_fields_in_order() -> None:
    journal = Journal()
    journal.append("failed", "request", "m1", "m0", "a/1", "b/1", "", "w1", "Text", 12, 99, 7, "why", "trace")
    assert list(journal) == [
        JournalEvent(1, "failed", "request", "m1", "m0", "a/1", "b/1", "", "w1", "Text", 12, 99, 7, "why", "trace")
    ]


def test_detail_and_trace_may_be_left_out() -> None:
    journal = Journal()
    journal.append(*record())
    (event,) = journal
    assert (event.detail, event.trace) == ("", "")


@given(st.integers(1, 6), st.integers(0, 15), st.integers(-1, 20), st.none() | st.integers(0, 20))
def test_after_answers_as_reading_all_that_is_left_does(
    capacity: int, written: int, seq: int, limit: int | None
) -> None:
    journal = Journal(capacity)
    for number in range(1, written + 1):
        journal.append(*record(f"m{number}"))
    left = list(range(max(1, written - capacity + 1), written + 1))
    wanted = [number for number in left if number > seq][:limit]
    assert [event.seq for event in journal.after(seq, limit)] == wanted
    assert [event.message_id for event in journal.after(seq, limit)] == [f"m{number}" for number in wanted]
    assert journal.last_seq == written
    assert journal.let_go == written - len(left)
    assert len(journal) == len(left)


@given(
    st.integers(1, 30),
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 12), st.text(max_size=3), st.booleans()), max_size=12),
)
def test_events_written_together_are_as_if_each_were_written_by_itself(
    capacity: int, text_capacity: int, batches: list[tuple[int, str, bool]]
) -> None:
    one_by_one, together = Journal(capacity), Journal(capacity)
    lamport = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agentlab.core.journal.TEXT_CAPACITY", text_capacity)
        for number, detail, traced in batches:
            if traced:
                texts = (detail, "trace", b"payload")
                for journal in (one_by_one, together):
                    journal.write(j.FAILED, (j.EVENT, "m", "", "", "", "t/s", "T", 3), "w1", 1, lamport, texts)
            messages = [(j.EVENT, f"m{n}", "", "", f"a/{n}", "t/s", "T", n) for n in range(number)]
            steps, times, lamports = [j.LEFT] * number, list(range(number)), [lamport + n for n in range(number)]
            lamport += number
            for row in zip(steps, messages, ["w2"] * number, times, lamports, strict=True):
                one_by_one.write(*row, detail)
            together.write_all(steps, messages, "w2", times, lamports, detail)
            assert list(together) == list(one_by_one)
            assert together.last_seq == one_by_one.last_seq
            assert together.let_go == one_by_one.let_go
            assert together._text == one_by_one._text


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_journal_has_room_for_something(capacity: int) -> None:
    with pytest.raises(ValueError, match="room for at least one"):
        Journal(capacity)


def test_the_events_of_each_copy_are_found_together() -> None:
    journal = Journal()
    journal.append(*record("m1", recipient="a/1"))
    journal.append(*record("m1", recipient="b/1"))
    journal.append(*record("", kind=j.PROCESS, what=j.JOINED))
    journal.append(*record("m1", recipient="a/1", what=j.HANDLED))
    journal.append(*record("m1", kind=j.RESPONSE, recipient="a/1"))
    assert {copy: [event.seq for event in events] for copy, events in j.messages(journal).items()} == {
        ("m1", j.EVENT, "a/1"): [1, 4],
        ("m1", j.EVENT, "b/1"): [2],
        ("m1", j.RESPONSE, "a/1"): [5],
    }


def test_a_journal_says_how_much_it_let_go() -> None:
    journal = Journal(capacity=2)
    for _ in range(5):
        journal.append(*record())
    assert repr(journal) == "<Journal of 2 events, 3 let go>"


@given(st.lists(st.none() | st.integers(0, 50)))
def test_a_lamport_clock_only_goes_forward_and_past_what_it_saw(steps: list[int | None]) -> None:
    """None is an event here, a number the time on a message that arrives."""
    clock, before = LamportClock(), 0
    for seen in steps:
        now = clock.tick() if seen is None else clock.merge(seen)
        assert now == clock.now == max(before, seen or 0) + 1
        before = now


@given(st.text(max_size=30), st.integers(0, 130))
def test_a_payload_that_is_text_is_read_as_far_as_it_was_kept(text: str, kept: int) -> None:
    data = text.encode()
    journal = Journal()
    journal.append(*record()[:9], len(data), 0, 1, "", "", data[:kept])
    (event,) = journal
    if kept >= len(data):
        assert event.payload == text
    else:
        said, mark = event.payload[:-2], event.payload[-2:]
        assert mark == " …"
        assert text.startswith(said)
        assert kept - len(said.encode()) < 4


def test_a_payload_that_is_no_text_is_shown_in_hexadecimal() -> None:
    assert payload_text(b"\xff\x00\x10", 3) == "binary: ff 00 10"
    assert payload_text(bytes([255]) * 2000, 5000).endswith("ff …")


def test_a_text_payload_that_was_read_before_stays_as_it_is() -> None:
    journal = Journal()
    journal.append(*record(), "", "", "said")
    assert next(iter(journal)).payload == "said"
