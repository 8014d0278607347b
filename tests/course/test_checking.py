"""What a check says, and what a hint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from agentlab import UndeliverableException, WorkerLostError, check, hint
from agentlab.core.exceptions import RemoteHandlerError
from agentlab.course import UnknownExerciseError, Verdict, attempt, eventually, exercise, exercises, expect, rejected
from agentlab.course import checking as checking_module
from agentlab.course.verdict import MIME
from agentlab.lab.errors import LabError

from .answers import parse


@pytest.fixture(autouse=True)
def _own_exercises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exercises that are registered in a test are gone after it, and hints not given."""
    known: dict[str, Any] = {}
    monkeypatch.setattr(exercises, "_known", known)
    monkeypatch.setattr(exercises, "_modules", list)
    monkeypatch.setattr(checking_module, "_given", {})

    @exercise("99.1", "A number", "Think of six.", "Add one to it.", limit_s=0.2)
    async def seven(number: Any) -> str:
        value = await attempt(number) if callable(number) else number
        expect(value == 7, "7", value, "Count again.")
        return "seven it is"


async def test_a_right_answer_passes() -> None:
    verdict = await check("99.1", 7)
    assert verdict
    assert repr(verdict) == "✓ 99.1 A number: well done\n  seven it is"


async def test_a_wrong_answer_says_what_was_expected_and_what_was_seen() -> None:
    verdict = await check("99.1", [6])
    assert not verdict
    assert repr(verdict).splitlines() == [
        "✗ 99.1 A number: not yet",
        "  expected: 7",
        "  seen:     [6]",
        "  Count again.",
        '  Stuck? hint("99.1")',
    ]


def raising(error: Exception) -> Callable[[], None]:
    def answer() -> None:
        raise error

    return answer


async def _never() -> None:
    await asyncio.Event().wait()


def _blocks() -> int:
    time.sleep(1)
    return 7


async def _seven() -> int:
    return 7


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("answer", "kind", "seen"),
    [
        (..., "unanswered", "three dots"),
        ([7, ...], "unanswered", "three dots"),
        ({"number": ...}, "unanswered", "three dots"),
        (raising(NotImplementedError()), "unanswered", "NotImplementedError"),
        (raising(ValueError("seven is too many")), "wrong", "ValueError: seven is too many"),
        (raising(StopIteration(7)), "wrong", "StopIteration"),
        (_never, "late", "within 0.2 seconds"),
        (_blocks, "late", "within 0.2 seconds"),
        (_seven, "passed", "seven it is"),
        (lambda: _seven(), "passed", "seven it is"),
        (Unspeakable(), "wrong", "cannot be had"),
        ("x" * 10_000, "wrong", " … "),
    ],
)
async def test_whatever_is_answered_a_check_tells(answer: Any, kind: str, seen: str) -> None:
    verdict = await check("99.1", answer)
    assert verdict.kind == kind, verdict
    assert seen in repr(verdict)
    assert len(repr(verdict)) < 1000


@pytest.mark.parametrize(
    ("error", "kind", "seen"),
    [
        (WorkerLostError("worker-1 is gone"), "wrong", "WorkerLostError: worker-1 is gone"),
        (RemoteHandlerError("it failed", remote_type="ValueError", remote_traceback="line 3"), "wrong", "line 3"),
        (RemoteHandlerError("", remote_type="NotImplementedError"), "unanswered", "write your answer"),
        (LabError("The lab is stopped."), "wrong", "The lab is stopped."),
        (AttributeError("no attribute 'text'"), "broken", 'await check("99.2", lab, Player)'),
        (TimeoutError("not ours"), "broken", "not ours"),
    ],
)
async def test_what_is_raised_meanwhile_becomes_a_verdict(error: Exception, kind: str, seen: str) -> None:
    @exercise("99.2", "Trouble", "None.")
    async def trouble(lab: Any, Player: Any) -> str:
        raise error

    verdict = await check("99.2", "lab", "Player")
    assert verdict.kind == kind
    assert seen in repr(verdict)


async def test_a_check_says_how_it_is_called() -> None:
    assert 'expected: await check("99.1", number)' in repr(await check("99.1"))
    assert "too many positional arguments" in repr(await check("99.1", 1, 2))


@pytest.mark.parametrize("wrong", ["99.11", "991", "99.2"])
async def test_an_unknown_exercise_is_an_error_with_the_closest_one(wrong: str) -> None:
    with pytest.raises(UnknownExerciseError, match=r'Did you mean "99.1" \(A number\)\?'):
        await check(wrong, 7)
    with pytest.raises(UnknownExerciseError, match="Notebooks with exercises: 99"):
        hint(wrong)


async def _nothing() -> str:
    return ""


def test_the_closest_one_is_an_exercise_of_the_same_notebook() -> None:
    for number in ("98.1", "99.7"):
        exercise(number, "Another number", "Think.")(_nothing)
    with pytest.raises(UnknownExerciseError, match='Did you mean "98.1"'):
        hint("98.7")  # 99.7 has as much in common


def test_each_hint_gives_one_more_step() -> None:
    assert repr(hint("99.1")) == "Hint 1 of 2 for 99.1: Think of six."
    assert hint("99.1").text == "Add one to it."
    assert "notebooks/solutions" in hint("99.1").text
    assert hint("99.1") == hint("99.1")


async def test_what_was_seen_stays_text_in_html() -> None:
    verdict = await check("99.1", "<script>alert(7)</script>")
    page = verdict._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    data = verdict._repr_mimebundle_()
    assert data[MIME] == {"exercise": "99.1", "passed": False, "kind": "wrong"}
    assert data["text/plain"] == repr(verdict)


async def test_expecting_an_error() -> None:
    async def ends(error: Exception | None) -> int:
        if error:
            raise error
        return 7

    assert str(await rejected(ends(WorkerLostError("gone")), WorkerLostError, "that it is lost")) == "gone"
    for other in (None, UndeliverableException("another")):
        with pytest.raises(Exception, match="that it is lost"):
            await rejected(ends(other), WorkerLostError, "that it is lost")


async def test_waiting_for_what_comes() -> None:
    values = iter([0, 0, 7])
    assert await eventually(lambda: next(values)) == 7
    assert await eventually(_seven) == 7
    assert await eventually(list, limit_s=0.1) == []


@pytest.mark.parametrize("number", ["3.2", "x", ""])
def test_an_exercise_has_a_number_and_hints(number: str) -> None:
    with pytest.raises(ValueError, match=r"like 03\.2"):
        exercise(number, "title", "hint")
    with pytest.raises(ValueError, match="needs a hint"):
        exercise("03.2", "title")


def test_answers_are_read_from_cells() -> None:
    answers = parse('"""Text."""\n# %% 03.1 wrong: too short\na\n\n# %% 03.1 solution\nb\n# %% 03.2 solution\nc\n')
    assert answers["03.1"].solution == "b"
    assert answers["03.1"].wrong == {"too short": "a"}
    assert list(answers) == ["03.1", "03.2"]
    with pytest.raises(ValueError, match=r"03\.1 sollution"):
        parse("# %% 03.1 sollution\n")


def test_a_verdict_is_as_true_as_its_answer() -> None:
    assert [bool(Verdict("99.1", "A number", kind)) for kind in ("passed", "wrong")] == [True, False]
