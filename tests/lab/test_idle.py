"""Waiting until no message is under way."""

from __future__ import annotations

import asyncio

import pytest
from until import until

from agentlab import Lab
from agentlab.gallery.slow import Slow, Work
from agentlab.lab.errors import LabError
from agentlab.lab.idle import under_way


async def test_a_lab_is_idle_when_every_message_has_its_end(lab: Lab) -> None:
    await lab.register("worker-1", "idle-slow", Slow)
    await lab.publish_message(Work(0.0), "nobody-listens")
    asked = asyncio.ensure_future(lab.send_message(Work(0.5), "idle-slow"))
    await until(lambda: under_way(lab.journal))
    await lab.when_idle()
    assert not under_way(lab.journal)
    assert (await asked).seconds >= 0.5


async def test_what_is_still_under_way_is_named(lab: Lab) -> None:
    await lab.register("worker-2", "idle-stuck", Slow)
    asked = asyncio.ensure_future(lab.send_message(Work(30.0), "idle-stuck/one", deadline_s=5))
    await until(lambda: under_way(lab.journal))
    with pytest.raises(LabError, match="still a message under way: the request Work to idle-stuck/one. Is a worker"):
        await lab.when_idle(limit_s=0.1)
    asked.cancel()
    await lab.when_idle()
