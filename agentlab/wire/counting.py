"""Counting what a large message holds before it is unpacked.

Eight megabytes may be one long text, or four million empty objects: those take a second and a gigabyte to unpack, and
meanwhile nothing else is done. So the fields of a large message are counted first, and too many are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .parcels import WireError

LARGE: Final = 512 * 1024
"""Bytes from which a message's fields are counted. Ours are larger only by their payloads, which are one field each;
what is smaller is unpacked within a twentieth of a second, whatever it is."""

MOST_FIELDS: Final = 200_000
"""Fields that a large message may have: counting so many takes a tenth of a second, and unpacking them another."""

Inner = Mapping[int, Any]
"""Which fields hold messages that are looked into, by their numbers, and which in these."""

MESSAGE: Final[Inner] = {1: {}, 2: {}, 3: {}}
"""Of `agents.Message`: a request, a response, an event. An entry of a map counts as one field."""

_LENGTH: Final = 2
_FIXED: Final = {1: 8, 5: 4}


def check_fields(data: bytes, inner: Inner) -> None:
    """Raises WireError when a large message has more fields than may be. What is no message is left to the parser."""
    if len(data) <= LARGE:
        return
    try:
        left = _count(data, 0, len(data), inner, MOST_FIELDS)
    except IndexError:  # it ends in the middle of a field
        return
    if left < 0:
        raise WireError(f"The message has {len(data):,} bytes in more than {MOST_FIELDS:,} fields, which is too many.")


def _count(data: bytes, at: int, end: int, inner: Inner, left: int) -> int:
    """How many more fields there may be after these; below zero: too many."""
    while at < end and left >= 0:
        left -= 1
        key, at = varint(data, at)
        kind = key & 7
        if kind == _LENGTH:
            length = data[at]
            if length < 128:
                at += 1
            else:
                length, at = varint(data, at)
            within = inner.get(key >> 3)
            if within is not None:
                left = _count(data, at, min(at + length, end), within, left)
            at += length
        elif kind == 0:
            _, at = varint(data, at)
        else:
            at += _FIXED.get(kind, 0)  # what is grouped counts as if it were not
    return left


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number as protobuf writes it, and where it ends. Raises IndexError."""
    byte = data[at]
    at += 1
    number = byte & 127
    shift = 7
    while byte > 127:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if shift > 63:
            break  # no number is longer: the parser will say so
    return number, at


# MessagePack

MOST_ITEMS: Final = 400_000
"""Items that a large batch may have. A message for as many receivers as may be has three quarters of them."""

_FIXED_ITEMS: Final = {
    0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
"""Numbers and short extensions: how many bytes follow."""

_LONG_ITEMS: Final = {
    0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1),
    0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0),
}  # fmt: skip
"""Bytes, texts and long extensions: how many bytes their length has, and how many follow beside."""

_COLLECTIONS: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""Arrays and maps: how many bytes their length has, and how many items each entry is."""


def check_items(data: bytes | memoryview) -> None:
    """Raises WireError when a large piece of MessagePack has more items than may be. What is none is left to the
    parser. See https://github.com/msgpack/msgpack/blob/master/spec.md."""
    if len(data) <= LARGE:
        return
    at, pending, left = 0, 1, MOST_ITEMS
    try:
        while pending and left:
            first = data[at]
            at += 1
            pending -= 1
            left -= 1
            if first < 0x80 or first >= 0xE0:  # a small number
                continue
            if first < 0x90:
                pending += 2 * (first & 15)
            elif first < 0xA0:
                pending += first & 15
            elif first < 0xC0:
                at += first & 31
            elif first in _FIXED_ITEMS:
                at += _FIXED_ITEMS[first]
            elif first in _LONG_ITEMS:
                digits, beside = _LONG_ITEMS[first]
                at += digits + beside + int.from_bytes(data[at : at + digits], "big")
            elif first in _COLLECTIONS:
                digits, of_each = _COLLECTIONS[first]
                pending += of_each * int.from_bytes(data[at : at + digits], "big")
                at += digits
    except IndexError:  # it ends too early
        return
    if pending:
        raise WireError(f"The batch has {len(data):,} bytes in more than {MOST_ITEMS:,} items, which is too many.")
