"""What grpc.aio keeps of streaming calls that have not ended."""

from __future__ import annotations

import asyncio
from typing import Any


def waiting_for_a_status() -> set[asyncio.Task[Any]]:
    """The tasks with which grpc.aio waits for the statuses of streaming calls: one a call, until its core ended it."""
    names = {task: getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks() if not task.done()}
    return {task for task, name in names.items() if name.endswith("_handle_status_once_received")}
