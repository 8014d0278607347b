# /// script
# requires-python = ">=3.11"
# dependencies = ["distributed>=2024.1"]
# ///
"""dask.distributed's actors: the client starts the scheduler and the worker. ``dask_actors.py client OPTIONS``"""

from __future__ import annotations

import asyncio

from distributed import Client, LocalCluster
from stand import client, serve


class Echo:
    def ping(self, number: int, text: str) -> tuple[int, str]:
        return number + 1, text


async def main() -> None:
    async with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, asynchronous=True
        ) as cluster,
        Client(cluster, asynchronous=True) as connected,
    ):
        echo = await connected.submit(Echo, actor=True)

        async def call(number: int, text: str) -> tuple[int, str]:
            answer: tuple[int, str] = await echo.ping(number, text)
            return answer

        await serve(client(call))


if __name__ == "__main__":
    asyncio.run(main())
