"""Message copies, and the table of them."""

from __future__ import annotations

import sys
from dataclasses import replace

import pandas
import pytest
from hypothesis import given
from views import journals

from agentlab.core import journal as j
from agentlab.core.journal import JournalEvent, messages
from agentlab.exports import COLUMNS, message_copies, rows, to_dataframe

from .journals import JOURNALS, STORIES


def one_row(events: list[JournalEvent], **wanted: object) -> dict[str, object]:
    found = [row for row in rows(events) if wanted.items() <= row.items()]
    assert len(found) == 1
    return found[0]


def test_a_request_has_a_row_with_every_part_of_its_way() -> None:
    story = journals.Story({"worker/1": "w"})
    story.call("", "worker/1", "pkg.Work", 6 * journals.MS)
    row = one_row(story.events, kind="request")
    assert (row["type"], row["sender"], row["recipient"], row["size"]) == ("Work", "", "worker/1", 64)
    assert (row["from_process"], row["to_process"], row["outcome"]) == ("notebook", "w", "handled")
    parts = [value for name, value in row.items() if name.endswith("took_ms")]
    assert row["total_ms"] == pytest.approx(sum(float(str(part)) for part in parts))
    assert row["handler_took_ms"] == 6
    assert row["sent_ms"] == 0


def test_a_published_message_has_a_row_for_each_receiver() -> None:
    table = to_dataframe(journals.fan_out())
    assert len(table) == 6
    assert set(table["recipient"]) == {"reader/a", "reader/b", "reader/c"}
    assert table.groupby("message_id")["sent_ms"].nunique().eq(1).all()
    assert table["to_host_took_ms"].notna().all()


def test_a_published_message_that_went_to_nobody_has_a_row_of_its_own() -> None:
    assert one_row(journals.standalone(), type="Nobody")["recipient"] == ""


def test_what_did_not_arrive_says_why() -> None:
    row = one_row(journals.killed_worker(), outcome="dropped")
    assert row["detail"] == "queue full"
    assert row["received_ms"] is None


def test_an_error_that_the_host_made_comes_from_the_host() -> None:
    copies = [copy for copy in message_copies(journals.killed_worker()) if copy.is_error]
    assert [(copy.type, copy.from_process) for copy in copies] == [("WorkerLostError", "host")] * 2


def test_a_late_end_of_a_handler_does_not_make_a_request_good() -> None:
    story = journals.Story({"slow/1": "w"})
    story.call("", "slow/1", "Ask", 40 * journals.MS)
    asked = next(e for e in story.events if e.what == j.HANDLED)
    story.log(
        j.FAILED,
        j.HOST,
        asked.time_ns - 10 * journals.MS,
        kind=j.REQUEST,
        message_id=asked.message_id,
        recipient="slow/1",
        type="Ask",
        detail="DeadlineExceededError: too late",
    )
    row = one_row(story.events, kind="request")
    assert row["outcome"] == "failed"
    assert row["handler_took_ms"] == 40


def test_a_delivery_that_was_duplicated_has_two_rows() -> None:
    story = journals.Story({"a/1": "w"})
    story.call("", "a/1", "Ask")
    twice = [e for e in story.events if e.kind == j.REQUEST and e.what not in (j.SENT, j.ARRIVED)]
    found = [row for row in rows([*story.events, *twice]) if row["kind"] == "request"]
    assert [row["number"] for row in found] == [1, 2]
    assert [row["outcome"] for row in found] == ["handled", "handled"]


def test_a_message_that_came_again_and_was_not_handled_again_has_ended_all_the_same() -> None:
    story = journals.Story({"a/1": "w"})
    story.call("", "a/1", "Ask")
    again = [e for e in story.events if e.kind == j.REQUEST and e.what not in (j.STARTED, j.HANDLED)]
    dropped = replace(again[-1], what=j.DROPPED, detail="attempt 2: handled once, and answered with that reply")
    found = [row for row in rows([*story.events, *again, dropped]) if row["kind"] == "request"]
    assert [row["outcome"] for row in found] == ["handled", "dropped"]


def test_two_senders_with_one_id_have_a_row_each() -> None:
    story = journals.Story({"a/1": "w", "b/1": "w", "c/1": "w"})
    for sender in ("a/1", "b/1"):
        story.send(j.REQUEST, "m1", sender, "c/1", "Ask")
    assert {copy.sender for copy in message_copies(story.events)} == {"a/1", "b/1"}


@given(JOURNALS)
def test_every_message_of_a_journal_is_in_the_table(events: list[JournalEvent]) -> None:
    routed = {e.message_id for e in events if e.kind == j.EVENT and e.recipient}
    wanted = {copy for copy in messages(events) if copy[2] or copy[1] != j.EVENT or copy[0] not in routed}
    found = {(copy.message_id, copy.kind, copy.recipient) for copy in message_copies(events)}
    assert wanted <= found


@given(JOURNALS)
def test_pandas_takes_any_journal(events: list[JournalEvent]) -> None:
    assert len(to_dataframe(events)) == len(message_copies(events))


@pytest.mark.parametrize("story", STORIES)
def test_the_table_has_the_same_types_whatever_is_in_it(story: str) -> None:
    table = to_dataframe(STORIES[story])
    assert isinstance(table, pandas.DataFrame)
    assert list(table.columns) == list(COLUMNS)
    times = [name for name in COLUMNS if name.endswith("_ms")]
    assert all(kind == "float64" for kind in table[times].dtypes)
    assert table["size"].dtype == "int64"


def test_without_pandas_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install pandas.*agentlab\.exports\.rows"):
        to_dataframe(journals.debate())
    assert rows(journals.debate())
