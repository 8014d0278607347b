"""Saved runs that somebody made to do harm: opening one runs nothing, waits for nothing, and takes little memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentlab import Run, RunFileError
from agentlab import timeline as view
from agentlab.core import run as runs
from agentlab.core.journal import FIELDS

HEAD = {"format": "agentlab-run", "version": 1, "events": 1, "lanes": [], "let_go": 0}
EVENT: dict[str, Any] = dict.fromkeys(FIELDS, "") | dict.fromkeys(["seq", "size", "time_ns", "lamport"], 1)


def written(path: Path, *lines: Any) -> Path:
    """A file of JSON lines."""
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("field", ["seq", "size", "time_ns", "lamport"])
@pytest.mark.parametrize(
    "number", ["1" + "0" * 4000, "1" + "0" * 5000, "-18446744073709551616", "1e400", "NaN", "true"]
)
def test_numbers_that_nothing_could_draw_are_refused(tmp_path: Path, field: str, number: str) -> None:
    line = json.dumps(EVENT | {field: 424242}).replace("424242", number)
    with pytest.raises(RunFileError, match="line 2"):
        Run.open(written(tmp_path / "run.jsonl", HEAD, line, EVENT))


@pytest.mark.parametrize(
    "head",
    [
        {"let_go": 10**30}, {"let_go": "1"}, {"lanes": ["x"] * 10_001}, {"lanes": [1]}, {"lanes": {"a": 1}},
        {"info": []}, {"note": 1}, {"version": "1"}, {"version": [[[]]]}, {"format": None},
    ],
)  # fmt: skip
def test_a_first_line_that_is_none_is_refused(tmp_path: Path, head: dict[str, Any]) -> None:
    with pytest.raises(RunFileError):
        Run.open(written(tmp_path / "run.jsonl", HEAD | head, EVENT))


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    deep = "[" * 100_000
    for lines in ((deep, EVENT), (HEAD, deep, EVENT), (HEAD, '{"a":' * 100_000, EVENT)):
        with pytest.raises(RunFileError):
            Run.open(written(tmp_path / "run.jsonl", *lines))


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), Path("/dev/stdin")):
        with pytest.raises(RunFileError, match=r"is no file|cannot be read|no run file|is not an agentlab run"):
            Run.open(path)


def test_an_endless_line_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LONGEST_LINE", 100_000)
    path = tmp_path / "run.jsonl"
    with path.open("wb") as file:
        file.truncate(2**40)  # a terabyte of zeros, which needs no room on the disk
    tracemalloc.start()
    try:
        with pytest.raises(RunFileError, match="larger than any"):
            Run.open(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_file_of_very_many_events_or_processes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LARGEST_FILE", 100_000)
    with pytest.raises(RunFileError, match="it is larger than any"):
        Run.open(written(tmp_path / "run.jsonl", HEAD, *[EVENT] * 1000))
    monkeypatch.setattr(runs, "LARGEST_FILE", 10**9)
    monkeypatch.setattr(runs, "MOST_PROCESSES", 10)
    with pytest.raises(RunFileError, match="more than 10 processes"):
        Run.open(written(tmp_path / "run.jsonl", HEAD, *[EVENT | {"process": str(n)} for n in range(20)]))


def test_code_in_a_run_is_text(tmp_path: Path) -> None:
    marker = tmp_path / "it-ran"
    codes = [
        f"__import__('os').system('touch {marker}')",
        f"cos\nsystem\n(S'touch {marker}'\ntR.",
        f"!!python/object/apply:os.system ['touch {marker}']",
        f"$(touch {marker})",
        "{{7*7}}${{7*7}}",
    ]
    events = [
        EVENT | dict.fromkeys(["what", "kind", "message_id", "sender", "recipient", "process", "type", "detail"], code)
        for code in codes
    ]
    run = Run.open(written(tmp_path / "run.jsonl", HEAD | {"info": {"__class__": codes[0]}, "note": codes[0]}, *events))
    assert [event.detail for event in run] == codes
    view.text(run, width=100)
    view.save(run, tmp_path / "run.svg")
    assert not marker.exists()


def test_opening_loads_nothing_that_could_run_code(tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl", HEAD, EVENT)
    code = (
        "import sys; from agentlab import Run; before = set(sys.modules); "
        f"Run.open({str(path)!r}); print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_the_file_it_opens_or_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    good = (json.dumps(HEAD) + "\n" + 3 * (json.dumps(EVENT) + "\n")).encode()
    lines = data.draw(st.lists(st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "x"]), inner),
        max_leaves=20,
    ), max_size=3))  # fmt: skip
    place = data.draw(st.integers(0, len(good)))
    garbage = data.draw(st.binary(max_size=20))
    options = [
        good[:place] + garbage + good[place:],
        good[:place],
        good + "\n".join(map(json.dumps, lines)).encode(),
        garbage,
    ]
    path = tmp_path / "run.jsonl"
    path.write_bytes(data.draw(st.sampled_from(options)))
    try:
        run = Run.open(path)
    except RunFileError as error:
        assert len(str(error)) < 2000  # noqa: PT017
    else:
        repr(run)
        view.text(run, width=80)


def test_memory_while_opening_is_a_few_times_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl", HEAD, *[EVENT | {"detail": "x" * 100_000}] * 200)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run = Run.open(path)
    assert len(run) == 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB: the file has 20 MB
