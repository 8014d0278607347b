# /// script
# requires-python = ">=3.11"
# dependencies = ["distributed>=2024.1"]
# ///
"""How long dask.distributed takes to start: a scheduler, three worker processes, an actor of this file's classes on
each, and the first reply. ``dask_start.py start {}``
"""

from __future__ import annotations

import time

from distributed import Client, LocalCluster
from stand import say


class First:
    def ping(self, number: int) -> int:
        return number + 1


class Second(First):
    pass


class Third(First):
    pass


def main() -> None:
    began = time.perf_counter()
    with (
        LocalCluster(n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        actors = [client.submit(cls, actor=True).result() for cls in (First, Second, Third)]
        assert actors[2].ping(1).result() == 2
        started_s = time.perf_counter() - began
    say(ready=True, started_s=started_s)


if __name__ == "__main__":
    main()
