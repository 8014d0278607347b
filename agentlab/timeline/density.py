"""Densities and latencies: what is shown of very many messages, where single arrows would blacken the page.

Pure functions over columns of numbers. Read next: `agentlab.timeline.lens`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from .chronicle import NO_LATENCY, Numbers

Shares: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
BINS: Final = 240
"""A notebook's 900 pixels, 4 to a bin."""


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """A density says how many messages began or ended on each lane, bin by bin of time."""

    first: int
    """The tick at which the first bin begins."""
    last: int
    """The tick at which the last bin ends."""
    counts: Numbers
    """Of each lane, how many messages each bin has: those that were sent there, and those that came there."""
    bad: Numbers
    """How many of them did not end well."""
    median: Shares
    """Of each bin the median latency in nanoseconds of the messages that began in it; NaN where there is none."""
    p99: Shares

    @property
    def bins(self) -> int:
        """How many bins there are."""
        return int(self.counts.shape[1])


def density(
    ticks: tuple[int, int],
    drawn: tuple[int, int],
    starts: Numbers,
    latencies: Numbers,
    sources: Numbers,
    targets: Numbers,
    bad: Any,
    lanes: int,
    bins: int = BINS,
) -> Density:
    """The density of these messages between two ticks, which are `drawn` at two places.

    `starts` are places too. `sources` and `targets` are lane numbers, negative for none; a message counts on both lanes
    in the bin in which it began (before the first: in the first).
    """
    first, width = drawn[0], max(1, drawn[1] - drawn[0])
    places = np.clip((starts - first) * bins // width, 0, bins - 1)
    counts = np.zeros((lanes, bins), np.int64)
    failed = np.zeros((lanes, bins), np.int64)
    for of_lane in (sources, np.where(targets == sources, -1, targets)):
        known = (of_lane >= 0) & (of_lane < lanes)
        flat = of_lane[known] * bins + places[known]
        counts += np.bincount(flat, minlength=lanes * bins).reshape(lanes, bins)
        failed += np.bincount(flat[bad[known]], minlength=lanes * bins).reshape(lanes, bins)
    median, p99 = np.full(bins, np.nan), np.full(bins, np.nan)
    measured = latencies != NO_LATENCY
    at, took = places[measured], latencies[measured]
    order = np.argsort(at, kind="stable")
    at, took = at[order], took[order]
    borders = np.searchsorted(at, np.arange(bins + 1))
    for number in range(bins):
        part = took[borders[number] : borders[number + 1]]
        if len(part):
            median[number], p99[number] = quantiles(part)
    return Density(*ticks, counts, failed, median, p99)


def quantiles(latencies: Numbers) -> tuple[float, float]:
    """The median and the 99th percentile of at least one latency, each of them one that was measured."""
    low, high = np.quantile(latencies, (0.5, 0.99), method="inverted_cdf")
    return float(low), float(high)
