"""How often a process looks for reference cycles that nobody uses any more."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

THRESHOLDS: Final = (50_000, 20, 20)
"""In place of (700, 10, 10): a frame of messages makes some thousand objects, which all are gone a moment later."""


def collect_seldom() -> None:
    """Look for garbage more seldom, and never among what is loaded by now.

    For a process that does agentlab's work alone, once it has loaded what it needs; not for a notebook's kernel, which
    is its user's. Measured with messages published to ten agents: a fifth to a third more a second.
    """
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


@contextmanager
def collect_later() -> Iterator[None]:
    """Do not look for garbage within the ``with``.

    For work that makes very many objects and keeps them: each look would go over all of them again. Measured with the
    timeline of 100,000 messages: a fourth to a third less time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
