"""What both ends of a connection agree on beside the messages: sizes, and who shares a clock."""

from __future__ import annotations

import platform
import uuid
from functools import cache
from pathlib import Path
from typing import Final

RECEIVE_BYTES: Final = 64 * 1024 * 1024
"""The largest gRPC message that is read. Far above the limit for a message, so that one that is too large is read,
refused by name and answered, where gRPC would end the whole stream."""


@cache
def machine_name() -> str:
    """Names the running machine: two processes with the same name read the same clock."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        return boot.read_text().strip()
    except OSError:  # not Linux
        return f"{platform.node()}-{uuid.getnode():x}"
