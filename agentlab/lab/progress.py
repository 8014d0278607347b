"""Saying what is going on while something takes long."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def progress_line() -> Callable[[str], None]:
    """A function that shows one line of text in place of the one before: in a notebook's cell, or on a terminal.

    Where neither is, it does nothing.
    """
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is not None and getattr(shell, "kernel", None) is not None:
        display: Any = sys.modules["IPython"].display
        handle = display.display(display.HTML(""), display_id=True)
        return lambda text: handle.update(_Line(text))
    if sys.stderr.isatty():
        return _on_terminal
    return lambda text: None


def _on_terminal(text: str) -> None:
    clear_to_end = "\x1b[K"
    print(f"\r{text}{clear_to_end}", end="\n" if text.endswith(".") else "", file=sys.stderr, flush=True)


class _Line:
    """A line of text as a cell's output."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text
