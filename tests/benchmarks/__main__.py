"""Measure agentlab and its peers in one run, and print a table. See README.md beside this file."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import alone, rows, sizes
from .processes import System
from .rounds import OURS, Row
from .table import as_data, printed

SCRIPTS = {
    OURS: "our_processes.py",
    "relay": "bare_relay.py",
    "autogen": "autogen_workers.py",
    "nats": "nats_clients.py",
    "dask": "dask_actors.py",
    "ray": "ray_actors.py",
    "ipyparallel": "ipyparallel_engines.py",
}
PEERS = [name for name in SCRIPTS if name != OURS]
STARTING_ALL = {"dask", "ray", "ipyparallel"}
"""Their client starts the rest."""
LARGE = {OURS, "relay", "autogen"}
PUBLISHING = {OURS, "autogen"}
RECORDED = Path(__file__).with_name("recorded.json")
GROSS = 0.5
"""A ratio half as good as the recorded one is no noise any more."""


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_const", dest="size", const="quick", help="under two minutes")
    parser.add_argument("--ci", action="store_const", dest="size", const="ci", help="the bare relay only; gross ratios")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values there, too")
    parser.add_argument("--peers", default="relay,autogen,dask", help=f"some of {','.join(PEERS)}; or all, or none")
    parser.set_defaults(size="full")
    return parser.parse_args(argv)


def start(name: str, called: str = "", **options: Any) -> System:
    """Start a system by its name."""
    alone = name in STARTING_ALL
    return System(called or name, SCRIPTS[name], own_environment=name != OURS, alone=alone, **options)


def tell(text: str) -> None:
    """Say on stderr what is being measured."""
    print(f"{text} …", file=sys.stderr, flush=True)


def messages(size: sizes.Size, peers: Sequence[str], *, all_kinds: bool = True) -> list[Row]:
    """The rows about messages, beside the peers; without `all_kinds` those that the relay can be asked for."""
    found: list[Row] = []
    with contextlib.ExitStack() as stack:
        tell(f"Starting {', '.join([OURS, *peers])}")
        systems = [stack.enter_context(start(name)) for name in [OURS, *peers]]
        tell("Direct messages")
        found += rows.direct(systems, size)
        if all_kinds:
            tell("Half load")
            found += rows.half_load(systems[:1], size, found[2])
        tell("Large messages")
        found += rows.large([system for system in systems if system.name in LARGE], size)
    if not all_kinds:
        return found
    with contextlib.ExitStack() as stack:
        tell("Published messages")
        options = [{"readers": readers} for readers in rows.READERS]
        names = [name for name in [OURS, *peers] if name in PUBLISHING]
        found += rows.publish([stack.enter_context(start(name, worker_options=options)) for name in names], size)
    return found


def _parts(whole: int, count: int) -> list[int]:
    """A number in about equal parts."""
    return [whole // count + (n < whole % count) for n in range(count)]


def growth(size: sizes.Size) -> list[Row]:
    """The rows in which agentlab is compared with itself."""
    types, subscriptions, workers = size.grown
    found: list[Row] = []
    with contextlib.ExitStack() as stack:

        def ours(called: str, **options: Any) -> System:
            return stack.enter_context(start(OURS, called, **options))

        def crew(count: int, types: int = 10, subscriptions: int = 10) -> dict[str, Any]:
            """As many workers, the client among them, which share what there is."""
            given = count - 1
            parts = zip(_parts(max(0, types - given), given), _parts(subscriptions, given), strict=True)
            workers = [{"types": part, "subscriptions": some} for part, some in parts]
            return {"worker_options": [{"readers": 1, **workers[0]}, *workers[1:]]}

        tell("Growth")
        usual = ours("usual", **crew(3))
        forgetful = ours("no journal", host_options={"journal": False}, **crew(3))
        on_off = rows.against("journal on ÷ journal off", usual, forgetful, size, 0.85, 0.95)
        found.append(on_off)
        for name, grown in (
            (f"{types:,} agent types", crew(3, types=types)),
            (f"{subscriptions:,} subscriptions", crew(4, subscriptions=subscriptions)),
            (f"{workers} workers", crew(workers)),
        ):
            tell(name)
            with start(OURS, name, **grown) as system:
                found.append(rows.against(f"{name}: direct", system, usual, size, 0.8, 0.95))
                found.append(rows.against(f"{name}: published", system, usual, size, 0.8, 0.95, rows.events_per_s))
    return found


def memory(size: sizes.Size) -> list[Row]:
    """What very many messages leave behind in the host."""
    tell("Memory")
    with start(OURS) as system:
        return [rows.memory(system, size)]


def measured(size: sizes.Size, peers: Sequence[str]) -> list[Row]:
    """All rows."""
    found = messages(size, peers)
    tell("Starts")
    found += alone.starts(size, list(peers))
    found.append(alone.imports())
    found += growth(size)
    found += memory(size)
    tell("Timeline")
    found += [alone.timeline(size), alone.live_frame(size)]
    return found


def gross(found: Sequence[Row]) -> list[str]:
    """What is only half as good as what was recorded, or worse."""
    recorded: dict[str, dict[str, float]] = json.loads(RECORDED.read_text())
    worse = []
    for row in found:
        for peer, before in recorded.get(row.name, {}).items():
            now = row.ratio(peer)
            if now is None:
                continue
            good = now / before if row.high_is_good else before / now
            if good < GROSS:
                worse.append(f"{row.name}: {now:.2f} times {peer}, and {before:.2f} times when it was recorded")
    return worse


def main() -> int:
    """Returns the exit code."""
    asked = arguments()
    peers = {"all": PEERS, "none": []}.get(asked.peers, asked.peers.split(","))
    unknown = set(peers) - set(PEERS)
    if unknown:
        sys.exit(f"There is no peer {', '.join(sorted(unknown))}: choose from {', '.join(PEERS)}, all or none.")
    if asked.size == "ci":
        found = messages(sizes.CI, ["relay"], all_kinds=False)
    else:
        found = measured({"full": sizes.FULL, "quick": sizes.QUICK}[asked.size], peers)
    print(printed(found, [OURS, *(["relay"] if asked.size == "ci" else peers)]))
    if asked.json:
        asked.json.write_text(json.dumps(as_data(found), indent=1))
    worse = gross(found) if asked.size == "ci" else []
    for line in worse:
        print(f"Less than half as good as recorded: {line}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
