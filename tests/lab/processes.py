"""Which processes run."""

from __future__ import annotations

import psutil


def alive(pid: int) -> bool:
    """Whether the process runs, or could run again. A zombie has ended."""
    try:
        return psutil.Process(pid).status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return False


def running_children(pid: int) -> list[int]:
    """The processes below `pid` that run: hosts, workers, and who watches over a paused one."""
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [process.pid for process in below if alive(process.pid)]
