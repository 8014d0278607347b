"""Every test of security: no stray tasks."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_stray_task(no_stray_task: None) -> None:
    """Applies `no_stray_task` to all tests here."""
