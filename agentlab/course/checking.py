"""Checking an answer, and giving a hint: what a notebook calls."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from ..core.exceptions import RemoteHandlerError, UndeliverableException
from ..lab.errors import LabError
from .exercises import Exercise, find
from .expecting import Wrong
from .verdict import Hint, Kind, Verdict, shown

_given: dict[str, int] = {}
"""How many hints were given for each exercise since the kernel was started."""


async def check(number: str, /, *answer: Any, **named: Any) -> Verdict:
    """Check an answer to an exercise: ``await check("03.2", lab)``, with what the exercise asks you to pass.

    Returns a verdict, and raises nothing for an answer that is wrong, so that a notebook runs to its end without
    any answers. Raises UnknownExerciseError for a number that there is not.
    """
    exercise = find(number)
    try:
        inspect.signature(exercise.check).bind(*answer, **named)
    except TypeError as error:
        return _verdict(exercise, "wrong", expected=exercise.call, seen=str(error))
    if any(_has_dots(value) for value in (*answer, *named.values())):
        return _verdict(exercise, "unanswered", note="Put your answer where the three dots are, and run its cell.")
    return await _checked(exercise, answer, named)


def _has_dots(value: object) -> bool:
    """Whether there are still dots where an answer should be: alone, or in a list or a dictionary."""
    if isinstance(value, dict):
        return any(item is ... for item in value.values())
    return value is ... or (isinstance(value, list | tuple | set) and any(item is ... for item in value))


async def _checked(exercise: Exercise, answer: tuple[Any, ...], named: dict[str, Any]) -> Verdict:
    try:
        async with asyncio.timeout(exercise.limit_s) as limit:
            return _verdict(exercise, "passed", note=await exercise.check(*answer, **named))
    except Wrong as wrong:
        return _verdict(exercise, "wrong", wrong.advice, wrong.expected, shown(wrong.seen))
    except NotImplementedError:
        return _unanswered(exercise)
    except RemoteHandlerError as error:
        if error.remote_type == "NotImplementedError":
            return _unanswered(exercise)
        return _verdict(exercise, "wrong", expected="that your agent handles the message", seen=shown(error))
    except (UndeliverableException, LabError) as error:
        return _verdict(exercise, "wrong", expected="that your agents answer", seen=shown(error))
    except Exception as error:
        if limit.expired():
            within = f"that it ends within {exercise.limit_s:g} seconds"
            return _verdict(
                exercise, "late", expected=within, seen="nothing yet: something waits for ever, or too long"
            )
        note = f"Is what you pass what the exercise asks for? {exercise.call}"
        return _verdict(exercise, "broken", note, seen=shown(error))


def _unanswered(exercise: Exercise) -> Verdict:
    return _verdict(exercise, "unanswered", note="It raises NotImplementedError: write your answer there.")


def _verdict(exercise: Exercise, kind: Kind, note: str = "", expected: str = "", seen: str = "") -> Verdict:
    return Verdict(exercise.number, exercise.title, kind, note, expected, seen)


def hint(number: str) -> Hint:
    """One more hint for an exercise each time; after the last one it says where the solution is.

    Raises UnknownExerciseError for a number that there is not.
    """
    exercise = find(number)
    total = len(exercise.hints)
    given = _given[number] = min(_given.get(number, 0) + 1, total + 1)
    if given <= total:
        return Hint(number, given, total, exercise.hints[given - 1])
    return Hint(
        number, total, total, f"That was the last one. Compare with a solution: notebooks/solutions/{number[:2]}_…."
    )
