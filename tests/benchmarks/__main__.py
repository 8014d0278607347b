"""``python -m tests.benchmarks``: measure, and print a table."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import rows, sizes
from .processes import System
from .rounds import OURS, Row
from .table import as_data, printed

SCRIPTS = {
    OURS: "our_processes.py",
    "relay": "bare_relay.py",
    "autogen": "autogen_workers.py",
}
PEERS = [name for name in SCRIPTS if name != OURS]


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_const", dest="size", const="quick", help="under two minutes")
    parser.add_argument("--ci", action="store_const", dest="size", const="ci", help="the bare relay only; gross ratios")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values there, too")
    parser.add_argument("--peers", default="relay,autogen", help=f"which of {', '.join(PEERS)}; or 'all', or 'none'")
    parser.set_defaults(size="full")
    return parser.parse_args(argv)


def start(name: str, **options: Any) -> System:
    """Start a system by its name."""
    return System(name, SCRIPTS[name], own_environment=name != OURS, **options)


def measured(size: sizes.Size, peers: Sequence[str]) -> list[Row]:
    """All rows."""
    found: list[Row] = []
    with contextlib.ExitStack() as stack:
        systems = [stack.enter_context(start(name)) for name in [OURS, *peers]]
        found += rows.direct(systems, size)
        found += rows.half_load(systems[:1], size, found[2])
        found += rows.large(systems, size)
    with contextlib.ExitStack() as stack:
        names = [name for name in [OURS, *peers] if name == "autogen" or name == OURS]
        options = [{"readers": readers} for readers in rows.READERS]
        found += rows.publish([stack.enter_context(start(name, worker_options=options)) for name in names], size)
    return found


def main() -> int:
    """Returns the exit code."""
    asked = arguments()
    peers = {"all": PEERS, "none": []}.get(asked.peers, asked.peers.split(","))
    unknown = set(peers) - set(PEERS)
    if unknown:
        sys.exit(f"There is no peer {', '.join(sorted(unknown))}: choose from {', '.join(PEERS)}, all or none.")
    if asked.size == "ci":
        peers = ["relay"]
    found = measured({"full": sizes.FULL, "quick": sizes.QUICK, "ci": sizes.CI}[asked.size], peers)
    print(printed(found, [OURS, *peers]))
    if asked.json:
        asked.json.write_text(json.dumps(as_data(found), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
