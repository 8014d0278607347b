"""What a cell shows of a check or a hint: a verdict says pass, or what was expected and what was seen."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..core.printable import NO_MATH, escaped

SHOWN: Final = 600
"""So many characters of what was seen are shown: enough for an error with its last lines."""

MIME: Final = "application/vnd.agentlab.verdict+json"
"""The verdict as data, beside its text: whoever collects executed notebooks can read it without reading prose."""

Kind = Literal["passed", "wrong", "unanswered", "late", "broken"]
"""``unanswered``: there is only the stub; ``late``: it did not end in time; ``broken``: the check itself failed."""

_HEADS: Final = {
    "passed": "well done",
    "wrong": "not yet",
    "unanswered": "not answered yet",
    "late": "not in time",
    "broken": "this could not be checked",
}


def shown(thing: object) -> str:
    """What is shown of something that was seen: its repr, or of an error its class and text, not too long."""
    if isinstance(thing, str):
        text = thing
    else:
        try:
            if isinstance(thing, BaseException):
                text = f"{type(thing).__name__}: {thing}" if str(thing) else type(thing).__name__
            else:
                text = repr(thing)
        except Exception as error:  # a student's own __repr__ or __str__
            text = f"something whose text cannot be had ({type(error).__name__})"
    text = text.strip() or "nothing"
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2].rstrip()} … {text[-SHOWN // 2 :].lstrip()}"


@dataclass(frozen=True)
class Verdict:
    """A verdict: what a check found out about an answer. True when the answer passed."""

    exercise: str
    """The exercise's number, ``03.2`` for example."""
    title: str
    kind: Kind
    note: str = ""
    """What to know beside it: of an answer that passed, what it did well; else what to do next."""
    expected: str = ""
    seen: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer does what the exercise asks for."""
        return self.kind == "passed"

    def __bool__(self) -> bool:
        return self.passed

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("expected", self.expected), ("seen", self.seen), ("", self.note)]
        if not self.passed:
            rows.append(("", f'Stuck? hint("{self.exercise}")'))
        return [(name, text) for name, text in rows if text]

    def _head(self) -> str:
        return f"{'✓' if self.passed else '✗'} {self.exercise} {self.title}: {_HEADS[self.kind]}"

    def __repr__(self) -> str:
        lines = [self._head()]
        for name, text in self._rows():
            start = f"  {name + ':':<10}" if name else "  "
            lines.append(start + textwrap.indent(text, " " * len(start)).lstrip(" "))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What was seen may come from any process: it is escaped, so that it stays text."""
        colour = "#2e7d32" if self.passed else "#b26a00"
        rows = "".join(
            f'<div style="display:flex;gap:.75em"><span style="flex:0 0 5em;opacity:.7">{name}</span>'
            f'<span style="white-space:pre-wrap;overflow-wrap:anywhere;font-family:{_font(name)}">'
            f"{escaped(text)}</span></div>"
            if name
            else f"<div>{escaped(text)}</div>"
            for name, text in self._rows()
        )
        head = f"<div><b>{escaped(self._head())}</b></div>"
        return f'<div class="{NO_MATH}" style="border-left:4px solid {colour};padding:.3em .8em">{head}{rows}</div>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        data = {"exercise": self.exercise, "passed": self.passed, "kind": self.kind}
        return {"text/plain": repr(self), "text/html": self._repr_html_(), MIME: data}


def _font(name: str) -> str:
    return "var(--jp-code-font-family, monospace)" if name == "seen" else "inherit"


@dataclass(frozen=True)
class Hint:
    """A hint: one more step towards an answer."""

    exercise: str
    number: int
    of: int
    text: str

    def __repr__(self) -> str:
        return f"Hint {self.number} of {self.of} for {self.exercise}: {self.text}"

    def _repr_html_(self) -> str:
        head = escaped(f"Hint {self.number} of {self.of} for {self.exercise}: ")
        text = escaped(self.text)
        return f'<div style="border-left:4px solid #1565c0;padding:.3em .8em"><b>{head}</b>{text}</div>'
