"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """A size of the whole run: how many rounds, and how many messages in each."""

    rounds: int
    one_by_one: int
    """Direct messages with one outstanding, a round."""
    many: int
    """Direct messages with 64 outstanding, a round."""
    events: int
    """Published messages a round."""
    large: int
    """Payloads of 1 MiB a round."""
    paced_s: float
    """Seconds at half load, a round."""
    starts: int
    """How often a lab is started."""
    memory: int
    """Direct messages until the host's memory is looked at for the second time."""
    drawn: int
    """Messages of the timeline that is drawn."""
    grown: tuple[int, int, int] = (1_000, 10_000, 50)
    """Agent types, subscriptions, workers of the grown system."""


FULL = Size(7, 1_000, 8_000, 3_000, 64, 3.0, 5, 500_000, 100_000)
QUICK = Size(3, 800, 3_000, 1_500, 16, 1.0, 2, 30_000, 20_000, (300, 2_000, 20))
CI = Size(3, 200, 2_000, 100, 8, 0.5, 0, 0, 0)
