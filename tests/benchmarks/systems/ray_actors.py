# /// script
# requires-python = ">=3.11"
# dependencies = ["ray>=2.30"]
# ///
"""Ray's actors: the client starts Ray on this machine. ``ray_actors.py client OPTIONS``"""

from __future__ import annotations

import asyncio
import os

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Started by `uv run`, Ray would start its workers so, too: with this script, and an actor would never be there.
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"

import ray
from stand import client, serve


@ray.remote
class Echo:
    def ping(self, number: int, text: str) -> tuple[int, str]:
        return number + 1, text


async def main() -> None:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    echo = Echo.remote()

    async def call(number: int, text: str) -> tuple[int, str]:
        answer: tuple[int, str] = await echo.ping.remote(number, text)
        return answer

    await serve(client(call))
    ray.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
