"""What a notebook's cell made when it ran before: it makes place when the cell runs again."""

from __future__ import annotations

import sys
import weakref
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class MadeByCells(Generic[T]):
    """The things of one kind that each cell of the notebook has made."""

    def __init__(self) -> None:
        self._cells: dict[str, tuple[str, list[weakref.ref[T]]]] = {}

    def take_place(self, thing: T) -> list[T]:
        """Note that the running cell made this; return what an earlier run of the same cell has left.

        Outside of notebooks it is always nothing. What is noted is not kept alive.
        """
        cell, request = _running_cell()
        if not cell:
            return []
        known, made = self._cells.get(cell, ("", []))
        earlier = [] if known == request else [old for reference in made if (old := reference()) is not None]
        self._cells[cell] = request, [*(made if known == request else []), weakref.ref(thing)]
        return earlier


def _running_cell() -> tuple[str, str]:
    """The ids of the cell and of the request that runs it; empty outside of notebooks."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "get_parent"):
        return "", ""
    parent = shell.get_parent() or {}
    return str(parent.get("metadata", {}).get("cellId", "")), str(parent.get("header", {}).get("msg_id", ""))
