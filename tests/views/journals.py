"""Plausible journals for the tests of the views: short stories told with a clock of their own.

A `Story` writes the events that host and workers would write; the functions below tell whole stories.
"""

from __future__ import annotations

import random
from dataclasses import replace

from agentlab.core import journal as j
from agentlab.core.journal import JournalEvent

START_NS = 1_760_000_000_000_000_000
US = 1_000
MS = 1_000_000


class Story:
    """A story collects journal events, and knows which process each agent lives in."""

    def __init__(self, homes: dict[str, str] | None = None, *, foreign: frozenset[str] = frozenset(), seed: int = 1):
        self.homes = {"": "notebook"} | (homes or {})
        self.foreign = foreign
        self.events: list[JournalEvent] = []
        self.now = START_NS
        self.random = random.Random(seed)
        self._ids = 0

    def new_id(self) -> str:
        self._ids += 1
        return f"m{self._ids}"

    def hop_ns(self) -> int:
        return self.random.randint(120, 420) * US

    def log(self, what: str, process: str, at: int | None = None, **fields: str) -> None:
        """Write one event; a foreign worker writes none."""
        if process in self.foreign and fields.get("kind", j.PROCESS) != j.PROCESS:
            return
        blank = JournalEvent(0, what, j.PROCESS, "", "", "", "", "", process, "", 0, 0, 0)
        event = replace(
            blank,
            **fields,
            seq=len(self.events) + 1,
            size=64 if fields.get("message_id") else 0,
            time_ns=self.now if at is None else at,
            lamport=len(self.events) + 1,
        )
        self.events.append(event)

    def join(self, *processes: str) -> None:
        for process in processes:
            self.log(j.JOINED, process)
            self.now += 300 * US

    def send(
        self,
        kind: str,
        message_id: str,
        sender: str,
        recipient: str,
        type: str,
        cause: str = "",
        at: int | None = None,
    ) -> int:
        """A direct message travels by way of the host; returns when it was received."""
        fields = {
            "kind": kind,
            "message_id": message_id,
            "sender": sender,
            "recipient": recipient,
            "type": type,
            "cause": cause,
        }
        source, target = self.homes[sender], self.homes[recipient]
        at = self.now if at is None else at
        self.log(j.SENT, source, at, **fields)
        at += self.hop_ns()
        self.log(j.ARRIVED, j.HOST, at, detail=source, **fields)
        at += 30 * US
        self.log(j.LEFT, j.HOST, at, detail=target, **fields)
        at += self.hop_ns()
        self.log(j.RECEIVED, target, at, **fields)
        return at

    def call(
        self,
        sender: str,
        recipient: str,
        type: str,
        work_ns: int = 2 * MS,
        *,
        reply: str = "Reply",
        error: str = "",
        nested: tuple[tuple[str, str, str], ...] = (),
        cause: str = "",
        at: int | None = None,
    ) -> int:
        """A request, its handler (with calls of its own), and the response; returns when that was received."""
        message_id = self.new_id()
        at = self.send(j.REQUEST, message_id, sender, recipient, type, cause, at)
        fields = {
            "kind": j.REQUEST,
            "message_id": message_id,
            "sender": sender,
            "recipient": recipient,
            "type": type,
            "cause": cause,
        }
        at += 40 * US
        self.log(j.STARTED, self.homes[recipient], at, **fields)
        at += work_ns // 2
        for inner_sender, inner_recipient, inner_type in nested:
            at = self.call(inner_sender, inner_recipient, inner_type, work_ns // 3, cause=message_id, at=at)
        at += work_ns // 2
        self.log(j.FAILED if error else j.HANDLED, self.homes[recipient], at, detail=error, **fields)
        at = self.send(j.RESPONSE, message_id, recipient, sender, "Error" if error else reply, at=at + 20 * US)
        self.now = max(self.now, at)
        return at

    def publish(self, sender: str, topic: str, recipients: tuple[str, ...], type: str, work_ns: int = MS) -> str:
        """A published message goes to the host once, and from there to each recipient."""
        message_id = self.new_id()
        fields = {"kind": j.EVENT, "message_id": message_id, "sender": sender, "topic": topic, "type": type}
        source = self.homes[sender]
        self.log(j.SENT, source, **fields)
        arrived = self.now + self.hop_ns()
        self.log(j.ARRIVED, j.HOST, arrived, detail=source, **fields)
        for number, recipient in enumerate(recipients, 1):
            target = self.homes[recipient]
            left = arrived + number * 25 * US
            self.log(j.LEFT, j.HOST, left, recipient=recipient, detail=target, **fields)
            received = left + self.hop_ns()
            self.log(j.RECEIVED, target, received, recipient=recipient, **fields)
            self.log(j.STARTED, target, received + 30 * US, recipient=recipient, **fields)
            ended = received + work_ns + self.random.randint(0, work_ns)
            self.log(j.HANDLED, target, ended, recipient=recipient, **fields)
            self.now = max(self.now, ended)
        return message_id


def debate() -> list[JournalEvent]:
    """A moderator asks two debaters in turn, and the notebook hears the verdict."""
    story = Story({"moderator/m": "moderator", "pro/p": "pro", "contra/c": "contra"})
    story.join("notebook", "moderator", "pro", "contra")
    rounds = (("moderator/m", "pro/p", "Question"), ("moderator/m", "contra/c", "Question"))
    story.call("", "moderator/m", "Motion", 3 * MS, nested=rounds, reply="Verdict")
    return story.events


def nested_calls() -> list[JournalEvent]:
    """Three agents in two processes call each other while they handle a call; one of them fails."""
    story = Story({"planner/1": "alpha", "coder/1": "beta", "tester/1": "alpha"})
    story.join("notebook", "alpha", "beta")
    message = story.new_id()
    fields = {
        "kind": j.REQUEST,
        "message_id": message,
        "sender": "",
        "recipient": "planner/1",
        "type": "Plan",
    }
    at = story.send(j.REQUEST, message, "", "planner/1", "Plan")
    story.log(j.STARTED, "alpha", at, **fields)
    at = story.call("planner/1", "coder/1", "Code", 2 * MS, nested=(("coder/1", "tester/1", "Test"),), at=at + MS)
    at = story.call("planner/1", "tester/1", "Check", MS, error="AssertionError: 2 is not 3", at=at + MS)
    story.log(j.HANDLED, "alpha", at + MS, **fields)
    story.now = at + MS
    story.send(j.RESPONSE, message, "planner/1", "", "Plan")
    return story.events


def fan_out() -> list[JournalEvent]:
    """The notebook publishes two news items to three readers."""
    story = Story({"reader/a": "ada", "reader/b": "bob", "reader/c": "cy"})
    story.join("notebook", "ada", "bob", "cy")
    for type in ("News", "Correction"):
        story.publish("", "news/default", ("reader/a", "reader/b", "reader/c"), type)
    return story.events


def killed_worker() -> list[JournalEvent]:
    """A worker is killed at work: what it had and what was on its way to it is lost; one copy is dropped."""
    story = Story({"counter/1": "fragile", "logger/1": "steady"})
    story.join("notebook", "fragile", "steady")
    story.call("", "counter/1", "Count")
    at_work = story.new_id()
    fields = {
        "kind": j.REQUEST,
        "message_id": at_work,
        "sender": "",
        "recipient": "counter/1",
        "type": "Count",
    }
    at = story.send(j.REQUEST, at_work, "", "counter/1", "Count")
    story.log(j.STARTED, "fragile", at + 40 * US, **fields)
    story.log(j.PAUSED, "steady", at + MS)
    story.log(j.KILLED, "fragile", at + 2 * MS)
    on_its_way = story.new_id()
    late = fields | {"message_id": on_its_way}
    story.log(j.SENT, "notebook", at + int(1.6 * MS), **late)
    story.log(j.ARRIVED, j.HOST, at + int(1.9 * MS), detail="notebook", **late)
    story.log(j.LEFT, j.HOST, at + int(1.95 * MS), detail="fragile", **late)
    gone = at + int(2.6 * MS)
    story.log(j.GONE, "fragile", gone, detail="stream ended")
    for lost in (fields, late):
        story.log(j.LOST, j.HOST, gone, **lost | {"detail": "worker fragile was lost"})
    for number, message in enumerate((at_work, on_its_way)):
        error = {
            "kind": j.RESPONSE,
            "message_id": message,
            "sender": "counter/1",
            "recipient": "",
            "type": "WorkerLostError",
        }
        story.log(j.LEFT, j.HOST, gone + (number + 1) * 60 * US, detail="notebook", **error)
        story.log(j.RECEIVED, "notebook", gone + 300 * US + number * 90 * US, **error)
    story.log(j.RESUMED, "steady", gone + MS)
    story.now = gone + int(1.5 * MS)
    news = story.publish("", "log/x", ("logger/1",), "Note")
    story.log(
        j.DROPPED,
        j.HOST,
        story.now - MS,
        kind=j.EVENT,
        message_id=news,
        sender="",
        recipient="counter/1",
        topic="log/x",
        type="Note",
        detail="queue full",
    )
    story.log(j.SENT, "notebook", kind=j.REQUEST, message_id="m99", sender="", recipient="logger/1", type="Ping")
    story.log(
        j.ARRIVED,
        j.HOST,
        story.now + 2 * MS,
        kind=j.REQUEST,
        message_id="m99",
        sender="",
        recipient="logger/1",
        type="Ping",
        detail="notebook",
    )
    story.log(
        j.LEFT,
        j.HOST,
        story.now + 2 * MS,
        kind=j.REQUEST,
        message_id="m99",
        sender="",
        recipient="logger/1",
        type="Ping",
        detail="steady",
    )
    story.log(j.PAUSED, "steady", story.now + 4 * MS)
    return story.events


def moved_agents() -> list[JournalEvent]:
    """One worker leaves in order, and another takes over its two agents; that one is about to leave too, and stays."""
    story = Story({"counter/a": "leaver", "counter/b": "leaver"})
    story.join("notebook", "leaver", "steady")
    for agent in ("counter/a", "counter/b"):
        story.call("", agent, "Count")
    story.log(j.LEAVING, "leaver", story.now + MS)
    for number, agent in enumerate(("counter/a", "counter/b"), 1):
        story.log(j.MOVED, "leaver", story.now + (1 + 2 * number) * MS, detail=f"{agent} → steady", type="counter")
        story.homes[agent] = "steady"
    story.log(j.GONE, "leaver", story.now + 7 * MS, detail="stopped")
    story.now += 8 * MS
    for agent in ("counter/a", "counter/b"):
        story.call("", agent, "Count")
    story.log(j.LEAVING, "steady", story.now + MS)
    story.log(j.STAYING, "steady", story.now + 3 * MS)
    story.now += 4 * MS
    story.call("", "counter/a", "Count")
    return story.events


def many(messages: int, workers: int = 4, seed: int = 7) -> list[JournalEvent]:
    """Random calls and publications among some workers."""
    agents = {f"agent/{n}": f"worker-{n}" for n in range(1, workers + 1)}
    story = Story(agents, seed=seed)
    story.join("notebook", *agents.values())
    for _ in range(messages):
        at = story.now
        sender, recipient = story.random.sample(list(agents), 2)
        if story.random.random() < 0.25:
            story.publish(sender, "news/default", (recipient,), "Note", 400 * US)
        else:
            error = "ValueError: no" if story.random.random() < 0.1 else ""
            story.call(story.random.choice([sender, ""]), recipient, "Task", 500 * US, error=error)
        story.now = at + story.random.randint(100, 1500) * US
    return story.events


def standalone() -> list[JournalEvent]:
    """Agents in the standalone runtime: one process and no host."""
    story = Story({"": "standalone", "editor/e": "standalone", "writer/w": "standalone", "critic/c": "standalone"})

    def deliver(kind: str, message: str, sender: str, recipient: str, type: str, topic: str = "") -> dict[str, str]:
        fields = {
            "kind": kind,
            "message_id": message,
            "sender": sender,
            "recipient": recipient,
            "type": type,
            "topic": topic,
        }
        if not topic:
            story.log(j.SENT, "standalone", **fields)
        story.now += story.random.randint(15, 40) * US
        story.log(j.RECEIVED, "standalone", **fields)
        return fields

    def run(fields: dict[str, str], work_ns: int, what: str = j.HANDLED, detail: str = "") -> None:
        story.log(j.STARTED, "standalone", **fields)
        story.now += work_ns
        story.log(what, "standalone", detail=detail, **fields)

    outer = deliver(j.REQUEST, "m1", "", "editor/e", "Assignment")
    story.log(j.STARTED, "standalone", **outer)
    story.now += 60 * US
    for message, agent, type in (("m2", "writer/w", "Draft"), ("m3", "critic/c", "Review")):
        inner = deliver(j.REQUEST, message, "editor/e", agent, type)
        run(inner, 120 * US)
        deliver(j.RESPONSE, message, agent, "editor/e", type + "Done")
        story.now += 30 * US
    story.log(j.HANDLED, "standalone", **outer)
    deliver(j.RESPONSE, "m1", "editor/e", "", "Article")
    story.now += 50 * US
    story.log(
        j.SENT,
        "standalone",
        kind=j.EVENT,
        message_id="m4",
        sender="editor/e",
        topic="news/x",
        type="Published",
    )
    for agent in ("writer/w", "critic/c"):
        run(deliver(j.EVENT, "m4", "editor/e", agent, "Published", "news/x"), 80 * US)
    story.log(j.SENT, "standalone", kind=j.EVENT, message_id="m5", sender="writer/w", topic="void/x", type="Nobody")
    return story.events


def foreign_worker() -> list[JournalEvent]:
    """A worker of another make, which reports nothing: only the host's side is known."""
    story = Story({"echo/1": "autogen", "listener/1": "notebook"}, foreign=frozenset({"autogen"}))
    story.join("notebook", "autogen")
    story.call("", "echo/1", "Hello")
    story.publish("echo/1", "news/x", ("listener/1",), "Echoed")
    return story.events
