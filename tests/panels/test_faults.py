"""The faults panel: rules, presets and plans set with its buttons, counted in its list, and removed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from until import until

from agentlab import DeadlineExceededError, Lab
from agentlab.panels.faults import NUMBERS, FaultsPanel, asked_of, groups_of, number, row_text, whole
from agentlab.wire.faults import Delay, Drop, Match, Partition, Rule, SetRule

from .cast import Echo, Say
from .conftest import StartLab

Keep = Callable[[Any], Any]


def test_what_is_typed_is_read_or_refused_by_its_name() -> None:
    assert (number("a", " 0.5 "), number("a", ""), whole("a", "3")) == (0.5, None, 3)
    with pytest.raises(ValueError, match="seconds: 'soon' is no number"):
        number("seconds", "soon")
    with pytest.raises(ValueError, match="copies: '1.5' is no whole number"):
        whole("copies", "1.5")
    assert groups_of("a, b | c |") == [{"a", "b"}, {"c"}]


def test_each_kind_of_fault_asks_for_what_it_needs() -> None:
    assert asked_of("kill") == ("process", "after")
    assert asked_of("partition") == ("groups", "heals after")
    assert "probability" in asked_of("drop")
    assert "probability" not in asked_of("preset")
    assert row_text(SetRule(3, Rule(Drop()), 7, "over")) == "#3 drop messages: struck 7, over"


async def said(panel: FaultsPanel, words: str) -> None:
    await until(lambda: words in panel.note.value, 30)


async def rule_of(lab: Lab) -> Rule:
    await until(lambda: len(lab.faults.rules_now()) == 1, 30)
    return lab.faults.rules_now()[0].rule


async def test_a_rule_is_set_counted_and_removed(lab: Lab, opened: Keep) -> None:
    panel = opened(FaultsPanel(lab))
    await lab.register("worker-1", "broken", Echo)
    panel.kind.value = "drop"
    panel.fields["receiver"].value = "broken"
    panel.fields["kind"].value = "request"
    panel.set_button.click()
    await said(panel, "drop requests to broken")
    with pytest.raises(DeadlineExceededError):
        await lab.send_message(Say("lost"), "broken", deadline_s=0.3)
    (fault,) = await lab.faults.rules()
    name = str(fault.number)
    await until(lambda: "struck 1" in panel._boxes[name][1].value, 30)
    assert "drop requests to broken" in panel.still()[0]
    panel.remove_button(name).click()
    await until(lambda: panel.rows.children == (), 30)
    assert await lab.faults.rules() == []


@pytest.mark.parametrize("kind", ["delay", "duplicate", "reorder", "slow", "drop"])
async def test_every_kind_of_rule_can_be_set(lab: Lab, opened: Keep, kind: str) -> None:
    panel = opened(FaultsPanel(lab))
    panel.kind.value = kind
    for name, value in (("sender", "a"), ("to process", "worker-1"), ("type", "Say"), ("count", "9"), ("seed", "5"),
                        ("begins after", "60"), ("lasts", "2"), ("jitter", "0.25")):  # fmt: skip
        panel.fields[name].value = value
    panel.fields["probability"].value = 0.5
    panel.set_button.click()
    rule = await rule_of(lab)
    assert rule.name == kind
    assert rule.match == Match(sender="a", to_process="worker-1", type="Say")
    assert (rule.probability, rule.count, rule.after_s, rule.for_s, rule.seed) == (0.5, 9, 60.0, 2.0, 5)
    assert kind != "delay" or rule.effect == Delay(0.5, 0.25)
    await said(panel, "Set #")
    await until(lambda: not panel.clear_button.disabled, 30)
    panel.clear_button.click()
    await said(panel, "are removed")


async def test_a_partition_is_set_and_healed_and_a_preset_set_and_cleared(lab: Lab, opened: Keep) -> None:
    panel = opened(FaultsPanel(lab))
    panel.kind.value = "partition"
    panel.fields["groups"].value = "worker-1 | worker-2, notebook"
    panel.set_button.click()
    assert (await rule_of(lab)).effect == Partition((("worker-1",), ("notebook", "worker-2")))
    await until(lambda: not panel.heal_button.disabled, 30)
    panel.heal_button.click()
    await said(panel, "are healed")
    panel.kind.value = "preset"
    panel.fields["preset"].value = "flaky-wifi"
    assert "one in ten" in panel.about.value
    panel.set_button.click()
    await until(lambda: len(panel.rows.children) == 5, 30)
    panel.clear_button.click()
    await until(lambda: panel.rows.children == (), 30)


@pytest.mark.parametrize(
    ("kind", "field", "typed", "problem"),
    [
        ("delay", "seconds", "soon", "no number"),
        ("delay", "seconds", "", "how much"),
        ("delay", "seconds", "-1", "from 0"),
        ("duplicate", "copies", "1.5", "no whole number"),
        ("slow", "bytes/s", "0", "above 0"),
        ("partition", "groups", "", "two groups"),
        ("drop", "to process", "worker-9", "no process"),
    ],
)
async def test_what_cannot_be_set_is_said_in_the_panel(
    lab: Lab, opened: Keep, kind: str, field: str, typed: str, problem: str
) -> None:
    panel = opened(FaultsPanel(lab))
    panel.kind.value = kind
    panel.fields[field].value = typed
    panel.set_button.click()
    await said(panel, problem)
    assert "agentlab-bad" in panel.note.value
    assert await lab.faults.rules() == []


async def test_a_process_is_paused_for_a_while_and_killed(start_lab: StartLab, opened: Keep) -> None:
    lab = await start_lab(1)
    panel = opened(FaultsPanel(lab))
    panel.kind.value = "pause"
    await until(lambda: "worker-1" in panel.fields["process"].options, 30)
    panel.fields["process"].value = "worker-1"
    panel.fields["lasts"].value = "0.1"
    panel.set_button.click()
    await until(lambda: [plan.state for plan in lab.faults.plans] == ["over"], 30)
    panel.kind.value = "kill"
    panel.set_button.click()
    await until(lambda: lab["worker-1"].state == "killed", 30)
    await until(lambda: set(panel.lines()) == {"p1", "p2"}, 30)
    panel.remove_button("p1").click()
    await until(lambda: set(panel.lines()) == {"p2"}, 30)
    await lab.stop()
    await until(lambda: panel.rows.children == (), 30)
    panel.set_button.click()
    assert "stopped" in panel.note.value


def test_every_kind_has_its_words() -> None:
    from agentlab.panels.faults import ABOUT, PRESET

    assert set(NUMBERS) - set(ABOUT) == {PRESET}
