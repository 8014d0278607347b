"""Which of its two network engines gRPC uses in this process.

Since 1.80, grpcio in Python waits for the network in threads of its own (its "event engine"); before, the thread that
asked for an event also waited for it. grpc.aio asks from one thread, so the newer way adds a handover between threads
to everything that arrives. Measured on Linux with grpcio 1.85.1: it is a quarter of a call's time; and of 60 children
that were started with a `preexec_fn` 7 failed, with the older engine none. Both engines are in the releases named here;
later ones may lack the older one, and say so at every start when they are asked for it, so they are not asked.

See https://github.com/grpc/grpc/pull/41432, by which the newer engine became the usual one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, MutableMapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

VARIABLE: Final = "GRPC_EXPERIMENTS"
OLDER_ENGINE: Final = "-event_engine_client,-event_engine_listener"
RELEASES: Final = ((1, 80), (1, 85))
"""The first and the last release that were tried with the older engine."""


def choose_engine(environment: MutableMapping[str, str]) -> None:
    """Ask for the older engine, unless the user has chosen. Before gRPC is imported: it looks only then.

    Processes that are started from this one find the choice in `environment`, and make it too.
    """
    if sys.platform == "linux" and VARIABLE not in environment and has_older_engine(installed_release()):
        environment[VARIABLE] = OLDER_ENGINE


def for_other_programs(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without our choice: a program that brings a gRPC of its own may not know the older engine."""
    return {key: value for key, value in environment.items() if (key, value) != (VARIABLE, OLDER_ENGINE)}


def has_older_engine(release: tuple[int, int] | None) -> bool:
    """Whether that release of grpcio, if there is one, is known to have it."""
    return release is not None and RELEASES[0] <= release <= RELEASES[1]


def installed_release() -> tuple[int, int] | None:
    """Major and minor version of the grpcio that is installed; None if that cannot be told.

    Read from its files: `import agentlab` has no time to import gRPC, nor `importlib.metadata`.
    """
    found = find_spec("grpc")
    for folder in (found and found.submodule_search_locations) or ():
        for metadata in Path(folder).parent.glob("grpcio-*.dist-info"):
            if version := re.match(r"grpcio-(\d+)\.(\d+)", metadata.name):
                return int(version[1]), int(version[2])
    return None
