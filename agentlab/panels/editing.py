"""A class's source, and a new class from changed source, in the notebook's namespace. No widgets here."""

from __future__ import annotations
import __future__

import ast
import inspect
import linecache
import sys
import traceback
from itertools import count
from textwrap import dedent
from types import FunctionType
from typing import Any, Final

from ..core.agents import BaseAgent
from .fields import FormError

AROUND: Final = 2
"""So many lines before and after a mistake are shown."""
_NUMBERS = count(1)


class SourceError(FormError):
    """The source makes no class."""

    def __init__(self, text: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"line {line}: {text}" if line else text)
        self.line = line
        """The line in the edited source, counted from 1; 0 when none is to blame."""
        self.column = column
        """Likewise, in that line."""

    def excerpt(self, source: str) -> str:
        """The lines around the mistake, numbered, with a mark where it is; empty when no line is to blame."""
        shown = []
        for number, text in enumerate(source.splitlines(), 1):
            if abs(number - self.line) <= AROUND and self.line:
                shown.append(f"{'▶' if number == self.line else ' '}{number:4}  {text}")
                if number == self.line and self.column:
                    shown.append(" " * (6 + self.column) + "^")
        return "\n".join(shown)


def source_of(cls: type[Any]) -> str:
    """The class's source with its decorators, as it was when the class was made. Raises FormError.

    Not by `inspect.getsource`, which cannot find the classes of a notebook's cells on every Python.
    """
    for thing in vars(cls).values():
        function = inspect.unwrap(thing) if callable(thing) else thing
        if not isinstance(function, FunctionType):
            continue
        lines = linecache.getlines(function.__code__.co_filename)
        try:
            tree = ast.parse("".join(lines))
        except SyntaxError:
            continue  # the file has changed since, and is not Python at the moment
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                last = node.end_lineno or first
                if first <= function.__code__.co_firstlineno <= last:
                    return dedent("".join(lines[first - 1 : last])).rstrip() + "\n"
    raise FormError(f"The source of {cls.__name__} cannot be found.")


def compiled(source: str, cls: type[BaseAgent]) -> type[BaseAgent]:
    """The class that the changed source makes; from then on it is the notebook's class of that name.

    The source is kept where tracebacks look for it. A class of a module is made with that module's names around it,
    and belongs to the notebook from then on. Raises SourceError; then nothing has changed.
    """
    name = f"/agentlab/editor/{cls.__name__}-{next(_NUMBERS)}.py"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    main = vars(sys.modules["__main__"])
    module = sys.modules.get(cls.__module__)
    around = main if cls.__module__ == "__main__" or module is None else {**vars(module), "__name__": "__main__"}
    flags = __future__.annotations.compiler_flag if _has_text_annotations(cls) else 0
    try:
        code = compile(source, name, "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise _syntax_error(error) from None
    defined = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    wanted = cls.__name__ if cls.__name__ in defined else (defined or [""])[-1]
    before = around.get(wanted)
    try:
        exec(code, around)
    except Exception as error:
        _put_back(around, wanted, before)
        raise _runtime_error(error, name) from None
    made = around.get(wanted)
    if not (isinstance(made, type) and issubclass(made, BaseAgent)):
        _put_back(around, wanted, before)
        raise SourceError(f"The source defines no agent class: it should hold “class {cls.__name__}(RoutedAgent):”.")
    main[wanted] = made
    return made


def renewed(maker: Any, cls: type[Any], made: type[Any]) -> Any:
    """What makes agents of the new class where `maker` made them of the old one; None when it makes others.

    A function of the notebook finds the new class under its name, and only has to be shipped again. Raises FormError
    for a function that cannot: one of a module, or one that was given the old class itself.
    """
    if isinstance(maker, type):
        return made if _is_before(maker, cls, made) else None
    try:
        names = inspect.getclosurevars(maker)
    except TypeError:
        return None  # not written in Python
    mentioned = [thing for thing in (*names.globals.values(), *names.nonlocals.values()) if isinstance(thing, type)]
    if any(_is_before(thing, cls, made) for thing in mentioned if thing is not made):
        raise FormError(
            f"{maker.__name__}() holds on to the {cls.__name__} that it was given. "
            f"Make the function anew in a cell, and register it again."
        )
    return maker if made in mentioned else None


def _is_before(thing: type[Any], cls: type[Any], made: type[Any]) -> bool:
    """Whether a class is the edited one, or what the notebook defined before under the new one's name."""
    return thing is cls or (thing.__name__ == made.__name__ and thing.__module__ == "__main__")


def _put_back(namespace: dict[str, Any], name: str, thing: object) -> None:
    if thing is None:
        namespace.pop(name, None)
    else:
        namespace[name] = thing


def _has_text_annotations(cls: type[Any]) -> bool:
    """Whether the class was made under ``from __future__ import annotations``."""
    codes = [inspect.unwrap(thing).__code__ for thing in vars(cls).values() if isinstance(thing, FunctionType)]
    return any(code.co_flags & __future__.annotations.compiler_flag for code in codes)


def _syntax_error(error: SyntaxError | ValueError) -> SourceError:
    if not isinstance(error, SyntaxError) or error.lineno is None:
        return SourceError(f"This is no Python: {error}")
    return SourceError(f"{type(error).__name__}: {error.msg}", error.lineno, error.offset or 0)


def _runtime_error(error: Exception, name: str) -> SourceError:
    lines = [frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return SourceError(f"{type(error).__name__}: {error}", lines[-1] if lines else 0)
