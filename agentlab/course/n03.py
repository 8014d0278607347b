"""The exercises of ``03_direct_messages.ipynb``: a librarian who asks an archive."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from ..core import journal as j
from ..core.cancellation import CancellationToken
from ..exports.copies import MessageCopy, message_copies
from ..lab.lab import Lab
from .exercises import exercise
from .expecting import Wrong, attempt, eventually, expect

MISSING = "A Book That Nobody Wrote"


def lookups(lab: Lab, after: int) -> list[MessageCopy]:
    """The requests to the archive that were sent after an event of the journal."""
    copies = message_copies(event for event in lab.journal if event.seq > after)
    return [copy for copy in copies if copy.kind == j.REQUEST and copy.recipient.startswith("archive/")]


def now(lab: Lab) -> int:
    """The number of the journal's newest event."""
    return max((event.seq for event in lab.journal), default=0)


@exercise(
    "03.1",
    "Four messages",
    "Look at the timeline of Question('Ulysses'): which arrow reaches the host's lane first, second, third, fourth?",
    "Two of them are requests and two are responses. The inner response comes back before the outer one can.",
    "The librarian cannot send its Answer before it has the Shelf.",
)
async def four_messages(lab: Lab, answer: Any) -> str:
    expect(isinstance(answer, list | tuple) and len(answer) == 4, "a list of four message types", answer)
    names = [name if isinstance(name, str) else getattr(name, "__name__", name) for name in answer]
    right = ["Question", "Lookup", "Shelf", "Answer"]
    if set(names) != set(right):
        raise Wrong("the four types that this notebook defined, each once", names)
    agreeing = sum(mine == theirs for mine, theirs in zip(names, right, strict=True))
    expect(names == right, "the order in which they arrive", f"{names}: {agreeing} of them in their places")
    return "The outer question is asked first and answered last."


@exercise(
    "03.2",
    "Patience",
    "send_message takes deadline_s=…, in seconds.",
    "At the deadline send_message raises DeadlineExceededError: catch it where you call.",
    "try: shelf = await lab.send_message(…, deadline_s=0.5), and except DeadlineExceededError: return 'too slow'.",
    limit_s=6,
)
async def patience(lab: Lab, quick: Any) -> str:
    number = await attempt(quick, "Emma", 0.0)
    expect(number == 12, "12 for quick('Emma', 0)", number)
    began = time.monotonic()
    slow = await attempt(quick, "Emma", 3.0, expected="'too slow' for quick('Emma', 3)")
    took_s = time.monotonic() - began
    expect(slow == "too slow", "'too slow' for quick('Emma', 3)", slow)
    expect(took_s < 2.0, "an answer after half a second", f"{slow!r}, after {took_s:.1f} s")
    return f"The shelf when it is quick, and 'too slow' after {took_s:.1f} s when it is not."


@exercise(
    "03.3",
    "A polite librarian",
    "What does self.send_message raise when the archive fails? You saw it twice above.",
    "Catch RemoteHandlerError around the question to the archive, and nothing else.",
    "In the except block: return Answer(f'we do not have {message.title}').",
    limit_s=10,
)
async def polite(lab: Lab, Question: Any) -> str:
    begin = now(lab)
    reply = await lab.send_message(Question("Emma"), "librarian", deadline_s=5)
    expect("12" in getattr(reply, "text", ""), "an Answer with Emma's shelf, 12", reply)
    for title in ("Moby Dick", MISSING):
        reply = await lab.send_message(Question(title), "librarian", deadline_s=5)
        expected = f"Answer('we do not have {title}')"
        expect(getattr(reply, "text", None) == f"we do not have {title}", expected, reply)
    asked = await eventually(lambda: [copy for copy in lookups(lab, begin) if copy.outcome == j.FAILED])
    expect(len(asked) >= 2, "that the archive was asked for every book", f"{len(asked)} lookups that failed")
    return "The archive failed, the librarian did not."


@exercise(
    "03.4",
    "Passing it on",
    "Which token does the librarian have? Which argument of send_message takes one?",
    "self.send_message(…, cancellation_token=…) cancels the request when the token is cancelled.",
    "The token of the question that is being handled is ctx.cancellation_token.",
    limit_s=12,
)
async def passing_it_on(lab: Lab, Question: Any) -> str:
    reply = await lab.send_message(Question("Emma"), "librarian", deadline_s=5)
    expect("12" in getattr(reply, "text", ""), "that the librarian still answers questions: shelf 12", reply)
    begin, token = now(lab), CancellationToken()
    asking = asyncio.ensure_future(
        lab.send_message(Question("Emma", seconds=8.0), "librarian", cancellation_token=token)
    )
    asked = await eventually(lambda: [copy for copy in lookups(lab, begin) if j.STARTED in copy.steps])
    token.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    expect(asked, "that the librarian asks the archive", "no lookup within 5 seconds")
    expected = "that the lookup was cancelled"
    ended = await eventually(lambda: [c for c in lookups(lab, begin) if c.handled_until], limit_s=3)
    expect(ended, expected, "the archive still looks for the book, 3 seconds after you gave up")
    return f"You gave up, and the archive ended with: {ended[0].handled_until.detail or ended[0].outcome}."


@exercise(
    "03.5",
    "All at once",
    "One await after the other asks one after the other. asyncio.gather waits for many at once.",
    "await asyncio.gather(*(self.send_message(Lookup(…), AgentId('archive', 'default')) for title in message.titles))",
    "gather gives the replies in the order of the calls: Shelves([shelf.number for shelf in shelves]).",
    limit_s=12,
)
async def at_once(lab: Lab, BookList: Any) -> str:
    titles = ["Ulysses", "Emma", "Emma", "Ulysses", "Ulysses"]
    begin = now(lab)
    reply = await lab.send_message(BookList(titles, 0.5), "shopper", deadline_s=8)
    numbers = getattr(reply, "numbers", None)
    expect(numbers == [7, 12, 12, 7, 7], f"Shelves([7, 12, 12, 7, 7]) for {titles}", reply)
    asked = await eventually(lambda: [c for c in lookups(lab, begin) if c.handled_until])
    expect(len(asked) == 5, "five lookups in the archive", f"{len(asked)}")
    starts = [copy.steps[j.STARTED].time_ns for copy in asked]
    ends = [copy.handled_until.time_ns for copy in asked if copy.handled_until]
    together = sum(start < min(ends) for start in starts)
    expect(together == 5, "that all five lookups began before the first one ended", f"{together} of them did")
    return "Five lookups ran at the same time, in one agent: its handlers take turns at their awaits."
