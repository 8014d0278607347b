"""Handing the course out: copies for a class, on Colab, and as pages to read."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from agentlab.course import colab, handout, render
from agentlab.course.handout import hand_out

from .solved import NOTEBOOKS


def test_a_class_gets_the_notebooks_without_the_solutions(tmp_path: Path) -> None:
    notebooks = hand_out(tmp_path / "course", "https://example.org/our/agentlab")
    assert [path.name for path in notebooks] == sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
    assert not (tmp_path / "course" / "solutions").exists()
    for path in notebooks:
        text = path.read_text(encoding="utf-8")
        assert "git+https://example.org/our/agentlab" in text
        assert colab.REPOSITORY not in text
    with pytest.raises(FileExistsError):
        hand_out(tmp_path / "course", "https://example.org/our/agentlab")


def test_the_command_says_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["handout", "https://example.org/us", str(tmp_path / "course"), "--solutions"]
    monkeypatch.setattr(sys, "argv", arguments)
    handout.main()
    assert f"notebooks in {tmp_path / 'course'}" in capsys.readouterr().out
    assert (tmp_path / "course" / "solutions" / "03_direct_messages.ipynb").exists()
    with pytest.raises(SystemExit):
        handout.main()
    assert "is there already" in capsys.readouterr().err


def test_on_colab_the_files_are_brought_and_the_limits_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    google = ModuleType("google.colab.output")
    google.enable_custom_widget_manager = lambda: asked.append("widgets")  # type: ignore[attr-defined]
    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "google.colab.output", google)
    for _ in range(2):
        colab.prepare(tmp_path)
    assert (tmp_path / "runs" / "debate.jsonl").exists()
    assert asked == ["widgets", "widgets"]
    assert "On Colab, everything runs but this" in capsys.readouterr().out


def test_a_page_has_the_pictures_and_asks_no_other_machine() -> None:
    cell = nbformat.v4.new_code_cell("lab")
    picture = {
        "image/png": "aWNvbg==",
        "application/vnd.jupyter.widget-view+json": {"model_id": "x"},
        "text/plain": "lab",
    }
    cell.outputs = [nbformat.v4.new_output("display_data", picture)]
    link = nbformat.v4.new_markdown_cell("[next](01_agents_and_messages.ipynb#agents)")
    page = render.as_page(nbformat.v4.new_notebook(cells=[cell, link]), title="tour")
    assert "data:image/png;base64,aWNvbg==" in page
    assert "widget-view" not in page
    assert 'href="01_agents_and_messages.html#agents"' in page
    assert "<script src=" not in page
    assert 'alt="lab"' in page


def test_a_notebook_is_rendered_with_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["render", str(tmp_path), "--only", "01"])
    render.main()
    page = (tmp_path / "01_agents_and_messages.html").read_text(encoding="utf-8")
    assert "What is an agent?" in page
    assert page.count("data:image/png;base64,") >= 2
    assert "01_agents_and_messages.html" in (tmp_path / "index.html").read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["render", str(tmp_path), "--only", "77"])
    with pytest.raises(SystemExit):
        render.main()
    assert "There is no notebook 77" in capsys.readouterr().err
