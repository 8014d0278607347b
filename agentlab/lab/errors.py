"""What can go wrong in a lab beside a message."""

from __future__ import annotations


class LabError(Exception):
    """Something was asked of a lab that it cannot do; the text says what to do instead."""


class ProcessStartError(LabError):
    """A process did not come up. The text holds its exit code and the end of its log."""


class RegistrationError(LabError):
    """An agent could not be registered: its code cannot travel, or does not run in the worker, or its type is taken."""
