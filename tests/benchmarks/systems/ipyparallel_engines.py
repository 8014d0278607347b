# /// script
# requires-python = ">=3.11"
# dependencies = ["ipyparallel>=8.8"]
# ///
"""ipyparallel: the client starts a controller and an engine. ``ipyparallel_engines.py client OPTIONS``"""

from __future__ import annotations

import asyncio
import logging

import ipyparallel
from stand import client, serve


def ping(number: int, text: str) -> tuple[int, str]:
    return number + 1, text


async def main() -> None:
    with ipyparallel.Cluster(n=1, log_level=logging.ERROR) as connected:
        view = connected[0]

        async def call(number: int, text: str) -> tuple[int, str]:
            answer: tuple[int, str] = await asyncio.wrap_future(view.apply_async(ping, number, text))
            return answer

        await serve(client(call))


if __name__ == "__main__":
    asyncio.run(main())
