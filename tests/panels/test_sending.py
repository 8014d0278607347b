"""The send panel: what it offers, and what comes of a click."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from until import until

from agentlab import ClosureContext, Lab, MessageContext, TypePrefixSubscription, TypeSubscription, UnknownPayload
from agentlab.core.exceptions import RemoteHandlerError
from agentlab.core.runtime import RUNTIME_DEFAULT
from agentlab.gallery.debate import Judge, Motion, Player
from agentlab.lab.shipping import AgentSpec
from agentlab.panels.fields import FormError
from agentlab.panels.messages import (
    Order,
    Sending,
    accepted,
    deadline_of,
    error_html,
    message_types,
    reached,
    recipients,
    reply_html,
)
from agentlab.panels.sending import DIRECT, TOPIC, SendPanel
from agentlab.wire.watching import Snapshot, WorkerInfo

from .cast import Echo, Said, Say, Sleep, Tone
from .conftest import StartLab

Keep = Callable[[Any], Any]

WORKERS = [
    WorkerInfo("w", "c", 1, "", True, 0, ["judge"], [TypePrefixSubscription("judge:", "judge")]),
    WorkerInfo(
        *("w2", "d", 1, "", True, 0, ["player"]),
        [TypeSubscription("verdict", "player"), TypePrefixSubscription("news.", "player")],
    ),
]
SNAPSHOT = Snapshot(WORKERS, [], 0, 0, {})


def test_recipients_are_what_is_advertised_and_topics_what_is_subscribed() -> None:
    assert recipients(SNAPSHOT, direct=True) == ["judge", "player"]
    assert recipients(SNAPSHOT, direct=False) == ["news.", "verdict"]
    assert recipients(None, direct=True) == []


def test_an_address_reaches_an_agent_type_or_all_that_subscribed() -> None:
    assert reached(SNAPSHOT, True, "judge/1") == {"judge"}
    assert reached(SNAPSHOT, False, "verdict/default") == {"player"}
    assert reached(SNAPSHOT, False, "news.sport") == {"player"}
    assert reached(SNAPSHOT, False, "verdicts") == set()


def test_message_types_are_those_that_the_handlers_of_the_recipient_accept() -> None:
    registered = {"judge": ("w", AgentSpec(Judge)), "echo": ("w", AgentSpec(Echo))}
    assert message_types(registered, {}, ["judge"]) == [Motion]
    assert set(message_types(registered, {}, ["echo"])) == {Say, Said, Sleep}
    assert set(message_types(registered, {}, ["unknown"])) == {Motion, Say, Said, Sleep}


def test_of_two_classes_of_the_same_name_the_notebooks_own_is_the_newest() -> None:
    @dataclass
    class Motion:
        question: str

    registered = {"judge": ("w", AgentSpec(Judge))}
    assert message_types(registered, {"Motion": Motion, "other": 1, "_Hidden": Motion}, ["judge"]) == [Motion]
    assert message_types({}, {"Motion": Motion}, ["judge"]) == [Motion]


def test_a_function_that_is_itself_the_handler_accepts_what_its_annotation_names() -> None:
    async def on_say(closure_ctx: ClosureContext, message: Say, ctx: MessageContext) -> Said:
        return Said(message.text)

    assert accepted(AgentSpec(on_say)) == [Say]
    assert accepted(AgentSpec(lambda: Player("for"))) != []


@pytest.mark.parametrize(("text", "seconds"), [("2.5", 2.5), (" 3 s", 3.0), ("none", None), ("", RUNTIME_DEFAULT)])
def test_a_deadline_is_seconds_or_none_or_the_labs_own(text: str, seconds: float | None) -> None:
    assert deadline_of(text) == seconds


@pytest.mark.parametrize("text", ["soon", "-1", "0", "inf", "nan"])
def test_what_is_no_deadline_is_refused(text: str) -> None:
    with pytest.raises(FormError, match="deadline"):
        deadline_of(text)


def test_what_came_back_stays_text() -> None:
    assert "<script" not in reply_html(Said("<script>"))
    assert "<script" not in error_html(RemoteHandlerError("<script>", remote_traceback="<script>"))
    assert "<script" not in reply_html(UnknownPayload("<script>", "application/json", b"<script>"))
    assert "The reply is None" in reply_html(None)
    assert "<script" not in Sending(Order(True, "<script>/1", Say("x")), 1).html()


@pytest.fixture
async def panel(lab: Lab, opened: Keep) -> SendPanel:
    if "echo" not in lab.registered:
        await lab.register("worker-1", "echo", Echo)
    panel: SendPanel = opened(SendPanel(lab))
    await until(lambda: "echo" in panel.to.options)
    return panel


async def choose(panel: SendPanel, kind: str, to: str, cls: type[Any]) -> None:
    panel.kind.value = kind
    panel.to.value = to
    await until(lambda: cls.__name__ in [name for name, _ in panel.type.options])
    panel.type.label = cls.__name__
    assert [*panel.form.entries] == list(cls.__dataclass_fields__)


async def test_a_direct_message_is_filled_in_sent_and_answered(panel: SendPanel) -> None:
    await choose(panel, DIRECT, "echo/anna", Say)
    panel.form.entries["text"].widget.value = "hello"
    panel.form.entries["tone"].widget.value = Tone.LOUD
    panel.sender.value = "student/1"
    panel.send_button.click()
    await until(lambda: "echo hello" in panel.result.value)
    assert panel.history.options[0][0].startswith("✔ 1. Say to echo/anna")
    assert panel.sendings[0].order.sender is not None
    panel.form.entries["text"].widget.value = "something else"
    panel.sender.value, panel.deadline.value = "", "none"
    panel.again_button.click()
    await until(lambda: len(panel.sendings) == 2 and panel.sendings[0].state == "done")
    assert panel.sendings[0].order == panel.sendings[1].order
    assert panel.order() == panel.sendings[0].order


async def test_an_error_is_shown_with_its_type_and_the_traceback_of_the_other_process(panel: SendPanel) -> None:
    await choose(panel, DIRECT, "echo/anna", Say)
    panel.form.entries["text"].widget.value = "fail"
    panel.send_button.click()
    await until(lambda: "RemoteHandlerError" in panel.result.value)
    assert "raise ValueError(&quot;asked to &lt;fail&gt;&quot;)" in panel.result.value
    panel.to.value = "ecko"
    panel.send_button.click()
    await until(lambda: "AgentNotFoundError" in panel.result.value)
    assert "Did you mean" in panel.result.value


async def test_a_message_is_published_to_a_topic(panel: SendPanel, lab: Lab) -> None:
    await choose(panel, TOPIC, "default/here", Said)
    assert panel.deadline.disabled
    panel.form.entries["text"].widget.value = "everybody"
    panel.send_button.click()
    await until(lambda: "Published" in panel.result.value)
    await until(lambda: "echo/here overheard everybody" in lab.logs("worker-1"))


async def test_many_are_sent_at_a_rate_and_counted(panel: SendPanel) -> None:
    await choose(panel, DIRECT, "echo/anna", Say)
    panel.times.value, panel.per_s.value = 30, 1000
    panel.send_button.click()
    await until(lambda: "30 of 30 done" in panel.result.value)
    assert panel.sendings[0].replies == 30
    assert panel.progress.layout.visibility == "hidden"


@pytest.mark.parametrize(("per_s", "message"), [(0.01, Say("x")), (0.0, Sleep(60.0)), (100.0, Sleep(60.0))])
async def test_cancel_ends_a_sending_at_once_whatever_it_waits_for(
    panel: SendPanel, lab: Lab, per_s: float, message: Any
) -> None:
    panel.begin(Order(True, "echo/anna", message, times=5, per_s=per_s))
    await until(lambda: not panel.cancel_button.disabled)
    if isinstance(message, Sleep):
        await until(lambda: lab.waiting)
    else:
        await until(lambda: panel.sendings[0].replies == 1)
    assert panel.progress.layout.visibility == "visible"
    panel.cancel_button.click()
    panel.cancel_button.click()
    await until(lambda: not panel.observer._work, 5)
    assert panel.sendings[0].state == "cancelled"
    assert "Cancelled" in panel.result.value
    assert "Nothing waits" in panel.note.value
    assert not lab.waiting


async def test_what_is_wrong_in_the_form_is_said_and_nothing_is_sent(panel: SendPanel) -> None:
    await choose(panel, DIRECT, "echo/anna", Say)
    panel.to.value = ""
    panel.send_button.click()
    assert "which agent?" in panel.note.value
    panel.to.value = "not an agent!"
    panel.send_button.click()
    assert "Invalid agent type" in panel.note.value
    panel.to.value, panel.deadline.value = "echo", "later"
    panel.send_button.click()
    assert "deadline" in panel.note.value
    assert not panel.sendings


async def test_a_message_class_that_fails_when_it_is_made_is_said_to(
    panel: SendPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Say) -> None:
        raise RuntimeError("no such luck")

    await choose(panel, DIRECT, "echo/anna", Say)
    monkeypatch.setattr(panel, "order", lambda: fail(Say("x")))
    panel.send_button.click()
    assert "The Say cannot be made: RuntimeError: no such luck" in panel.note.value


async def test_a_deadline_that_passes_is_an_error_in_the_panel(panel: SendPanel) -> None:
    await choose(panel, DIRECT, "echo/anna", Sleep)
    panel.form.entries["seconds"].widget.value = 60.0
    panel.deadline.value = "0.1"
    panel.send_button.click()
    panel.send_button.click()
    await until(lambda: len(panel.sendings) == 2 and "DeadlineExceededError" in panel.result.value)


async def test_a_form_that_is_being_filled_in_is_left_alone_by_what_happens_around_it(panel: SendPanel) -> None:
    await choose(panel, DIRECT, "echo/anna", Say)
    panel.form.entries["text"].widget.value = "half a sent"
    form, seen = panel.form, panel.facts
    await until(lambda: panel.facts is not seen)
    assert panel.form is form


async def test_a_worker_that_dies_under_a_message_and_a_lab_that_stops_are_said(
    start_lab: StartLab, opened: Keep
) -> None:
    lab = await start_lab(1)
    await lab.register("worker-1", "echo", Echo)
    panel = opened(SendPanel(lab))
    panel.begin(Order(True, "echo/anna", Sleep(60.0)))
    await until(lambda: lab.waiting)
    await lab.kill("worker-1")
    await until(lambda: "WorkerLostError" in panel.result.value)
    panel.begin(Order(True, "echo/anna", Sleep(60.0)))
    await until(lambda: "AgentNotFoundError" in panel.result.value)
    await lab.restart("worker-1")
    panel.begin(Order(True, "echo/anna", Sleep(60.0)))
    await until(lambda: lab.waiting)
    await lab.stop()
    await until(lambda: panel.sendings[0].state != "waiting")
    panel.begin(Order(True, "echo/anna", Say("x")))
    assert "The lab is stopped" in panel.note.value
    assert len(panel.sendings) == 3
    assert asyncio.all_tasks() == {asyncio.current_task()}
