"""The exercises of ``10_capstone.ipynb``: the agents of a market. Each check plays the other agents itself."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..core import journal as j
from ..core.contexts import MessageContext
from ..core.exceptions import UndeliverableException
from ..core.ids import AgentId
from ..core.routing import RoutedAgent, event, rpc
from ..core.subscriptions import type_subscription
from ..core.topics import TopicId
from ..lab.lab import Lab
from .exercises import exercise
from .expecting import attempt, eventually, expect
from .market import Account, Bid, Offer, Receipt, Sell, Sold, Statement
from .n03 import now

OPEN_S = 0.6
"""How long auctions are open in a check: long enough for a machine that does other things, too."""


class Clerk(RoutedAgent):
    """An auctioneer that only notes the bids."""

    def __init__(self, bids: list[Bid]) -> None:
        super().__init__("notes the bids, for a check")
        self._bids = bids

    @rpc
    async def on_bid(self, message: Bid, ctx: MessageContext) -> Receipt:
        self._bids.append(message)
        return Receipt(accepted=True)


@type_subscription("offers")
@type_subscription("sold")
class Crowd(RoutedAgent):
    """Bidders that bid what a check tells them to, one after the other."""

    def __init__(
        self, auctioneer: AgentId, script: dict[str, Sequence[tuple[str, int]]], receipts: list[bool], heard: list[Sold]
    ) -> None:
        super().__init__("bids, for a check")
        self._auctioneer = auctioneer
        self._script = script
        self._receipts = receipts
        self._heard = heard

    @event
    async def on_offer(self, message: Offer, ctx: MessageContext) -> None:
        if self.id.key == self._auctioneer.key:  # other markets are not our business
            for bidder, amount in self._script.get(message.item, ()):
                with contextlib.suppress(UndeliverableException):  # what the auctioneer raises, the check says itself
                    receipt = await self.send_message(Bid(bidder, message.item, amount), self._auctioneer)
                    self._receipts.append(bool(receipt.accepted))

    @event
    async def on_sold(self, message: Sold, ctx: MessageContext) -> None:
        if self.id.key == self._auctioneer.key:
            self._heard.append(message)


@asynccontextmanager
async def registered(lab: Lab, worker: str, name: str, agent: Any, *arguments: Any) -> AsyncIterator[str]:
    """An agent class under a type of its own, as long as a check needs it."""
    agent_type = f"{name}-{uuid.uuid4().hex[:6]}"
    expect(isinstance(agent, type), "an agent class", agent)
    await lab.register(worker, agent_type, agent, *arguments)
    try:
        yield agent_type
    finally:
        await lab.unregister(worker, agent_type)


def fresh_key() -> str:
    """The name of a market that nobody knows."""
    return f"market-{uuid.uuid4().hex[:6]}"


def raise_what_failed(lab: Lab, after: int, agent_type: str) -> None:
    """What fails for a published message, or for one of the check's own agents, nobody tells the student: it becomes
    the check's verdict here."""
    for e in lab.journal:
        if e.seq > after and e.what == j.FAILED and e.recipient.startswith(f"{agent_type}/"):
            if "NotImplementedError" in e.detail:
                raise NotImplementedError
            expect(False, f"that your agent handles a {e.type}", f"{e.detail}\n{e.trace}")


@exercise(
    "10.1",
    "The bidder",
    "It needs a subscription to the topic type offers, and an @event handler for Offer.",
    "The auctioneer of this market is AgentId(self.auctioneer, ctx.topic_id.source).",
    "if self.budget >= message.reserve: await self.send_message(Bid(self.id.type, message.item, self.budget), …)",
    limit_s=15,
)
async def bidder(lab: Lab, Bidder: Any) -> str:
    bids: list[Bid] = []
    key, begin = fresh_key(), now(lab)
    async with (
        registered(lab, "notebook", "clerk", Clerk, bids) as clerk,
        registered(lab, "worker-2", "rich", Bidder, 90, clerk) as rich,
        registered(lab, "worker-2", "poor", Bidder, 40, clerk) as poor,
    ):
        for item, reserve, wanted in (
            ("lamp", 20, {(rich, 90), (poor, 40)}),
            ("sofa", 40, {(rich, 90), (poor, 40)}),
            ("piano", 41, {(rich, 90)}),
            ("castle", 1000, set()),
        ):
            bids.clear()
            await lab.publish_message(Offer(item, reserve), TopicId("offers", key))
            await lab.when_idle(5)
            for name in (rich, poor):
                raise_what_failed(lab, begin, name)
            seen = {(bid.bidder, bid.amount) for bid in bids if bid.item == item}
            story = f"budgets of 90 and 40, and an Offer({item!r}, {reserve})"
            expect(seen == wanted, f"the bids {sorted(wanted)}, with {story}", sorted(seen) or "no bid")
            expect(len(bids) == len(wanted), "one bid from each", bids)
    return "It bids its budget, and keeps away from what it cannot pay."


@exercise(
    "10.2",
    "The auctioneer",
    "Keep the bids of each open auction in a dictionary by item: on_sell opens it, on_bid adds to it.",
    "on_sell: open it, publish the Offer to TopicId('offers', self.id.key), and await asyncio.sleep(self.seconds).",
    "Then close it: bids = self.open.pop(item). sorted(bids, key=…, reverse=True) keeps the order of equal ones.",
    "The price is the second bid's amount, or the reserve. Publish the Sold to TopicId('sold', self.id.key), too.",
    limit_s=20,
)
async def auctioneer(lab: Lab, Auctioneer: Any) -> str:
    script = {
        "lamp": [("ben", 80), ("anna", 100), ("carl", 60)],
        "sofa": [("anna", 50), ("ben", 29)],
        "piano": [("ben", 70), ("anna", 70)],
        "castle": [("anna", 100)],
    }
    receipts: list[bool] = []
    heard: list[Sold] = []
    begin = now(lab)
    async with registered(lab, "worker-1", "auctioneer", Auctioneer, OPEN_S) as name:
        house = AgentId(name, fresh_key())
        async with registered(lab, "notebook", "crowd", Crowd, house, script, receipts, heard):
            for item, reserve, winner, price, accepted in (
                ("lamp", 20, "anna", 80, [True, True, True]),
                ("sofa", 30, "anna", 30, [True, False]),
                ("piano", 10, "ben", 70, [True, True]),
                ("castle", 1000, "", 0, [False]),
            ):
                receipts.clear()
                heard.clear()
                sold = await lab.send_message(Sell(item, reserve), house, deadline_s=4)
                raise_what_failed(lab, begin, name)
                story = f"Sell({item!r}, {reserve}) and the bids {script[item]}"
                expect(isinstance(sold, Sold), f"a Sold, as the answer to {story}", sold)
                seen = (sold.item, sold.winner, sold.price)
                expect(seen == (item, winner, price), f"the winner {winner!r} for {price}, with {story}", sold)
                expect(receipts == accepted, f"the receipts {accepted}, with {story}", receipts)
                told = await eventually(lambda: list(heard), limit_s=2)
                expect(told == [sold], "the same Sold, published once to the topic type sold", told)
            late = await lab.send_message(Bid("anna", "lamp", 200), house, deadline_s=4)
            expect(not getattr(late, "accepted", True), "Receipt(False) for a bid after the end", late)
            again = await lab.send_message(Sell("lamp", 20), house, deadline_s=4)
            expect(again.winner == "anna" and again.price == 80, "the lamp sold again: to anna for 80", again)
            both = await asyncio.gather(
                *(lab.send_message(Sell(item, 20), house, deadline_s=4) for item in ("lamp", "sofa"))
            )
            winners = [(sold.item, sold.winner, sold.price) for sold in both]
            right = [("lamp", "anna", 80), ("sofa", "anna", 29)]
            expect(winners == right, f"{right}, with two auctions open at the same time", winners)
            expect(len({sold.sale for sold in (again, *both)}) == 3, "another sale each time", [s.sale for s in both])
    return "Sealed bids, the second price, several auctions at a time: as the rules say."


@exercise(
    "10.3",
    "The ledger",
    "It subscribes to the topic type sold, and has an @event handler for Sold.",
    "Remember the sales by their name: self.sales[message.sale] = message counts each once, and keeps their order.",
    "The statement is made of all sales whose winner is message.bidder.",
    limit_s=15,
)
async def ledger(lab: Lab, Ledger: Any) -> str:
    key, begin = fresh_key(), now(lab)
    sales = [Sold(uuid.uuid4().hex, *sale) for sale in (("lamp", "anna", 80), ("sofa", "ben", 30), ("egg", "", 0))]
    sales.append(Sold(uuid.uuid4().hex, "lamp", "anna", 5))
    async with registered(lab, "worker-3", "ledger", Ledger) as name:
        for sold in (*sales, sales[0], sales[1]):
            await lab.publish_message(sold, TopicId("sold", key))
        await lab.when_idle(5)
        raise_what_failed(lab, begin, name)
        for who, items, spent in (("anna", ["lamp", "lamp"], 85), ("ben", ["sofa"], 30), ("carl", [], 0)):
            statement = await lab.send_message(Account(who), AgentId(name, key), deadline_s=4)
            wanted = Statement(items, spent)
            story = (
                "lamp to anna for 80, sofa to ben for 30, egg to nobody, lamp to anna for 5; the first two told twice"
            )
            expect(statement == wanted, f"{wanted} for {who}, after {story}", statement)
        other = await lab.send_message(Account("anna"), AgentId(name, fresh_key()), deadline_s=4)
        expect(other == Statement(), "an empty statement in another market", other)
    return "Every sale counts once, in its own market."


@exercise(
    "10.4",
    "The market",
    "lab.register(worker, type, class, *arguments) puts an agent type on a worker: four of them.",
    'await lab.register("worker-2", "anna", Bidder, 100, "auctioneer"), and so on.',
    limit_s=20,
)
async def market(lab: Lab, open_market: Any) -> str:
    await attempt(open_market, lab)
    homes = {name: row["worker"] for row in lab.directory() for name in row["agent types"]}
    for name, worker in (("auctioneer", "worker-1"), ("anna", "worker-2"), ("ben", "worker-2"), ("ledger", "worker-3")):
        expect(homes.get(name) == worker, f"{name} on {worker}", f"it is on {homes.get(name, 'no worker')}")
    key = fresh_key()
    for item, reserve, winner, price in (("lamp", 50, "anna", 80), ("sofa", 90, "anna", 90), ("castle", 1000, "", 0)):
        sold = await lab.send_message(Sell(item, reserve), AgentId("auctioneer", key), deadline_s=5)
        seen = (getattr(sold, "winner", None), getattr(sold, "price", None))
        expect(
            seen == (winner, price), f"{item} to {winner or 'nobody'} for {price}, with a reserve of {reserve}", sold
        )
    await lab.when_idle(5)
    statement = await lab.send_message(Account("anna"), AgentId("ledger", key), deadline_s=5)
    expect(statement == Statement(["lamp", "sofa"], 170), "Statement(['lamp', 'sofa'], 170) for anna", statement)
    return "Three auctions, four agents, three processes, and the books are right."


@exercise(
    "10.5",
    "A careful bidder",
    "It needs two subscriptions and two event handlers: for Offer, and for Sold.",
    "Of the Sold messages, those count whose winner is its own type, self.id.type.",
    "In on_sold: if message.winner == self.id.type: self.left -= message.price. In on_offer it bids self.left.",
    limit_s=15,
)
async def saver(lab: Lab, Saver: Any) -> str:
    bids: list[Bid] = []
    key, begin = fresh_key(), now(lab)
    async with (
        registered(lab, "notebook", "clerk", Clerk, bids) as clerk,
        registered(lab, "worker-2", "saver", Saver, 100, clerk) as name,
    ):
        left = 100
        for item, reserve, winner, price in (
            ("lamp", 10, name, 30),
            ("sofa", 10, "somebody", 60),
            ("piano", 80, "somebody", 90),
            ("clock", 70, name, 70),
            ("egg", 1, "somebody", 1),
        ):
            bids.clear()
            await lab.publish_message(Offer(item, reserve), TopicId("offers", key))
            await lab.when_idle(5)
            raise_what_failed(lab, begin, name)
            wanted = [(name, left)] if left >= reserve else []
            seen = [(bid.bidder, bid.amount) for bid in bids]
            story = f"an Offer({item!r}, {reserve}), when {left} of 100 are left"
            expect(seen == wanted, f"{f'a bid over {left}' if wanted else 'no bid'} for {story}", seen or "no bid")
            await lab.publish_message(Sold(uuid.uuid4().hex, item, winner, price), TopicId("sold", key))
            await lab.when_idle(5)
            left -= price if winner == name else 0
    return "It spent 100 of 100, and then kept away."
