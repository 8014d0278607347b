"""Saving a run: the suffix says in which form."""

from __future__ import annotations

import json
from pathlib import Path

import pandas
import pytest
from views import journals

from agentlab import exports
from agentlab.core.journal import FIELDS, Journal
from agentlab.core.run import Run

RUN = Run(journals.killed_worker(), lanes=("notebook", "steady", "fragile"))


def test_each_form_is_the_function_of_that_name(tmp_path: Path) -> None:
    assert json.loads(exports.save(RUN, tmp_path / "run.json").read_text()) == exports.to_perfetto(RUN)
    assert exports.save(RUN, tmp_path / "run.log").read_text() == exports.to_shiviz(RUN)
    assert exports.save(RUN, tmp_path / "run.mmd").read_text() == exports.to_mermaid(RUN)
    assert exports.save(RUN, tmp_path / "RUN.MD").read_text() == f"```mermaid\n{exports.to_mermaid(RUN)}```\n"


def test_a_run_saved_as_json_lines_opens_again(tmp_path: Path) -> None:
    assert list(Run.open(exports.save(RUN, tmp_path / "run.jsonl"))) == list(RUN)


def test_pandas_reads_the_same_table_from_csv(tmp_path: Path) -> None:
    read = pandas.read_csv(exports.save(RUN, tmp_path / "run.csv"), keep_default_na=False, na_values={})
    assert list(read.columns) == list(exports.COLUMNS)
    assert list(read["message_id"]) == list(exports.to_dataframe(RUN)["message_id"])
    assert list(read["detail"]) == list(exports.to_dataframe(RUN)["detail"])


def test_every_form_is_told_and_can_be_saved(tmp_path: Path) -> None:
    for suffix in exports.FORMATS:
        assert exports.save(RUN, tmp_path / "new" / f"run{suffix}").stat().st_size > 100
    assert {path.suffix for path in (tmp_path / "new").iterdir()} == set(exports.FORMATS)


def test_an_unknown_suffix_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'run.xml' has no suffix .* \.json \(trace for ui\.perfetto\.dev"):
        exports.save(RUN, tmp_path / "run.xml")
    assert list(tmp_path.iterdir()) == []


def test_a_journal_is_saved_with_what_it_let_go(tmp_path: Path) -> None:
    journal = Journal(capacity=2)
    for event in RUN:
        journal.append(*(getattr(event, name) for name in FIELDS[1:]))
    opened = Run.open(exports.save(journal, tmp_path / "run.jsonl"))
    assert (len(opened), opened.let_go) == (2, len(RUN) - 2)
