"""What can go wrong in a lab beside a message."""

from __future__ import annotations

from collections.abc import Collection

from ..core.closest import did_you_mean


class LabError(Exception):
    """Something was asked of a lab that it cannot do; the text says what to do instead."""


class ProcessStartError(LabError):
    """A process did not come up. The text holds its exit code and the end of its log."""


class RegistrationError(LabError):
    """An agent could not be registered: its code cannot travel, or does not run in the worker, or its type is taken."""


def no_process(name: object, known: Collection[str]) -> LabError:
    """The error for a process that a lab does not have: it offers the closest one that it has."""
    there_are = ", ".join(known) or "none yet"
    return LabError(f"There is no process {name!r}.{did_you_mean(name, known)} There are: {there_are}.")
