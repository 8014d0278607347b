"""Flaky: fails now and then, and always in the same places.

Whether an attempt fails is drawn from random numbers that start from a seed: the same seed, the same failures, so that
what went wrong once can be looked at again. Try: send it ten attempts and catch the `RemoteHandlerError` of those that
fail; its text ends with the lines of this file. Run it twice and compare the two runs: they do not differ. Change the
seed, and they do. Then write an agent in front of it that tries again, and count what that costs.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..core.contexts import MessageContext
from ..core.routing import RoutedAgent, rpc


@dataclass
class Attempt:
    """Asks for something that may fail."""

    what: str = "it"


@dataclass
class Success:
    """It worked, in the attempt with this number."""

    what: str
    number: int


class Flaky(RoutedAgent):
    """A flaky agent: fails with a probability, by a seed of its own."""

    def __init__(self, probability: float = 0.3, seed: int = 1) -> None:
        super().__init__(f"fails with a probability of {probability:g}")
        self._probability = probability
        self._random = random.Random(seed)
        self._attempts = 0

    @rpc
    async def on_attempt(self, message: Attempt, ctx: MessageContext) -> Success:
        self._attempts += 1
        if self._random.random() < self._probability:
            raise RuntimeError(f"attempt {self._attempts} failed: {message.what}")
        return Success(message.what, self._attempts)
