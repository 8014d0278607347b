"""What is said where a library is missing, and that none is imported before it is needed."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentlab import delegates
from agentlab.delegates import Graph, LanguageModel, MissingExtraError, is_installed
from agentlab.lab.doctor import optional_parts


@pytest.mark.parametrize(
    ("library", "make", "what"),
    [("llm", lambda: LanguageModel("any"), "LanguageModel"), ("langgraph", lambda: Graph(dict), "Graph")],
)
def test_a_missing_library_is_named_with_the_command_that_gets_it(
    library: str, make: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_installed(library)
    assert make()
    monkeypatch.setitem(sys.modules, library, None)  # as Python itself marks what cannot be imported
    assert not is_installed(library)
    with pytest.raises(MissingExtraError, match=rf"A {what} needs .*pip install 'agentlab\[{library}\]'") as caught:
        make()
    assert isinstance(caught.value, ImportError)


def test_the_extras_that_are_named_exist() -> None:
    extras = importlib.metadata.metadata("agentlab").get_all("Provides-Extra")
    assert {"llm", "langgraph"} <= set(extras or ())


def test_doctor_lists_both() -> None:
    found = {finding.what: finding for finding in optional_parts()}
    assert found["llm"].ok
    assert found["langgraph"].ok
    assert not found["llm"].required


def test_no_library_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys\n"
        "from agentlab.delegates import Assistant, Graph, LanguageModel\n"
        "from agentlab.gallery.debate import Player\n"
        "LanguageModel('any'), Graph(dict)\n"
        "print([name for name in ('llm', 'openai', 'langgraph', 'langchain_core') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_had_and_every_other_is_said_to_be_missing() -> None:
    for name in delegates.__all__:
        assert getattr(delegates, name).__name__ == name
    assert set(delegates.__all__) <= set(dir(delegates))
    with pytest.raises(AttributeError, match="no attribute 'LanguageModle'"):
        delegates.LanguageModle  # noqa: B018


@pytest.mark.parametrize("path", sorted(Path(delegates.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_of_delegates_can_be_read_in_a_sitting(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) < 250
