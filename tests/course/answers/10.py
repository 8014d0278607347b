"""Answers to the exercises of notebook 10."""


# %% 10.1 wrong: it bids without looking at the reserve
@type_subscription("offers")
class Bidder(RoutedAgent):
    def __init__(self, budget: int, auctioneer: str) -> None:
        super().__init__("bids what the item is worth to it")
        self.budget = budget
        self.auctioneer = auctioneer

    @event
    async def on_offer(self, message: Offer, ctx: MessageContext) -> None:
        bid = Bid(self.id.type, message.item, self.budget)
        await self.send_message(bid, AgentId(self.auctioneer, ctx.topic_id.source))


# %% 10.1 wrong: it publishes its bid for all to see
@type_subscription("offers")
class Bidder(RoutedAgent):
    def __init__(self, budget: int, auctioneer: str) -> None:
        super().__init__("bids what the item is worth to it")
        self.budget = budget
        self.auctioneer = auctioneer

    @event
    async def on_offer(self, message: Offer, ctx: MessageContext) -> None:
        if self.budget >= message.reserve:
            bid = Bid(self.id.type, message.item, self.budget)
            await self.publish_message(bid, TopicId("bids", ctx.topic_id.source))


# %% 10.1 wrong: always the auctioneer with the key default, and one less than the reserve would do
@type_subscription("offers")
class Bidder(RoutedAgent):
    def __init__(self, budget: int, auctioneer: str) -> None:
        super().__init__("bids what the item is worth to it")
        self.budget = budget
        self.auctioneer = auctioneer

    @event
    async def on_offer(self, message: Offer, ctx: MessageContext) -> None:
        if self.budget > message.reserve:
            bid = Bid(self.id.type, message.item, self.budget)
            await self.send_message(bid, AgentId(self.auctioneer, "default"))


# %% 10.1 solution
@type_subscription("offers")
class Bidder(RoutedAgent):
    def __init__(self, budget: int, auctioneer: str) -> None:
        super().__init__("bids what the item is worth to it")
        self.budget = budget
        self.auctioneer = auctioneer

    @event
    async def on_offer(self, message: Offer, ctx: MessageContext) -> None:
        if self.budget >= message.reserve:
            bid = Bid(self.id.type, message.item, self.budget)
            await self.send_message(bid, AgentId(self.auctioneer, ctx.topic_id.source))


# %% 10.2 wrong: the winner pays the own bid
class Auctioneer(RoutedAgent):
    def __init__(self, seconds: float) -> None:
        super().__init__("sells to the highest bidder, for the second highest price")
        self.seconds = seconds
        self.reserves = {}
        self.bids = {}

    @rpc
    async def on_sell(self, message: Sell, ctx: MessageContext) -> Sold:
        self.reserves[message.item] = message.reserve
        self.bids[message.item] = []
        await self.publish_message(Offer(message.item, message.reserve), TopicId("offers", self.id.key))
        await asyncio.sleep(self.seconds)
        del self.reserves[message.item]
        best = max(self.bids.pop(message.item), key=lambda bid: bid.amount, default=None)
        sold = Sold(uuid.uuid4().hex, message.item, best.bidder if best else "", best.amount if best else 0)
        await self.publish_message(sold, TopicId("sold", self.id.key))
        return sold

    @rpc
    async def on_bid(self, message: Bid, ctx: MessageContext) -> Receipt:
        if message.item not in self.reserves or message.amount < self.reserves[message.item]:
            return Receipt(False)
        self.bids[message.item].append(message)
        return Receipt(True)


# %% 10.2 wrong: one list of bids for all auctions
class Auctioneer(RoutedAgent):
    def __init__(self, seconds: float) -> None:
        super().__init__("sells to the highest bidder, for the second highest price")
        self.seconds = seconds
        self.offer = None
        self.bids = []

    @rpc
    async def on_sell(self, message: Sell, ctx: MessageContext) -> Sold:
        self.offer, self.bids = message, []
        await self.publish_message(Offer(message.item, message.reserve), TopicId("offers", self.id.key))
        await asyncio.sleep(self.seconds)
        bids = sorted(self.bids, key=lambda bid: bid.amount, reverse=True)
        self.offer = None
        sold = Sold(uuid.uuid4().hex, message.item, "", 0)
        if bids:
            price = bids[1].amount if len(bids) > 1 else message.reserve
            sold = Sold(uuid.uuid4().hex, message.item, bids[0].bidder, price)
        await self.publish_message(sold, TopicId("sold", self.id.key))
        return sold

    @rpc
    async def on_bid(self, message: Bid, ctx: MessageContext) -> Receipt:
        if self.offer is None or message.item != self.offer.item or message.amount < self.offer.reserve:
            return Receipt(False)
        self.bids.append(message)
        return Receipt(True)


# %% 10.2 wrong: it does not let the bids in while it sleeps
import time


class Auctioneer(RoutedAgent):
    def __init__(self, seconds: float) -> None:
        super().__init__("sells to the highest bidder, for the second highest price")
        self.seconds = seconds

    @rpc
    async def on_sell(self, message: Sell, ctx: MessageContext) -> Sold:
        self.bids = []
        await self.publish_message(Offer(message.item, message.reserve), TopicId("offers", self.id.key))
        time.sleep(self.seconds)
        bids = sorted(self.bids, key=lambda bid: bid.amount, reverse=True)
        return Sold(uuid.uuid4().hex, message.item, bids[0].bidder if bids else "", bids[1].amount if bids else 0)

    @rpc
    async def on_bid(self, message: Bid, ctx: MessageContext) -> Receipt:
        self.bids.append(message)
        return Receipt(True)


# %% 10.2 solution
class Auctioneer(RoutedAgent):
    def __init__(self, seconds: float) -> None:
        super().__init__("sells to the highest bidder, for the second highest price")
        self.seconds = seconds
        self.reserves = {}  # of the auctions that are open, by item
        self.bids = {}

    @rpc
    async def on_sell(self, message: Sell, ctx: MessageContext) -> Sold:
        self.reserves[message.item] = message.reserve
        self.bids[message.item] = []
        await self.publish_message(Offer(message.item, message.reserve), TopicId("offers", self.id.key))
        await asyncio.sleep(self.seconds)
        del self.reserves[message.item]
        bids = sorted(self.bids.pop(message.item), key=lambda bid: bid.amount, reverse=True)
        winner = bids[0].bidder if bids else ""
        price = bids[1].amount if len(bids) > 1 else message.reserve if bids else 0
        sold = Sold(uuid.uuid4().hex, message.item, winner, price)
        await self.publish_message(sold, TopicId("sold", self.id.key))
        return sold

    @rpc
    async def on_bid(self, message: Bid, ctx: MessageContext) -> Receipt:
        if message.item not in self.reserves or message.amount < self.reserves[message.item]:
            return Receipt(accepted=False)
        self.bids[message.item].append(message)
        return Receipt(accepted=True)


# %% 10.3 wrong: what it hears twice counts twice
@type_subscription("sold")
class Ledger(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("writes down who bought what")
        self.sales = []

    @event
    async def on_sold(self, message: Sold, ctx: MessageContext) -> None:
        self.sales.append(message)

    @rpc
    async def on_account(self, message: Account, ctx: MessageContext) -> Statement:
        own = [sold for sold in self.sales if sold.winner == message.bidder]
        return Statement([sold.item for sold in own], sum(sold.price for sold in own))


# %% 10.3 wrong: by item, so that a second lamp replaces the first
@type_subscription("sold")
class Ledger(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("writes down who bought what")
        self.sales = {}

    @event
    async def on_sold(self, message: Sold, ctx: MessageContext) -> None:
        self.sales[message.item] = message

    @rpc
    async def on_account(self, message: Account, ctx: MessageContext) -> Statement:
        own = [sold for sold in self.sales.values() if sold.winner == message.bidder]
        return Statement([sold.item for sold in own], sum(sold.price for sold in own))


# %% 10.3 solution
@type_subscription("sold")
class Ledger(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("writes down who bought what")
        self.sales = {}  # by the name of the sale: one that comes twice is there once

    @event
    async def on_sold(self, message: Sold, ctx: MessageContext) -> None:
        self.sales[message.sale] = message

    @rpc
    async def on_account(self, message: Account, ctx: MessageContext) -> Statement:
        own = [sold for sold in self.sales.values() if sold.winner == message.bidder]
        return Statement([sold.item for sold in own], sum(sold.price for sold in own))


# %% 10.4 wrong: ben is as rich as anna
async def open_market(lab):
    await lab.register("worker-1", "auctioneer", Auctioneer, 0.5)
    await lab.register("worker-2", "anna", Bidder, 100, "auctioneer")
    await lab.register("worker-2", "ben", Bidder, 100, "auctioneer")
    await lab.register("worker-3", "ledger", Ledger)


# %% 10.4 wrong: they bid at an auctioneer who is not there
async def open_market(lab):
    await lab.register("worker-1", "auctioneer", Auctioneer, 0.5)
    await lab.register("worker-2", "anna", Bidder, 100, "auction")
    await lab.register("worker-2", "ben", Bidder, 80, "auction")
    await lab.register("worker-3", "ledger", Ledger)


# %% 10.4 solution
async def open_market(lab):
    await lab.register("worker-1", "auctioneer", Auctioneer, 0.5)
    await lab.register("worker-2", "anna", Bidder, 100, "auctioneer")
    await lab.register("worker-2", "ben", Bidder, 80, "auctioneer")
    await lab.register("worker-3", "ledger", Ledger)


# %% 10.5 wrong: it counts what others pay, too
@type_subscription("offers")
@type_subscription("sold")
class Saver(RoutedAgent):
    def __init__(self, budget: int, auctioneer: str) -> None:
        super().__init__("keeps its money together")
        self.left = budget
        self.auctioneer = auctioneer

    @event
    async def on_offer(self, message: Offer, ctx: MessageContext) -> None:
        if self.left >= message.reserve:
            bid = Bid(self.id.type, message.item, self.left)
            await self.send_message(bid, AgentId(self.auctioneer, ctx.topic_id.source))

    @event
    async def on_sold(self, message: Sold, ctx: MessageContext) -> None:
        self.left -= message.price


# %% 10.5 wrong: it takes its bid for what it paid
@type_subscription("offers")
class Saver(RoutedAgent):
    def __init__(self, budget: int, auctioneer: str) -> None:
        super().__init__("keeps its money together")
        self.left = budget
        self.auctioneer = auctioneer

    @event
    async def on_offer(self, message: Offer, ctx: MessageContext) -> None:
        if self.left >= message.reserve:
            bid, self.left = Bid(self.id.type, message.item, self.left), 0
            await self.send_message(bid, AgentId(self.auctioneer, ctx.topic_id.source))


# %% 10.5 solution
@type_subscription("offers")
@type_subscription("sold")
class Saver(RoutedAgent):
    def __init__(self, budget: int, auctioneer: str) -> None:
        super().__init__("keeps its money together")
        self.left = budget
        self.auctioneer = auctioneer

    @event
    async def on_offer(self, message: Offer, ctx: MessageContext) -> None:
        if self.left >= message.reserve:
            bid = Bid(self.id.type, message.item, self.left)
            await self.send_message(bid, AgentId(self.auctioneer, ctx.topic_id.source))

    @event
    async def on_sold(self, message: Sold, ctx: MessageContext) -> None:
        if message.winner == self.id.type:
            self.left -= message.price
