"""The exercises of ``09_many_machines.ipynb``: tokens, addresses, and clocks that are wrong."""

from __future__ import annotations

from random import Random
from typing import Any

from ..wire.tls import is_loopback
from .exercises import exercise
from .expecting import Wrong, attempt, expect

LESSER = {
    "send a message": "worker",
    "watch the journal": "owner",
    "subscribe to a topic": "worker",
    "drop other people's messages": "owner",
    "register an agent": "worker",
    "see who is connected": "owner",
}
HOSTS = ["127.0.0.1:50051", "0.0.0.0:50051", "localhost:50051", "192.168.1.20:50051", "[::1]:50051", "127.9.9.9:50051"]

Sample = tuple[float, float, float, float]


@exercise(
    "09.1",
    "Which token",
    "A worker joins, registers, subscribes and sends. Whatever looks at others, or steers them, is more than that.",
    "Three of each.",
)
async def which_token(answer: Any) -> str:
    expect(isinstance(answer, dict) and set(answer) == set(LESSER), "a role for each of the six", answer)
    wrong = {what: role for what, role in answer.items() if role not in {"worker", "owner"}}
    expect(not wrong, "'worker' or 'owner' for each", wrong)
    wrong = {what: role for what, role in answer.items() if role != LESSER[what]}
    expect(not wrong, "the lesser token that is enough", wrong)
    return "Who only takes part needs the workers' token; who sees and steers all needs the owner's."


@exercise(
    "09.2",
    "Who can be reached",
    "All addresses that begin with 127. are this machine's own, and so is ::1.",
    "0.0.0.0 is no address of its own: it means all that the machine has.",
)
async def reachable(reachable: Any) -> str:
    expect(isinstance(reachable, list | tuple | set), "a list of addresses", reachable)
    strange = [host for host in reachable if host not in HOSTS]
    expect(not strange, "some of the six", strange)
    for host in HOSTS:
        if (host in reachable) == is_loopback(host):
            seen = "in your list" if host in reachable else "not in your list"
            others = "nobody else can" if is_loopback(host) else "others can"
            raise Wrong(f"that {others} reach {host}", seen)
    return "Two of them; the others are for programs on the same machine."


def sample(random: Random, offset: float, there: float, back: float) -> Sample:
    """One exchange: the worker's clock is `offset` behind the host's, the ways take so long."""
    t0 = random.uniform(0, 1000)
    thinking = random.uniform(0.0, 0.5)
    t1 = t0 + offset + there
    return t0, t1, t1 + thinking, t0 + there + thinking + back


@exercise(
    "09.3",
    "What time is it there",
    "On the way there the clocks' difference is added to the time it took; on the way back it is taken away from it.",
    "t1 - t0 is offset + way. t2 - t3 is offset - way.",
    "Half of their sum: ((t1 - t0) + (t2 - t3)) / 2.",
)
async def what_time(offset: Any) -> str:
    random = Random(9)
    for wanted in (0.0, 5.0, -300.0, 0.25):
        way = random.uniform(0.01, 0.2)
        values = sample(random, wanted, way, way)
        found = await attempt(offset, *values)
        if found is ...:
            raise NotImplementedError
        named = ", ".join(f"{value:.3f}" for value in values)
        close = isinstance(found, int | float) and abs(found - wanted) < 1e-6
        expect(close, f"{wanted:g} for offset({named})", found)
    return "Right for clocks that are behind, ahead, far off and nearly right."


@exercise(
    "09.4",
    "Best of several",
    "How long was a sample on the way, there and back? The worker waited from t0 to t3, the host thought t1 to t2.",
    "(t3 - t0) - (t2 - t1) is the time on the way. min(samples, key=…) finds the sample with the least of it.",
)
async def best_of_several(best_offset: Any) -> str:
    random = Random(94)
    for round_ in range(5):
        wanted = random.uniform(-100, 100)
        samples = [sample(random, wanted, random.uniform(1, 5), random.uniform(0.1, 0.5)) for _ in range(7)]
        good = sample(random, wanted, 0.01, 0.01)
        thoughtful = (good[0], good[1], good[2] + 50, good[3] + 50)  # long in all, and short on the way
        samples.insert(1 + round_, thoughtful)
        found = await attempt(best_offset, samples)
        close = isinstance(found, int | float) and abs(found - wanted) < 1e-6
        expect(close, f"{wanted:.3f}, the offset of sample {1 + round_}, which was on the way for 0.02 s", found)
    return "A bad sample is no harm, as long as there is a good one among them."
