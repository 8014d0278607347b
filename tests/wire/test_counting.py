"""The items of a piece of MessagePack are counted right, whatever it holds."""

from __future__ import annotations

import datetime
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from agentlab.wire import counting
from agentlab.wire.parcels import WireError

_long = st.sampled_from([31, 32, 255, 256, 65_535, 65_536])
_extensions = (st.integers(0, 20) | _long).map(lambda n: msgpack.Ext(5, bytes(n)))
_simple = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=40)
    | _long.map(lambda n: "x" * n)
    | _long.map(bytes)
    | _extensions
    | st.just(datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC))
)
values = st.recursive(
    _simple, lambda some: st.lists(some, max_size=20) | st.dictionaries(st.text(max_size=5), some, max_size=20)
)


def items(value: Any) -> int:
    """How many items MessagePack makes of a value: itself, and those in it."""
    if isinstance(value, list):
        return 1 + sum(map(items, value))
    if isinstance(value, dict):
        return 1 + sum(1 + items(inner) for inner in value.values())
    return 1


@given(values)
def test_each_item_counts_once(value: Any) -> None:
    data, count = msgpack.encode(value), items(value)
    with patch.object(counting, "LARGE", 0):
        with patch.object(counting, "MOST_ITEMS", count):
            counting.check_items(data)
            counting.check_items(data[:-1])  # what ends too early is left to the parser
        with patch.object(counting, "MOST_ITEMS", count - 1), pytest.raises(WireError, match="items"):
            counting.check_items(data)


@pytest.mark.parametrize("length", [15, 16, 65_535, 65_536])
def test_the_items_of_long_collections_count(length: int) -> None:
    for value in ([0] * length, dict.fromkeys(map(str, range(length)), 0)):
        data, count = msgpack.encode(value), items(value)
        with patch.object(counting, "LARGE", 0):
            with patch.object(counting, "MOST_ITEMS", count):
                counting.check_items(memoryview(data))
            with patch.object(counting, "MOST_ITEMS", count - 1), pytest.raises(WireError, match="items"):
                counting.check_items(memoryview(data))


def test_a_length_that_nothing_follows_ends_the_count() -> None:
    with patch.object(counting, "LARGE", 0):
        counting.check_items(b"\xdd\xff\xff\xff\xff")
        counting.check_items(b"\xc6\xff\xff\xff\xff")
        counting.check_items(b"\xdd\xff")
