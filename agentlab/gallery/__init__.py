"""Agents to play with at once: each small, and worth reading.

`echo` answers with what it got, `counter` has state, `pingpong` calls and is called, `slow` takes its time, `flaky`
fails now and then, `cascade` publishes a tree of messages, and `debate` has two players and a judge. Every class of
theirs can be had from here, and each module says what to try.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cascade import Cascade, Wave
    from .counter import Add, Counter, Total
    from .debate import Argument, Judge, Motion, Player, RuleBook, Seats, Turn, Verdict, seat
    from .echo import Echo, Text
    from .flaky import Attempt, Flaky, Success
    from .pingpong import Ball, PingPong
    from .slow import Done, Slow, Work

MODULES = {
    "cascade": ("Cascade", "Wave"),
    "counter": ("Add", "Counter", "Total"),
    "debate": ("Argument", "Judge", "Motion", "Player", "RuleBook", "Seats", "Turn", "Verdict", "seat"),
    "echo": ("Echo", "Text"),
    "flaky": ("Attempt", "Flaky", "Success"),
    "pingpong": ("Ball", "PingPong"),
    "slow": ("Done", "Slow", "Work"),
}
"""Where each name is: a module is imported when a name of it is first used."""


def __getattr__(name: str) -> Any:
    for module, names in MODULES.items():
        if name in names:
            value = getattr(importlib.import_module(f".{module}", __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *MODULES})


__all__ = [
    "Add",
    "Argument",
    "Attempt",
    "Ball",
    "Cascade",
    "Counter",
    "Done",
    "Echo",
    "Flaky",
    "Judge",
    "Motion",
    "PingPong",
    "Player",
    "RuleBook",
    "Seats",
    "Slow",
    "Success",
    "Text",
    "Total",
    "Turn",
    "Verdict",
    "Wave",
    "Work",
    "seat",
]
