"""What the tests say to foreign workers: the same by name and fields as in their programs, nothing else is shared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Shout:
    """What `plain_grpc.py` answers."""

    text: str


@dataclass
class Mute:
    """What it cannot handle."""
