"""The readers that have to be fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from .readers import mermaid_in


@pytest.fixture(scope="session")
def mermaid(pytestconfig: pytest.Config) -> Path:
    """Mermaid's module. It is fetched once for a checkout."""
    assert pytestconfig.cache is not None
    return mermaid_in(pytestconfig.cache.mkdir("mermaid"))
