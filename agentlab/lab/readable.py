"""Errors as a student should see them: their own lines, by the names they know."""

from __future__ import annotations

import re
import sys
from typing import Any

from ..core.exceptions import RemoteHandlerError


def readable_error(error: Exception) -> Exception:
    """The error without our own frames, and with cells called by their names (``Cell In[7]``) in a remote traceback."""
    if isinstance(error, RemoteHandlerError):
        error.remote_traceback = readable_trace(error.remote_traceback)
    return error.with_traceback(None)


def readable_trace(trace: str) -> str:
    """A traceback's text with the cells called by their names."""
    names = _cell_names()
    return re.sub(r'File "([^"]+)"', lambda found: names.get(found[1], found[0]), trace) if names else trace


def _cell_names() -> dict[str, str]:
    """What IPython calls the cells that it compiled, by their file names. Empty outside of a notebook."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    compiler = getattr(shell, "compile", None)
    known = getattr(compiler, "_filename_map", {})
    return {str(name): f"Cell In[{number}]" for name, number in known.items()}
