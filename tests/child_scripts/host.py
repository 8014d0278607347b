"""A host in a process of its own. Options: those of HostService; `limits` as a mapping."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys

from stdin import end_of_stdin, say

from agentlab import HostService, Tls, Tokens
from agentlab.host.connection import Limits


async def main() -> None:
    options = json.loads(sys.argv[1])
    if "limits" in options:
        options["limits"] = Limits(**options["limits"])
    if "tokens" in options:
        options["tokens"] = Tokens(**options["tokens"])
    if "tls" in options:
        options["tls"] = Tls.read(**options["tls"])
    host = HostService(**options)
    host.start()
    say(address=host.address, pid=os.getpid())
    await end_of_stdin()
    await host.stop(grace=0)


logging.basicConfig(level=logging.INFO)
asyncio.run(main())
