"""The timeline: a picture of who sent what to whom, and when.

`plot` draws a run or a journal with matplotlib, `save` writes that picture into a file, `text` lists the same as
plain text, and `layout` gives it as data. Read in this order: `axis`, `folding`, `shapes`, `lanes`, `hops`,
`marks`, `placing` (all pure), then `style`, `labels`, `ruler`, `listing`, `overview` (still no matplotlib), and
`ground`, `stacks`, `arrows`, `picture`, `draw`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .listing import text
from .placing import layout

if TYPE_CHECKING:
    from .draw import plot, save

__all__ = ["layout", "plot", "save", "text"]


def __getattr__(name: str) -> Any:
    """What draws is imported when it is first used: it needs matplotlib, which takes most of a second to load."""
    if name in {"plot", "save"}:
        value = getattr(importlib.import_module(".draw", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
