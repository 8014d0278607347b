"""The exercises of ``06_reading_the_timeline.ipynb``: runs, causes, clocks and order."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Final

from ..core import journal as j
from ..core.journal import JournalEvent
from ..core.run import Run
from ..lab.lab import Lab
from .exercises import exercise
from .expecting import attempt, expect

OUTCOMES: Final = {"slow-1": "handled", "slow-2": "timed out", "slow-3": "worker lost"}


@exercise(
    "06.1",
    "What became of them",
    'timeline.plot(Run.open("runs/lost.jsonl")): look at how each of the three arrows from the notebook ends.',
    "The journal's events with what == 'failed' or 'lost' say why in their detail.",
    "A handler's bar does not say what the sender got: look on the host's lane for a deadline that was missed.",
)
async def what_became(outcomes: Any) -> str:
    expect(isinstance(outcomes, dict), "a dictionary with three outcomes", outcomes)
    known = set(OUTCOMES.values())
    for request, right in OUTCOMES.items():
        given = outcomes.get(request)
        expect(given in known, f"one of {', '.join(sorted(known))} for {request}", given)
        expect(given == right, f"what the run says about {request}", given, "Look again how its arrow ends.")
    return "One answered, one was too slow, one was killed: and every sender was told."


def history(causes: dict[str, str], responses: Sequence[str] = ()) -> Run:
    """A run in which messages were sent, each because of another one; some were answered."""
    events: list[JournalEvent] = []
    for kind, ids in ((j.REQUEST, list(causes)), (j.RESPONSE, list(responses))):
        for message_id in ids:
            cause = causes[message_id] if kind == j.REQUEST else message_id
            seq = len(events) + 1
            events.append(
                JournalEvent(seq, j.SENT, kind, message_id, cause, "", "a/b", "", "worker-1", "Note", 1, seq, seq)
            )
    return Run(tuple(events))


@exercise(
    "06.2",
    "The causal past",
    "Make a dictionary from message id to cause, of the sent events that are no responses.",
    "Begin with the message's own cause, and go on with the cause of that, until a cause is empty.",
    "while cause := causes.get(message_id, ''): ids.append(cause); message_id = cause",
    limit_s=5,
)
async def causal_past(past: Any) -> str:
    a, b, c, d, e = (f"{name}-{uuid.uuid4().hex[:4]}" for name in "abcde")
    causes = {a: "", b: a, c: b, d: a, e: c}
    for responses in ((), (c, b, a)):
        run = history(causes, responses)
        for message_id, right in ((e, [c, b, a]), (d, [a]), (a, [])):
            found = await attempt(past, run, message_id)
            told = f"a ← b ← c ← e, and a ← d: {right} as the past of {message_id}"
            expect(list(found or []) == right, told + (", with responses in the run" if responses else ""), found)
    return "From each message back to the first one."


Step = tuple[str, str, str]

CLOCKS: Final[list[tuple[list[Step], list[int]]]] = [
    ([("anna", "works", ""), ("anna", "works", ""), ("ben", "works", "")], [1, 2, 1]),
    ([("anna", "sends", "m1"), ("ben", "works", ""), ("ben", "receives", "m1")], [1, 1, 2]),
    (
        [
            *[("anna", "works", "")] * 4,
            *[("anna", "sends", "m1"), ("ben", "receives", "m1"), ("ben", "sends", "m2"), ("anna", "receives", "m2")],
        ],
        [1, 2, 3, 4, 5, 6, 7, 8],
    ),
    (
        [("anna", "sends", "m1"), *[("ben", "works", "")] * 5, ("ben", "receives", "m1"), ("carl", "works", "")],
        [1, 1, 2, 3, 4, 5, 6, 1],
    ),
]


@exercise(
    "06.3",
    "A Lamport clock",
    "Keep a dictionary with each process's clock, and one with the number that each message was sent with.",
    "When a process receives: clock = max(its clock, the message's number), and then + 1 as for every event.",
    "clocks[p] = max(clocks.get(p, 0), sent.get(message, 0) if what == 'receives' else 0) + 1",
    limit_s=5,
)
async def lamport_clock(lamport: Any) -> str:
    for steps, right in CLOCKS:
        numbers = await attempt(lamport, list(steps))
        story = ", ".join(f"{process} {what} {message}".strip() for process, what, message in steps)
        expect(isinstance(numbers, list | tuple), "a list of numbers", numbers)
        expect(list(numbers) == right, f"{right} for: {story}", numbers)
    return "A cause always has the smaller number."


@exercise(
    "06.4",
    "In order, each once",
    "Keep the notes in a dictionary by their number: then one that comes twice is there once.",
    "The complete part goes from number 1 to the first number that is missing.",
    "texts, n = [], 1; while n in self.notes: texts.append(self.notes[n]); n += 1",
    limit_s=10,
)
async def in_order(lab: Lab, Note: Any, Ask: Any) -> str:
    album = f"album/{uuid.uuid4().hex[:6]}"
    came: list[int] = []
    for number, right in ((3, 0), (1, 1), (4, 1), (3, 1), (2, 4), (1, 4), (6, 4), (5, 6)):
        came.append(number)
        await lab.send_message(Note(number, f"text {number}"), album, deadline_s=4)
        reply = await lab.send_message(Ask(), album, deadline_s=4)
        wanted = [f"text {n}" for n in range(1, right + 1)]
        expect(getattr(reply, "texts", None) == wanted, f"{wanted} when the notes {came} have come", reply)
    other = await lab.send_message(Ask(), f"{album}-other", deadline_s=4)
    expect(getattr(other, "texts", None) == [], "an empty album under another key", other)
    return "Whatever the order in which they come, the album is in order."
