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

FRAME: Final[Inner] = {3: {14: {2: {}}}, 5: {}, 8: {14: {}}, 9: {}, 11: {}}
"""Of `agentlab.v1.Frame`: tables and objects of messages with their metadata, tables and objects of reports, the
table of what was handled."""

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
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _LENGTH:
            length = data[at]
            if length < 128:
                at += 1
            else:
                length, at = _varint(data, at)
            within = inner.get(key >> 3)
            if within is not None:
                left = _count(data, at, min(at + length, end), within, left)
            at += length
        elif kind == 0:
            _, at = _varint(data, at)
        else:
            at += _FIXED.get(kind, 0)  # what is grouped counts as if it were not
    return left


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends. Raises IndexError."""
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
