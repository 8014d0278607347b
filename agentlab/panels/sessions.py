"""The sessions panel: the direct messages that wait for a reply, and a button to give one up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import ipywidgets as w

from ..wire.watching import SessionInfo
from .markup import duration, span, table
from .panel import Panel, close_all
from .reading import LabFacts

COLUMNS: Final = ("message", "from", "to", "on", "waits for", "deadline in")
MOST: Final = 20
"""So many sessions get a line and a button; the others are counted."""


def row(session: SessionInfo) -> tuple[str, ...]:
    """A session's texts, in the order of `COLUMNS`."""
    return (
        session.type,
        f"{session.sender} ({session.sender_worker})" if session.sender else session.sender_worker,
        session.target,
        session.target_worker,
        duration(session.age_s),
        "none" if session.remaining_s is None else duration(session.remaining_s),
    )


def ordered(sessions: Sequence[SessionInfo]) -> list[SessionInfo]:
    """Those that wait longest first: they are what one looks for."""
    return sorted(sessions, key=lambda session: -session.age_s)


def heading(facts: LabFacts) -> str:
    """What is said above the sessions."""
    if facts.snapshot is None or not facts.running:
        return facts.problem
    number = len(facts.snapshot.sessions)
    if not number:
        return "No direct message waits for its reply."
    said = f"{number} direct message{'s wait' if number > 1 else ' waits'} for a reply."
    return said + (f" The {MOST} oldest are shown." if number > MOST else "")


class SessionsPanel(Panel):
    """The sessions panel: open direct messages with age and deadline, each with a button to give it up.

    What the notebook sent then ends as if its own token had been cancelled; another sender gets RequestCancelledError.
    """

    title = "Sessions"

    def build(self) -> Sequence[Any]:
        self.head = w.HTML()
        self.rows = w.VBox([], layout=w.Layout(overflow="visible"))
        self._boxes: dict[str, tuple[Any, Any, Any]] = {}
        self._sessions: dict[str, SessionInfo] = {}
        return [self.head, self.rows]

    def show(self, facts: LabFacts) -> None:
        self.head.value = span(heading(facts), "quiet" if facts.snapshot or not facts.running else "bad")
        listed = ordered(facts.snapshot.sessions)[:MOST] if facts.snapshot else []
        self._sessions = {session.id: session for session in listed}
        gone = [self._boxes.pop(id) for id in list(self._boxes) if id not in self._sessions]
        new = [session for session in listed if session.id not in self._boxes]
        for session in new:
            self._boxes[session.id] = self._make(session)
        for session in listed:
            _, text, button = self._boxes[session.id]
            text.value = table((), zip(COLUMNS, row(session), strict=True))
            button.disabled = not facts.running
        if new or gone:
            self.rows.children = [self._boxes[session.id][0] for session in listed]
        for box, _, _ in gone:
            close_all(box)

    def _make(self, session: SessionInfo) -> tuple[Any, Any, Any]:
        text = w.HTML(layout=w.Layout(flex="1 1 auto", min_width="0"))
        button = w.Button(description="Cancel", tooltip="Give this message up", layout=w.Layout(width="80px"))
        button.on_click(lambda _: self.cancel(session.id))
        box = w.HBox([text, button], layout=w.Layout(align_items="center"))
        box.add_class("agentlab-row")
        return box, text, button

    def cancel_button(self, session_id: str) -> Any:
        """The button of one session. Raises KeyError."""
        return self._boxes[session_id][2]

    def cancel(self, session_id: str) -> None:
        """Give up one direct message."""
        session = self._sessions.get(session_id)
        if session is None:
            self.say("That message has ended already.")
            return
        named = f"{session.type} to {session.target}"
        token = self.lab.waiting.get(session.message_id)
        if token is not None:
            token.cancel()
            self.say(f"{named} was cancelled.", "good")
            return

        async def work() -> str:
            if not await self.lab.cancel_session(session_id):
                return f"{named} had ended already."
            return f"{named} was cancelled: {session.sender or session.sender_worker} gets RequestCancelledError."

        self.do(f"Cancel {named}", work, key=session_id)

    def still(self) -> tuple[str, str]:
        facts = self.facts
        rows = [row(session) for session in ordered(facts.snapshot.sessions)] if facts.snapshot else []
        text = "\n".join([heading(facts), *("  ".join(line) for line in rows)])
        return text, f"<p>{span(heading(facts))}</p>" + (table(COLUMNS, rows) if rows else "")
