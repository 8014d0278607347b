"""The rows that compare systems which are running: messages of every kind.

Each takes the systems that can do it, and measures them in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .processes import System
from .rounds import OURS, Row, Target, alternate
from .sizes import Size

OUTSTANDING = 64
READERS = (4, 3, 3)
"""Agents that receive what is published, on each of three workers."""
TO_ONE = 8
"""One receiver gets about as many messages in a round as ten do together."""
MIB = 2**20


def direct(systems: Sequence[System], size: Size) -> list[Row]:
    """Direct messages and their replies: one at a time, and 64 at a time."""
    one = Row(
        "one outstanding, p50", "ms",
        targets=(Target(0.8, "autogen"), Target(1.5, "relay", aim=1.1)),
    )  # fmt: skip
    slowest = Row("one outstanding, p99", "ms")
    many = Row(
        "64 outstanding", "messages/s", high_is_good=True,
        targets=(Target(6, "autogen", aim=10), Target(3.5, "relay")),
    )  # fmt: skip
    taken = Row("64 outstanding, p50", "ms")
    work = [Row(f"64 outstanding, processor of the {role}", "µs/message") for role in ("host", "workers", "client")]

    def measure(system: System) -> None:
        alone = system.client.ask("calls", count=size.one_by_one, outstanding=1)
        one.add(system.name, alone["p50_ms"])
        slowest.add(system.name, alone["p99_ms"])
        before = system.cpu_s()
        together = system.client.ask("calls", count=size.many, outstanding=OUTSTANDING)
        many.add(system.name, together["per_s"])
        taken.add(system.name, together["p50_ms"])
        for row, (role, used_s) in zip(work, system.cpu_s().items(), strict=True):
            if used_s:  # a client that started everything itself has no other processes
                row.add(system.name, (used_s - before[role]) / size.many * 1e6)

    for system in systems:  # what is made at the first message is not what is measured
        system.client.ask("calls", count=200, outstanding=8)
    alternate(systems, size.rounds, measure)
    return [one, slowest, many, taken, *work]


def half_load(systems: Sequence[System], size: Size, most: Row) -> list[Row]:
    """How long a message takes while half as many are sent as `most` says are possible at all."""
    middle = Row("half load, p50", "ms")
    worst = Row("half load, p99", "ms")
    spread = Row("half load, p99 in p50s", "×", targets=(Target(10, aim=5),))

    def measure(system: System) -> None:
        rate = (most.middle(system.name) or 0.0) / 2
        taken = system.client.ask("paced", count=int(rate * size.paced_s), rate=rate)
        middle.add(system.name, taken["p50_ms"])
        worst.add(system.name, taken["p99_ms"])
        spread.add(system.name, taken["p99_ms"] / taken["p50_ms"])

    alternate(systems, size.rounds, measure)
    return [middle, worst, spread]


def large(systems: Sequence[System], size: Size) -> list[Row]:
    """Payloads of 1 MiB, there and back, a few at a time."""
    row = Row(
        "1 MiB payloads, there and back", "MB/s", high_is_good=True,
        targets=(Target(2, "autogen"), Target(1, "relay")),
    )  # fmt: skip

    def measure(system: System) -> None:
        done = system.client.ask("calls", count=size.large, outstanding=4, size=MIB)
        row.add(system.name, done["per_s"] * 2 * MIB / 1e6)

    for system in systems:
        system.client.ask("calls", count=4, outstanding=2, size=MIB)
    alternate(systems, size.rounds, measure)
    return [row]


def publish(systems: Sequence[System], size: Size) -> list[Row]:
    """What one publishes, ten agents on three workers receive: each of them all of it, in order."""
    row = Row("published to 10 agents on 3 workers", "deliveries/s", high_is_good=True,
              targets=(Target(6, "autogen", aim=15),))  # fmt: skip

    def measure(system: System, count: int = size.events) -> None:
        system.client.tell("published", count=count)
        for worker, readers in zip(system.workers, READERS, strict=True):
            worker.tell("received", expected=count * readers, limit_s=60.0)
        began_ns = system.client.answer()["began_ns"]
        last_ns = max(worker.answer()["last_ns"] for worker in system.workers)
        row.add(system.name, count * sum(READERS) / ((last_ns - began_ns) / 1e9))

    for system in systems:
        measure(system, 20)
    row.values.clear()
    alternate(systems, size.rounds, measure)
    return [row]


Measure = Callable[[System, Size], float]


def calls_per_s(system: System, size: Size) -> float:
    """Direct messages a second, 64 outstanding."""
    return float(system.client.ask("calls", count=size.many, outstanding=OUTSTANDING)["per_s"])


def events_per_s(system: System, size: Size) -> float:
    """Messages published to one agent, a second."""
    count = TO_ONE * size.events
    system.client.tell("published", count=count)
    received = system.workers[0].ask("received", expected=count, limit_s=60.0)
    return count / ((received["last_ns"] - system.client.answer()["began_ns"]) / 1e9)


def against(
    name: str, changed: System, usual: System, size: Size, at_least: float, aim: float, measure: Measure = calls_per_s
) -> Row:
    """The throughput of a system of ours in other circumstances, over its throughput in the usual ones."""
    row = Row(name, "× the usual", high_is_good=True, targets=(Target(at_least, aim=aim),))
    per_s: dict[str, list[float]] = {changed.name: [], usual.name: []}

    for system in (changed, usual):  # what is made at the first message is not what is measured
        measure(system, size)
    alternate([changed, usual], size.rounds, lambda system: per_s[system.name].append(measure(system, size)))
    for one, other in zip(per_s[changed.name], per_s[usual.name], strict=True):
        row.add(OURS, one / other)
    return row


def memory(system: System, size: Size) -> Row:
    """What the host holds after very many messages, over what it held after 10,000."""
    row = Row(f"host memory after {2 * size.memory:,} messages", "× after 10,000", targets=(Target(1.2),))
    assert system.host is not None
    system.client.ask("calls", count=5_000, outstanding=OUTSTANDING)
    early = system.host.memory()
    left = size.memory - 5_000
    while left > 0:
        system.client.ask("calls", count=min(left, 50_000), outstanding=OUTSTANDING)
        left -= 50_000
    row.add(OURS, system.host.memory() / early)
    return row
