"""When a process looks for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from agentlab.core.garbage import collect_later


@pytest.fixture(params=[True, False])
def was_on(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether garbage was collected before."""
    before = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if before else gc.disable)()


def test_garbage_is_collected_afterwards_if_it_was_before(was_on: bool) -> None:
    with collect_later(), collect_later():
        assert not gc.isenabled()
    assert gc.isenabled() is was_on


def test_garbage_is_collected_again_after_an_error(was_on: bool) -> None:
    with pytest.raises(ValueError, match="illegal"), collect_later():
        raise ValueError("illegal")
    assert gc.isenabled() is was_on
