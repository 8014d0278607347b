"""What the capstone's check says of an auctioneer that fails while it is being bid to."""

from __future__ import annotations

import asyncio
import logging

import pytest

from agentlab import Lab, MessageContext, RoutedAgent, TopicId, check, rpc
from agentlab.course.market import Bid, Offer, Receipt, Sell, Sold


class Angry(RoutedAgent):
    """An auctioneer that raises for every bid."""

    def __init__(self, seconds: float) -> None:
        super().__init__("takes no bids")
        self.seconds = seconds

    @rpc
    async def on_sell(self, message: Sell, ctx: MessageContext) -> Sold:
        await self.publish_message(Offer(message.item, message.reserve), TopicId("offers", self.id.key))
        await asyncio.sleep(self.seconds)
        return Sold("1", message.item, "", 0)

    @rpc
    async def on_bid(self, message: Bid, ctx: MessageContext) -> Receipt:
        raise ValueError("no bids, please")


class Unfinished(Angry):
    """An auctioneer whose second handler is still to be written."""

    @rpc
    async def on_bid(self, message: Bid, ctx: MessageContext) -> Receipt:
        raise NotImplementedError


async def test_what_the_auctioneer_raises_for_a_bid_is_said_by_the_check_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Lab(workers=1) as lab:
        failed = await check("10.2", lab, Angry)
        unfinished = await check("10.2", lab, Unfinished)
    assert failed.kind == "wrong"
    assert "that your agent handles a Bid" in failed.expected
    assert "ValueError: no bids, please" in failed.seen
    assert unfinished.kind == "unanswered"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
