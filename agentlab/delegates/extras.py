"""Libraries that are good to have, and what to do where one is missing."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any


class MissingExtraError(ImportError):
    """A library that is not installed with agentlab itself is needed."""


def is_installed(library: str) -> bool:
    """Whether `library` can be imported: ``is_installed("llm")``. It is not imported by asking."""
    return importlib.util.find_spec(library) is not None


def require(library: str, purpose: str) -> None:
    """Raise MissingExtraError, saying how to get it, unless the library is installed. Its extra has its name."""
    if not is_installed(library):
        raise MissingExtraError(
            f"{purpose} needs the library {library!r}, which is not installed. To get it: "
            f"pip install 'agentlab[{library}]' (then restart the kernel and the lab)."
        )


def load(module: str, purpose: str) -> Any:
    """Import `module` of such a library. Raises MissingExtraError where the library is not installed."""
    require(module.partition(".")[0], purpose)
    return importlib.import_module(module)
