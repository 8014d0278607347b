from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab import JournalEvent, Run, RunFileError

ANY_TEXT = st.text(st.characters(), max_size=8)  # also lone surrogates: an exception's text may hold them
COUNTS = st.integers(0, 2**63)
EVENTS = st.builds(
    JournalEvent,
    COUNTS,
    *[ANY_TEXT] * 9,
    COUNTS,
    COUNTS,
    COUNTS,
    ANY_TEXT,
    ANY_TEXT,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**64, 2**64 - 1) | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
RUNS = st.builds(
    Run,
    st.lists(EVENTS, max_size=3).map(tuple),
    st.lists(ANY_TEXT, max_size=3).map(tuple),
    COUNTS,
    st.just(""),
    st.dictionaries(ANY_TEXT, JSON, max_size=3),
)
NO_EVENTS: dict[str, Any] = {"format": "agentlab-run", "version": 1, "events": 0, "lanes": [], "let_go": 0, "info": {}}


def an_event(seq: int = 1, **changes: Any) -> JournalEvent:
    fields = dict[str, Any](
        seq=seq,
        what="sent",
        kind="event",
        message_id="m1",
        cause="",
        sender="",
        recipient="é/1",
        topic="t/s",
        process="host",
        type="Text",
        size=5,
        time_ns=1_700_000_000_000_000_000,
        lamport=seq,
    )
    return JournalEvent(**(fields | changes))


A_RUN = Run((an_event(1), an_event(2, detail="wörtlich\n"), an_event(3)), ("host", "w1"), 4, "", {"seed": 1})


def content(run: Run) -> tuple[Any, ...]:
    return (list(run.events), tuple(run.lanes), run.let_go, run.info)


def bytes_of(run: Run, folder: Path) -> bytes:
    return run.save(folder / "run.jsonl").read_bytes()


def opened(data: bytes, folder: Path) -> Run:
    path = folder / "read.jsonl"
    path.write_bytes(data)
    return Run.open(path)


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def record_of(event: JournalEvent, **changes: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in JournalEvent.__slots__} | changes


@given(RUNS)
def test_a_run_survives_saving_and_opening(run: Run) -> None:
    with tempfile.TemporaryDirectory() as folder:
        again = Run.open(run.save(Path(folder) / "run.jsonl"))
    assert content(again) == content(run)
    assert again.note == ""


def test_save_returns_the_path_and_makes_the_folder(tmp_path: Path) -> None:
    path = A_RUN.save(str(tmp_path / "deep" / "down" / "run.jsonl"))
    assert path == tmp_path / "deep" / "down" / "run.jsonl"
    assert list(path.parent.iterdir()) == [path]


def test_save_takes_the_place_of_an_older_run(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    A_RUN.save(path)
    Run(()).save(path)
    assert len(Run.open(path)) == 0


def test_a_run_that_cannot_be_saved_leaves_the_older_one(tmp_path: Path) -> None:
    path = A_RUN.save(tmp_path / "run.jsonl")
    with pytest.raises(TypeError):
        Run((), info={"when": object()}).save(path)
    assert content(Run.open(path)) == content(A_RUN)
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_json_lines_with_a_head(tmp_path: Path) -> None:
    head, *events = bytes_of(A_RUN, tmp_path).decode("ascii").splitlines()
    assert json.loads(head)["format"] == "agentlab-run"
    assert json.loads(head)["version"] == 1
    assert [json.loads(event)["seq"] for event in events] == [1, 2, 3]


def test_a_run_is_its_events(tmp_path: Path) -> None:
    assert list(A_RUN) == list(A_RUN.events)
    assert len(A_RUN) == 3
    assert repr(A_RUN) == "<Run: 3 events of 1 message copies, 4 events let go>"


def test_a_file_cut_off_at_any_byte_opens_up_to_there_or_is_no_run_yet(tmp_path: Path) -> None:
    data = bytes_of(A_RUN, tmp_path)
    head = data.index(b"\n")
    for end in range(len(data)):
        if end < head:
            with pytest.raises(RunFileError, match="not an agentlab run"):
                opened(data[:end], tmp_path)
            continue
        run = opened(data[:end], tmp_path)
        whole = data[head + 1 : end].count(b"\n")  # and perhaps one more, of which only the newline is missing
        assert list(run.events) == list(A_RUN.events)[: len(run)]
        if end == len(data) - 1:  # only the last newline is missing
            assert (len(run), run.note) == (3, "")
        else:
            assert len(run) in (whole, whole + 1)
            assert run.note == f"the file was cut off after {len(run)} of 3 events"


@given(RUNS, st.data())
def test_any_run_cut_off_at_any_byte_opens_with_a_note_or_raises_run_file_error(run: Run, draw: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = bytes_of(run, folder)
        end = draw.draw(st.integers(0, len(data) - 1))
        try:
            again = opened(data[:end], folder)
        except RunFileError:
            return
        assert list(again.events) == list(run.events)[: len(again)]
        assert again.note or end == len(data) - 1 or not run.events


@given(st.binary())
def test_random_bytes_raise_run_file_error(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.raises(RunFileError):
        opened(data, Path(folder))


@given(st.lists(JSON, max_size=3))
def test_random_json_raises_run_file_error(records: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.raises(RunFileError):
        opened(lines(*records), Path(folder))


@given(JSON, JSON)
def test_random_json_in_the_middle_raises_run_file_error(first: Any, second: Any) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.raises(RunFileError, match="line 2"):
        opened(lines(NO_EVENTS, first, second), Path(folder))


@given(st.dictionaries(st.sampled_from(["events", "lanes", "let_go", "info", "version"]), JSON))
def test_a_head_with_random_values_is_read_or_raises_run_file_error(changes: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = opened(lines(NO_EVENTS | changes, record_of(an_event())), Path(folder))
        except RunFileError:
            return
        assert len(run) == 1
        assert isinstance(repr(run), str)


@given(st.sampled_from(JournalEvent.__slots__), JSON)
def test_an_event_with_a_random_value_is_read_or_raises_run_file_error(name: str, value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = lines(NO_EVENTS, record_of(an_event(), **{name: value}), record_of(an_event()))
        try:
            run = opened(data, Path(folder))
        except RunFileError:
            return
        assert getattr(run.events[0], name) == value
        assert type(getattr(run.events[0], name)) is type(getattr(an_event(), name))


def test_a_file_that_is_missing_says_how_runs_are_saved(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match=r"There is no run file .*nowhere\.jsonl.*lab\.save"):
        Run.open(tmp_path / "nowhere.jsonl")


def test_a_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match="cannot be read"):
        Run.open(tmp_path)


def test_a_newer_format_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match=r"version 2.*pip install -U agentlab"):
        opened(lines(NO_EVENTS | {"version": 2}), tmp_path)


def test_another_kind_of_json_lines_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match='not an agentlab run: its first line should say "format"'):
        opened(lines({"name": "some log"}, {"name": "another"}), tmp_path)


def test_a_file_damaged_in_the_middle_says_in_which_line(tmp_path: Path) -> None:
    first, second, *rest = bytes_of(A_RUN, tmp_path).splitlines(keepends=True)
    with pytest.raises(RunFileError, match="line 2"):
        opened(b"".join([first, second[: len(second) // 2], b"\n", *rest]), tmp_path)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"seq": "1"}, "'seq' should be int, not '1'"),
        ({"size": True}, "'size' should be int, not True"),
        ({"what": None}, "'what' should be str, not None"),
        ({"detail": 5}, "'detail' should be str, not 5"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    with pytest.raises(RunFileError, match=f"line 2: {what}"):
        opened(lines(NO_EVENTS, record_of(an_event(), **changes), record_of(an_event())), tmp_path)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    record = record_of(an_event())
    del record["kind"]
    with pytest.raises(RunFileError, match="the event has no 'kind'"):
        opened(lines(NO_EVENTS, record, record_of(an_event())), tmp_path)


def test_fields_of_a_later_agentlab_are_left_out(tmp_path: Path) -> None:
    run = opened(lines(NO_EVENTS | {"events": 1}, record_of(an_event(), mood="good")), tmp_path)
    assert list(run) == [an_event()]


def test_deeply_nested_json_raises_run_file_error(tmp_path: Path) -> None:
    with pytest.raises(RunFileError):
        opened(b"[" * 200_000, tmp_path)
    with pytest.raises(RunFileError, match="line 2"):
        opened(lines(NO_EVENTS) + b"[" * 200_000 + b"\n" + lines({}), tmp_path)


def test_what_is_to_know_about_a_run_is_saved_with_it(tmp_path: Path) -> None:
    path = Run((), note="3 events were not seen in time").save(tmp_path / "run.jsonl")
    assert Run.open(path).note == "3 events were not seen in time"
