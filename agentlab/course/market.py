"""The messages of the market in ``10_capstone.ipynb``: the agents that take and send them are the student's.

An auction: somebody asks an auctioneer to sell an item; it publishes an offer; bidders send it sealed bids; the highest
bid wins, and pays what the second highest was. (W. Vickrey, "Counterspeculation, Auctions, and Competitive Sealed
Tenders", 1961: nobody gains by bidding less than the item is worth to them.)
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Sell:
    """Asks the auctioneer to sell an item, for no less than the reserve. Answered by `Sold`."""

    item: str
    reserve: int


@dataclass
class Offer:
    """Published to the topic type ``offers``: an auction is open."""

    item: str
    reserve: int


@dataclass
class Bid:
    """Sent to the auctioneer: a bidder's sealed bid. Answered by `Receipt`."""

    bidder: str
    item: str
    amount: int


@dataclass
class Receipt:
    """Whether the bid counts. It does not when no auction of the item is open, or it is below the reserve."""

    accepted: bool


@dataclass
class Sold:
    """Published to the topic type ``sold``, and the answer to `Sell`: an auction is over."""

    sale: str
    """A name for this one sale: an item may be sold again."""
    item: str
    winner: str
    """The bidder; empty when there was no bid that counts."""
    price: int


@dataclass
class Account:
    """Asks the ledger what a bidder has bought. Answered by `Statement`."""

    bidder: str


@dataclass
class Statement:
    """What a bidder has bought, in order, and for how much in all."""

    items: list[str] = field(default_factory=list)
    spent: int = 0
