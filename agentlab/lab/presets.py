"""Ready-made sets of fault rules: what goes wrong together in real networks.

Read next: `agentlab.lab.faults`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ..wire.faults import Delay, Drop, Duplicate, Match, Partition, Reorder, Rule, Slow
from .addresses import NOTEBOOK
from .errors import LabError

HEALS_AFTER_S: Final = 5.0
"""A split brain heals after so long, unless it is said otherwise."""


@dataclass(frozen=True)
class Preset:
    """A preset: a set of rules under a name."""

    name: str
    text: str
    """What it is like."""
    rules: Callable[[Match, int, float | None, Sequence[str]], list[Rule]]
    """Makes the rules: for these messages, with this seed, for so many seconds, in a lab with these workers."""


def _flaky_wifi(match: Match, seed: int, for_s: float | None, workers: Sequence[str]) -> list[Rule]:
    return [
        Rule(Delay(0.05, 0.05), match, for_s=for_s, seed=seed),
        Rule(Delay(0.4, 0.2), match, probability=0.1, for_s=for_s, seed=seed),
        Rule(Drop(), match, probability=0.1, for_s=for_s, seed=seed),
        Rule(Duplicate(), match, probability=0.05, for_s=for_s, seed=seed),
        Rule(Reorder(hold_s=0.2), match, probability=0.05, for_s=for_s, seed=seed),
    ]


def _slow_receiver(match: Match, seed: int, for_s: float | None, workers: Sequence[str]) -> list[Rule]:
    return [Rule(Slow(200.0), match, for_s=for_s, seed=seed)]


def _split_brain(match: Match, seed: int, for_s: float | None, workers: Sequence[str]) -> list[Rule]:
    if match != Match():
        raise LabError("A split brain is between processes: it takes no sender, receiver, kind or type.")
    if not workers:
        raise LabError("A split brain needs a worker at least: await lab.add_worker()")
    half = len(workers) // 2
    groups = ((NOTEBOOK, *workers[:half]), tuple(workers[half:]))
    return [Rule(Partition(groups), for_s=HEALS_AFTER_S if for_s is None else for_s)]


PRESETS: Final = {
    preset.name: preset
    for preset in (
        Preset(
            "flaky-wifi",
            "every message 0 to 0.1 s late, one in ten much later, one in ten lost, some twice, some out of order",
            _flaky_wifi,
        ),
        Preset("slow-receiver", "a line of 200 bytes a second to each receiver", _slow_receiver),
        Preset(
            "split-brain",
            f"the notebook and half of the workers cannot hear the other half for {HEALS_AFTER_S:g} s",
            _split_brain,
        ),
    )
}
"""The presets by name."""


def preset_named(name: str) -> Preset:
    """The preset: ``"flaky Wi-Fi"`` is as good as ``"flaky-wifi"``. Raises LabError, which offers the closest."""
    plain = {key.replace("-", ""): preset for key, preset in PRESETS.items()}
    wanted = "".join(c for c in name.lower() if c.isalnum())
    if wanted in plain:
        return plain[wanted]
    close = difflib.get_close_matches(wanted, plain, n=1)
    meant = f" Did you mean {plain[close[0]].name!r}?" if close else ""
    raise LabError(f"There is no preset {name!r}.{meant} There are: {', '.join(PRESETS)}.")
