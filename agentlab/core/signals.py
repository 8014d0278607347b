"""Waiting for the signal that asks a process to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence


async def wait_for_signal(signals: Sequence[signal.Signals]) -> None:
    """Return when the process gets one of the signals."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    for number in signals:
        loop.add_signal_handler(number, arrived.set)
    try:
        await arrived.wait()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
