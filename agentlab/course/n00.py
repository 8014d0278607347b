"""The exercises of ``00_tour.ipynb``: change a line, kill a process, publish something."""

from __future__ import annotations

from typing import Any

from ..core import journal as j
from ..exports.copies import message_copies
from ..gallery.debate import Verdict
from ..lab.lab import Lab
from .exercises import exercise
from .expecting import expect


@exercise(
    "00.1",
    "Three rounds",
    "Motion has a field rounds. It is 1 in the cell.",
    'Motion("Is three times better than once?", rounds=3), and run the cell again.',
)
async def three_rounds(lab: Lab, verdict: Any) -> str:
    expect(isinstance(verdict, Verdict), "a Verdict from the judge", verdict)
    sent = [e for e in lab.journal if e.what == j.SENT and e.kind == j.REQUEST]
    motions = [e for e in sent if e.type == "Motion"]
    expect(motions, "that you sent the judge a Motion", "none in the journal")
    turns = sum(e.type == "Turn" and e.cause == motions[-1].message_id for e in sent)
    expect(turns == 6, "that your last Motion led to six Turns: two players, three rounds", f"{turns} Turns")
    return f"The judge asked six times, and says: {verdict.winner}."


@exercise(
    "00.2",
    "Down and up",
    "In the dashboard each process has a row with buttons. Scroll up to it.",
    'await lab.kill("worker-1")',
    'And then: await lab.restart("worker-1")',
)
async def down_and_up(lab: Lab) -> str:
    done = [e.what for e in lab.journal if e.kind == j.PROCESS and e.process == "worker-1"]
    expect(j.KILLED in done, "that worker-1 was killed", f"what the journal says of it: {', '.join(done)}")
    after = done[done.index(j.KILLED) :]
    expect(j.JOINED in after, "that worker-1 joined again after that", f"after it was killed: {', '.join(after)}")
    return "It was killed and came back, and it has its agents again."


@exercise(
    "00.3",
    "Say it to all",
    "You did it above, under 'A published message'.",
    'The topic is "verdict"; the message is a Verdict(question, winner, score).',
    'await lab.publish_message(Verdict(my_question, "against", {"for": 0, "against": 1}), "verdict")',
)
async def say_it_to_all(lab: Lab, my_question: Any) -> str:
    expect(isinstance(my_question, str) and my_question, "a question, as text", my_question)
    await lab.when_idle(10)
    copies = [c for c in message_copies(lab.journal) if c.kind == j.EVENT and c.from_process == "notebook"]
    own = list(dict.fromkeys(c.message_id for c in copies))
    expect(len(own) >= 2, "a second message that you published, beside the one about lunch", f"{len(own)} so far")
    heard = {c.recipient.partition("/")[0]: c.outcome for c in copies if c.message_id == own[-1]}
    seen = ", ".join(f"{who or 'nobody'}: {outcome}" for who, outcome in heard.items())
    both = {"player-a": j.HANDLED, "player-b": j.HANDLED}
    expect(heard == both, "that both players handled the last message that you published", seen)
    return "Both players heard it, and you named neither of them."
