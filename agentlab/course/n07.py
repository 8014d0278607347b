"""The exercises of ``07_when_things_break.ipynb``: payments that are lost, late, doubled or mixed."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from typing import Any

from ..core import journal as j
from ..core.exceptions import DeadlineExceededError, UndeliverableException
from ..lab.faults import OneFault
from ..lab.lab import Lab
from .exercises import exercise
from .expecting import Wrong, attempt, eventually, expect
from .n03 import now

DEADLINE_S = 0.4
"""As long as the exercises wait for a reply that was lost."""


def asked(lab: Lab, after: int, agent_type: str) -> int:
    """How many requests were sent to agents of a type since an event of the journal."""
    return sum(
        event.seq > after
        and event.kind == j.REQUEST
        and event.what == j.ARRIVED
        and event.recipient.startswith(f"{agent_type}/")
        for event in lab.journal
    )


async def euros(lab: Lab, message: Any, to: str) -> int:
    """What a bank answers."""
    reply = await lab.send_message(message, to, deadline_s=5)
    number = getattr(reply, "euros", None)
    expect(isinstance(number, int), "a Balance", reply)
    return int(number or 0)


@exercise(
    "07.1",
    "What was booked",
    "You did all four above, with ten euros each: look at what was in the bank before and after.",
    "Your error says that you got no answer. It says nothing about the bank.",
    "Only the first one never reaches the bank, and one reaches it twice.",
    limit_s=30,
)
async def what_was_booked(lab: Lab, answer: Any, Pay: Any) -> str:
    whole = isinstance(answer, list | tuple) and len(answer) == 4 and all(isinstance(n, int) for n in answer)
    expect(whole, "a list of four whole numbers", answer)
    faults = lab.faults
    broken: tuple[tuple[str, Callable[[], OneFault]], ...] = (
        ("dropped request", lambda: faults.drop(receiver="bank", kind=j.REQUEST)),
        ("dropped response", lambda: faults.drop(sender="bank", kind=j.RESPONSE)),
        ("duplicated request", lambda: faults.duplicate(receiver="bank", kind=j.REQUEST)),
        ("request that is held back", lambda: faults.delay(2 * DEADLINE_S, receiver="bank", kind=j.REQUEST)),
    )
    for guess, (name, fault) in zip(answer, broken, strict=True):
        before = await euros(lab, Pay(0), "bank")
        async with fault():
            with contextlib.suppress(UndeliverableException):
                await lab.send_message(Pay(1), "bank", deadline_s=DEADLINE_S)
            await lab.when_idle()
        booked = await euros(lab, Pay(0), "bank") - before
        if guess != booked:
            raise Wrong(f"what is really booked of a {name}", f"your {guess}", "It was tried again just now.")
    return "Tried again just now, and so it is. Three of the four look alike to you, the fourth like nothing at all."


@exercise(
    "07.2",
    "At least once",
    "A loop that returns as soon as there is a reply, and catches DeadlineExceededError when there is none.",
    "while True: try: return await lab.send_message(…), except DeadlineExceededError: …",
    "Count the attempts. In the except block: if this was the last one, raise; otherwise go on with the loop.",
    limit_s=20,
)
async def at_least_once(lab: Lab, insist: Any, Pay: Any) -> str:
    begin = now(lab)
    await attempt(insist, Pay(1), "bank")
    await lab.when_idle()
    count = asked(lab, begin, "bank")
    expect(count == 1, "that one request is enough when nothing is lost", f"{count} requests")
    async with lab.faults.drop(receiver="bank", kind=j.REQUEST, count=2):
        reply = await attempt(insist, Pay(1), "bank", 4, expected="a reply, although two requests were lost")
        expect(hasattr(reply, "euros"), "that it returns the Balance", reply)
    async with lab.faults.drop(receiver="bank", kind=j.REQUEST):
        begin = now(lab)
        try:
            got = await insist(Pay(1), "bank", 3)
        except DeadlineExceededError:
            pass
        except Exception as error:
            raise Wrong("DeadlineExceededError when every attempt is lost", error) from error
        else:
            raise Wrong("DeadlineExceededError when every attempt is lost", got)
        count = asked(lab, begin, "bank")
        expect(count == 3, "three attempts with attempts=3", f"{count} requests")
    return "It asks again when it must, and gives up when it has asked often enough."


@exercise(
    "07.3",
    "An idempotent receiver",
    "The bank must remember something about each payment. What does it need, to answer again what it answered before?",
    "A dictionary: self.answers = {}, from the payment's id to the Balance that was its answer.",
    "if message.id not in self.answers: book it, and self.answers[message.id] = Balance(self.euros). "
    "Then: return self.answers[message.id]",
)
async def idempotent(lab: Lab, Payment: Any) -> str:
    first, second, third, last = (uuid.uuid4().hex for _ in range(4))
    start = await euros(lab, Payment(10, first), "careful") - 10
    again = await euros(lab, Payment(10, first), "careful")
    expect(again == start + 10, f"Balance({start + 10}) for an id that comes again", f"Balance({again})")
    other = await euros(lab, Payment(10, second), "careful")
    expect(other == start + 20, "that another id is booked, though it is as much", f"Balance({other})")
    again = await euros(lab, Payment(10, first), "careful")
    expect(again == start + 10, f"the answer of the first time, Balance({start + 10})", f"Balance({again})")
    async with lab.faults.duplicate(2, receiver="careful", kind=j.REQUEST):
        await euros(lab, Payment(1, third), "careful")
        await lab.when_idle()
    total = await euros(lab, Payment(0, last), "careful")
    expect(total == start + 21, "that a payment which the network delivers three times is booked once", f"{total}")
    return "Once, twice, or three times: it makes no difference to this bank."


@exercise(
    "07.4",
    "Exactly one effect",
    "Your insist from 07.2 sends a message again. Is it the same message each time?",
    "Make the Payment once, with one new id, before the first attempt.",
    "payment = Payment(amount, uuid.uuid4().hex), then: return await insist(payment, 'careful', 5)",
    limit_s=25,
)
async def exactly_one_effect(lab: Lab, pay_once: Any, Payment: Any) -> str:
    before = await euros(lab, Payment(0, uuid.uuid4().hex), "careful")
    sure = "the answer, although the first attempts get none"
    async with (
        lab.faults.drop(receiver="careful", kind=j.REQUEST, count=1),
        lab.faults.drop(sender="careful", kind=j.RESPONSE, count=2),
    ):
        reply = await attempt(pay_once, 5, expected=sure)
        expect(hasattr(reply, "euros"), "that it returns the Balance", reply)
    await asyncio.gather(*(attempt(pay_once, 5) for _ in range(2)))
    booked = await euros(lab, Payment(0, uuid.uuid4().hex), "careful") - before
    expect(booked == 15, "15 euros for three payments of 5", f"{booked} euros")
    return "One request and two responses were lost, and each payment was booked once."


@exercise(
    "07.5",
    "Order, restored",
    "Keep two things: the numbers that are written, and those that came too early.",
    "After each number, look: is the one after the last written among the early ones? Then write it, and look again.",
    "self.early.add(message.n), then: while len(self.numbers) + 1 in self.early: "
    "self.numbers.append(len(self.numbers) + 1). A number that is written already changes nothing.",
    limit_s=25,
)
async def restored(lab: Lab, Number: Any, Read: Any) -> str:
    def new_diary() -> str:
        return uuid.uuid4().hex[:8]

    async def page(diary: str) -> list[int]:
        reply = await lab.send_message(Read(), f"orderly/{diary}", deadline_s=5)
        return list(reply.numbers)

    diary = new_diary()
    for number, expected in ((3, []), (2, []), (1, [1, 2, 3]), (2, [1, 2, 3]), (4, [1, 2, 3, 4])):
        await lab.publish_message(Number(number), f"shuffled/{diary}")
        await lab.when_idle()
        written = await eventually(lambda: page(diary), limit_s=0.5 if not expected else 5.0)
        expect(written == expected, f"{expected} when {number} has come", written)
    diary = new_diary()
    async with (
        lab.faults.duplicate(kind=j.EVENT, probability=0.5, seed=3),
        lab.faults.reorder(kind=j.EVENT, probability=0.5, hold_s=0.3, seed=3),
    ):
        for number in range(1, 11):
            await lab.publish_message(Number(number), f"shuffled/{diary}")
        await lab.when_idle()
    written = await page(diary)
    expect(written == list(range(1, 11)), "1 to 10, through a network that doubles and mixes", written)
    return "Doubled and mixed on the way, and in order in the diary."
