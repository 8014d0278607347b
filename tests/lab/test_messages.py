"""Messages from a notebook to agents in real processes, and what can be seen of them afterwards."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from until import until

from agentlab import (
    AgentId,
    AgentNotFoundError,
    CancellationToken,
    DeadlineExceededError,
    Lab,
    PayloadTooLargeError,
    RemoteHandlerError,
    TopicId,
)
from agentlab.core import journal as j
from agentlab.core.run import Run

from .cast import Echo, Said, Say, Sleep
from .cells import Notebook


@pytest.fixture
async def echo(lab: Lab) -> str:
    """The type of an agent on `worker-1`."""
    if "echo" not in str(lab.directory()):
        await lab.register("worker-1", "echo", Echo)
    return "echo"


def of(run: Run, message_type: str, kind: str) -> dict[str, list[str]]:
    """What happened to the messages of a type, in order, by message id."""
    lives: dict[str, list[str]] = {}
    for event in run:
        if (event.type, event.kind) == (message_type, kind):
            lives.setdefault(event.message_id, []).append(event.what)
    return lives


async def test_a_direct_message_brings_a_reply(lab: Lab, echo: str) -> None:
    said = await lab.send_message(Say("hi"), echo)
    assert isinstance(said, Said)
    assert (said.text, said.pid) == ("echo hi", lab["worker-1"].pid)


async def test_recipients_can_be_text_or_ids(lab: Lab, echo: str) -> None:
    first = await lab.send_message(Say("hi"), "echo/anna")
    second = await lab.send_message(Say("hi"), AgentId("echo", "anna"))
    assert (first.heard, second.heard) == (1, 2)
    with pytest.raises(ValueError, match="Invalid agent"):
        await lab.send_message(Say("hi"), "no such/agent")


async def test_a_recipient_or_topic_of_another_kind_is_refused(lab: Lab, echo: str) -> None:
    for wrong in (Echo, Say("swapped"), 5):
        with pytest.raises(TypeError, match="A message is sent to an AgentId, and not to"):
            await lab.send_message(Say("hi"), wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="A message is published to a TopicId, and not to"):
            await lab.publish_message(Say("hi"), wrong)  # type: ignore[arg-type]


async def test_topics_can_be_text_or_ids_and_the_default_one(lab: Lab, echo: str) -> None:
    await lab.publish_message(Say("to the default topic"))
    await lab.publish_message(Say("to a text topic"), "default/room-1")
    await lab.publish_message(Say("to a topic id"), TopicId("default", "room-2"))
    await until(lambda: "echo/room-2 heard to a topic id" in lab.logs("worker-1"))
    assert lab.logs("worker-1").lines("topic")[-3:] == [
        "echo/default heard to the default topic",
        "echo/room-1 heard to a text topic",
        "echo/room-2 heard to a topic id",
    ]


async def test_an_unknown_type_is_an_error_that_offers_the_closest(lab: Lab, echo: str) -> None:
    with pytest.raises(AgentNotFoundError, match="Did you mean 'echo'"):
        await lab.send_message(Say("hi"), "ecco")


async def test_what_is_no_message_is_refused(lab: Lab, echo: str) -> None:
    for no_message in ("text", 42, {"a": 1}, None):
        with pytest.raises(ValueError, match="cannot be a message"):
            await lab.send_message(no_message, echo)
        with pytest.raises(ValueError, match="cannot be a message"):
            await lab.publish_message(no_message)
    with pytest.raises(ValueError, match=r"Say is a class, and a message is an object of one: write Say\(…\)"):
        await lab.send_message(Say, echo)


async def test_a_message_too_large_is_refused_and_harms_nothing(lab: Lab, echo: str) -> None:
    with pytest.raises(PayloadTooLargeError):
        await lab.send_message(Say("x" * 5 * 1024 * 1024), echo)
    assert (await lab.send_message(Say("small"), echo)).text == "echo small"


async def test_a_handlers_exception_comes_without_our_own_frames(lab: Lab, echo: str) -> None:
    with pytest.raises(RemoteHandlerError, match="ValueError: asked to fail") as caught:
        await lab.send_message(Say("fail"), echo)
    assert 'raise ValueError("asked to fail")' in str(caught.value)
    assert len(caught.traceback) <= 3  # this line, and where the lab raised it: not the way through loops and gRPC


async def test_a_deadline_ends_a_message_and_cancels_its_handler(lab: Lab, echo: str) -> None:
    began = time.monotonic()
    with pytest.raises(DeadlineExceededError, match=r"echo/late did not answer within 0\.2 s"):
        await lab.send_message(Sleep(30), "echo/late", deadline_s=0.2)
    assert time.monotonic() - began < 3
    await until(lambda: "echo/late was cancelled" in lab.logs("worker-1"))
    assert len(lab.sessions()) == 0


async def test_cancelling_the_token_ends_a_message_and_cancels_its_handler(lab: Lab, echo: str) -> None:
    token = CancellationToken()
    sending = asyncio.ensure_future(lab.send_message(Sleep(30), "echo/token", cancellation_token=token))
    await until(lambda: len(lab.sessions()) == 1)
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(sending, 20)
    await until(lambda: "echo/token was cancelled" in lab.logs("worker-1"))


async def test_cancelling_the_awaiting_task_cancels_the_handler(lab: Lab, echo: str) -> None:
    sending = asyncio.ensure_future(lab.send_message(Sleep(30), "echo/task"))
    await until(lambda: len(lab.sessions()) == 1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await until(lambda: "echo/task was cancelled" in lab.logs("worker-1"))


async def test_an_open_session_can_be_seen(lab: Lab, echo: str) -> None:
    token = CancellationToken()
    sending = asyncio.ensure_future(lab.send_message(Sleep(30), "echo/seen", cancellation_token=token, deadline_s=40))
    await until(lambda: len(lab.sessions()) == 1)
    (row,) = lab.sessions()
    assert (row["message"], str(row["from"]), str(row["to"]), row["worker"]) == (
        "Sleep", "notebook", "echo/seen", "worker-1",
    )  # fmt: skip
    assert 0 <= row["age_s"] < 10
    assert 20 < row["remaining_s"] <= 40
    assert "echo/seen" in repr(lab.sessions())
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await until(lambda: repr(lab.sessions()) == "Open sessions: none")


async def test_right_after_a_call_the_journal_is_complete(lab: Lab, echo: str) -> None:
    first = len(lab.journal)
    await asyncio.gather(*(lab.send_message(Say(f"journal {n}"), echo) for n in range(50)))
    run = lab.journal
    news = Run(run.events[first:])
    requests, responses = of(news, "Say", "request"), of(news, "Said", "response")
    assert len(requests) == len(responses) == 50
    for life in requests.values():
        assert life[:3] == ["sent", "arrived", "left"]
        assert sorted(life) == sorted(["sent", "arrived", "left", "received", "started", "handled"])
    for life in responses.values():
        assert sorted(life) == sorted(["sent", "arrived", "left", "received"])


async def test_the_journal_says_where_each_step_happened(lab: Lab, echo: str) -> None:
    await lab.send_message(Say("where"), echo, message_id="the-one")
    where = {(e.kind, e.what): e.process for e in lab.journal if e.message_id == "the-one"}
    assert where == {
        ("request", "sent"): "notebook",
        ("request", "arrived"): "host",
        ("request", "left"): "host",
        ("request", "received"): "worker-1",
        ("request", "started"): "worker-1",
        ("request", "handled"): "worker-1",
        ("response", "sent"): "worker-1",
        ("response", "arrived"): "host",
        ("response", "left"): "host",
        ("response", "received"): "notebook",
    }


async def test_a_failed_message_is_in_the_journal_with_its_reason(lab: Lab, echo: str) -> None:
    with pytest.raises(RemoteHandlerError):
        await lab.send_message(Say("fail"), echo, message_id="failing")
    (failed,) = [e for e in lab.journal if e.message_id == "failing" and e.what == j.FAILED and e.kind == j.REQUEST]
    assert "asked to fail" in failed.detail
    assert 'raise ValueError("asked to fail")' in failed.trace


async def test_events_come_as_they_happen(lab: Lab, echo: str) -> None:
    after = lab.journal.events[-1].seq
    seen: list[str] = []

    async def watch() -> None:
        async for event in lab.events(after=after):
            if event.message_id == "watched":
                seen.append(event.what)
                if len(seen) == 10:
                    return

    watching = asyncio.ensure_future(watch())
    await lab.send_message(Say("watched"), echo, message_id="watched")
    await asyncio.wait_for(watching, 10)
    assert seen[:3] == ["sent", "arrived", "left"]


async def test_a_cell_that_blocks_stops_no_message(lab: Lab, notebook: Notebook) -> None:
    notebook.run("""
        from lab.cast import Said, Say

        class Bouncer(RoutedAgent):
            def __init__(self, partner):
                super().__init__("passes a number on")
                self.partner = partner

            @message_handler
            async def on_say(self, message: Say, ctx: MessageContext) -> Said:
                n = int(message.text)
                if n:
                    return await self.send_message(Say(str(n - 1)), AgentId(self.partner, "default"))
                return Said("done", 0, 0)
    """)
    await lab.register("worker-1", "left", notebook.Bouncer, "right")
    await lab.register("worker-2", "right", notebook.Bouncer, "here")
    await lab.register("notebook", "here", notebook.Bouncer, "left")
    sending = asyncio.ensure_future(lab.send_message(Say("300"), "left"))
    await until(lambda: len(lab.sessions()) > 1)
    limit_s = time.monotonic() + 20
    while len(lab.sessions()) and time.monotonic() < limit_s:  # this loop never gives the cell's own event loop a turn
        time.sleep(0.05)  # noqa: ASYNC251
    assert len(lab.sessions()) == 0
    assert not sending.done()
    assert len(of(lab.journal, "Say", "request")) >= 301
    assert (await sending).text == "done"


def test_methods_can_be_awaited_from_any_loop_and_any_thread(lab: Lab) -> None:
    said: list[Any] = []

    async def talk(number: int) -> None:
        if number == 0:
            await lab.register("worker-1", "anywhere", Echo)
        await until(lambda: "anywhere" in str(lab.directory()))
        replies = await asyncio.gather(*(lab.send_message(Say(f"{number}"), "anywhere") for _ in range(20)))
        said.extend(reply.text for reply in replies)

    threads = [threading.Thread(target=lambda n=n: asyncio.run(talk(n))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    asyncio.run(talk(4))
    assert sorted(said) == sorted(f"echo {n}" for n in range(5) for _ in range(20))


async def test_what_an_agent_prints_is_in_its_workers_log_line_by_line(lab: Lab, echo: str) -> None:
    await lab.send_message(Say("a line"), "echo/log")
    await lab.send_message(Say("another line"), "echo/log")
    await until(lambda: lab.logs("worker-1").lines("echo/log heard another line"))
    log = lab.logs("worker-1")
    assert log.lines("echo/log heard") == ["echo/log heard a line", "echo/log heard another line"]
    assert repr(lab.logs("worker-1", 1)) == "echo/log heard another line"
    assert "heard" not in lab.logs("worker-3")


async def test_an_events_exception_is_in_the_log_and_the_journal(lab: Lab, echo: str) -> None:
    await lab.publish_message(Say("fail"), "default/failing-event")
    await until(lambda: "echo/failing-event failed to handle a message of type Say" in lab.logs("worker-1"))
    assert 'raise ValueError("asked to fail")' in lab.logs("worker-1")
    await until(
        lambda: [e for e in lab.journal if e.what == j.FAILED and e.recipient == "echo/failing-event" and e.trace]
    )


async def test_what_messages_say_is_recorded_and_kept_in_a_saved_run(lab: Lab, tmp_path: Path) -> None:
    name = "teller"
    await lab.register("worker-1", name, Echo)
    await lab.send_message(Say("recorded"), name)
    said = [e.payload for e in lab.journal if e.recipient.startswith(name) and e.payload]
    assert ["recorded" in payload for payload in said] == [True]
    opened = Run.open(lab.save(tmp_path / "run.jsonl"))
    assert [e.payload for e in opened if e.recipient.startswith(name) and e.payload] == said
