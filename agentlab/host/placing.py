"""Placing: which of several workers has an agent, when they share its type.

Pure: no gRPC, no asyncio. Read next: `agentlab.host.directory`.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from ..core.ids import AgentId

PLACED: Final = 100_000
"""How many agents' places are remembered; about 30 MB. Beyond it the one that was longest without a message is
forgotten, and its next message places it anew: where it was, unless a worker has joined since."""


def rendezvous(agent: AgentId, workers: Mapping[str, str]) -> str:
    """The worker, of some, that an agent belongs to: rendezvous (highest random weight) hashing.

    `workers` are client ids with the names they are told apart by. Each worker's weight for the agent is a hash of the
    two names, and the heaviest has it. So the answer depends on nothing but the names: it is the same in every process
    and after a restart, and when a worker leaves, only its own agents go elsewhere, evenly.
    """
    return max(workers, key=lambda client_id: _weight(agent, workers[client_id]))


def _weight(agent: AgentId, worker: str) -> bytes:
    # Python's own hash differs from process to process. The zero bytes keep "a" + "bc" apart from "ab" + "c".
    return hashlib.blake2b(f"{worker}\0{agent.type}\0{agent.key}".encode(), digest_size=8).digest()


class Placement:
    """A placement: which worker each agent of a shared type was given to.

    An agent stays where it was first placed for as long as that worker has its type, also when others join.
    """

    def __init__(self, capacity: int = PLACED) -> None:
        self._capacity = capacity
        self._places: OrderedDict[AgentId, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def place(self, agent: AgentId, holders: Mapping[str, str], takers: Mapping[str, str]) -> str:
        """The worker that has the agent: the one it was given to, if that is still among the `holders`; else one of
        the `takers`, which has it from now on."""
        worker = self._places.get(agent)
        if worker is None or worker not in holders:
            worker = rendezvous(agent, takers)
        self.move(agent, worker)
        return worker

    def known(self, agent: AgentId) -> str | None:
        """The worker that the agent was given to, or None."""
        return self._places.get(agent)

    def move(self, agent: AgentId, worker: str) -> None:
        """Give the agent to this worker."""
        self._places[agent] = worker
        self._places.move_to_end(agent)
        if len(self._places) > self._capacity:
            self._places.popitem(last=False)
