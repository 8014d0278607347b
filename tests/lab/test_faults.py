"""The fault lab of a lab: rules and plans are set, shown and removed; and messages and processes really suffer."""

from __future__ import annotations

import pytest
from until import until

from agentlab import DeadlineExceededError, Lab
from agentlab.core import journal as j
from agentlab.gallery.echo import Echo, Text
from agentlab.lab.errors import LabError
from agentlab.lab.faults import LabFaults
from agentlab.lab.presets import PRESETS, preset_named
from agentlab.wire.faults import EVERYTHING, Partition

from .conftest import StartLab


async def echo(lab: Lab, name: str, worker: str = "worker-1") -> str:
    if name not in lab.registered:
        await lab.register(worker, name, Echo)
    return name


def faulted(lab: Lab, what: str) -> list[str]:
    return [event.detail for event in lab.journal if event.what == what and event.detail.startswith("fault: ")]


async def test_a_rule_lasts_as_long_as_its_block(lab: Lab) -> None:
    name = await echo(lab, "dropped")
    async with lab.faults.drop(receiver=name, kind="request") as fault:
        with pytest.raises(DeadlineExceededError):
            await lab.send_message(Text("lost"), name, deadline_s=0.3)
        assert fault.struck == 1
        (row,) = lab.faults.table()
        assert (row["fault"], row["struck"], row["state"]) == (f"drop requests to {name}", 1, "on")
    assert await lab.send_message(Text("found"), name) == Text("found")
    assert len(lab.faults.table()) == 0
    assert "everything works" in repr(lab.faults)


async def test_a_rule_that_is_awaited_stays_until_it_is_removed(lab: Lab) -> None:
    name = await echo(lab, "delayed")
    fault = await lab.faults.delay(0.05, jitter=0.02, receiver=name, type=Text)
    assert repr(fault) == f"<Fault {fault.number}: delay messages of type Text to {name} by 0.05 s ± 0.02 s>"
    await lab.send_message(Text("late"), name)
    assert fault.struck == 1
    await fault.remove()
    await fault.remove()
    await lab.send_message(Text("at once"), name)
    assert len([detail for detail in faulted(lab, j.DELAYED) if f"#{fault.number}:" in detail]) == 1


async def test_a_rule_that_nobody_awaited_says_so(lab: Lab) -> None:
    assert "Write `await` before it" in repr(lab.faults.duplicate())
    assert await lab.faults.rules() == []


async def test_presets_set_their_rules_together_and_clear_removes_all(lab: Lab) -> None:
    faults = await lab.faults.preset("flaky Wi-Fi", to_process="worker-1", seed=7)
    rules = [one.rule for one in await lab.faults.rules()]
    assert len(faults) == len(rules) == 5
    assert {(rule.seed, rule.match.to_process) for rule in rules} == {(7, "worker-1")}
    async with lab.faults.preset("split-brain"):
        assert len(await lab.faults.rules()) == 6
    await lab.faults.clear()
    assert await lab.faults.rules() == []


def test_every_preset_makes_rules_and_its_name_may_be_written_as_one_likes() -> None:
    for preset in PRESETS.values():
        assert preset.rules(EVERYTHING, 0, None, ["worker-1", "worker-2"])
    assert preset_named("Slow Receiver").name == "slow-receiver"
    (rule,) = preset_named("split brain").rules(EVERYTHING, 0, None, ["worker-1", "worker-2"])
    assert rule.effect == Partition((("notebook", "worker-1"), ("worker-2",)))
    assert rule.for_s is not None
    with pytest.raises(LabError, match="Did you mean 'flaky-wifi'"):
        preset_named("flakywify")


async def test_a_partition_can_be_healed_and_one_group_is_parted_from_all_others(lab: Lab) -> None:
    name = await echo(lab, "parted")
    fault = await lab.faults.partition("worker-1")
    assert "worker-1 | notebook, worker-2, worker-3" in repr(fault)
    with pytest.raises(DeadlineExceededError):
        await lab.send_message(Text("lost"), name, deadline_s=0.3)
    await lab.faults.heal()
    assert await lab.send_message(Text("found"), name) == Text("found")


async def test_the_notebook_that_is_cut_off_from_the_host_can_still_clear_the_faults(lab: Lab) -> None:
    name = await echo(lab, "far")
    await lab.faults.partition("notebook", "host")
    with pytest.raises(DeadlineExceededError):
        await lab.send_message(Text("not now"), name, deadline_s=0.2)
    await lab.faults.clear()
    assert await lab.send_message(Text("found"), name) == Text("found")


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda f: f.drop(sendr="x"), TypeError, "Did you mean 'sender'"),
        (lambda f: f.drop(probability=30), ValueError, "from 0 to 1"),
        (lambda f: f.slow(0), ValueError, "above 0"),
        (lambda f: f.drop(kind="reply"), ValueError, "request, response, event"),
        (lambda f: f.drop(to_process="worker-11"), LabError, "Did you mean 'worker-1'"),
        (lambda f: f.partition({"worker-1"}, {"worker-9"}), LabError, "no process 'worker-9'"),
        (lambda f: f.preset("storm"), LabError, "There are: flaky-wifi"),
        (lambda f: f.preset("flaky-wifi", count=3), LabError, "has its own count"),
        (lambda f: f.preset("split-brain", sender="x"), LabError, "takes no sender"),
        (lambda f: f.kill("worker-9"), LabError, "no process 'worker-9'"),
        (lambda f: f.pause("worker-1", times=3), ValueError, "every_s"),
        (lambda f: f.kill("worker-1", after_s=-1), ValueError, "negative"),
    ],
)
async def test_what_cannot_be_set_is_refused_with_what_to_do(
    lab: Lab, make: object, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        await make(lab.faults)  # type: ignore[operator]
    assert await lab.faults.rules() == []
    assert lab.faults.plans == []


async def test_processes_are_killed_paused_and_restarted_as_planned(start_lab: StartLab) -> None:
    lab = await start_lab(2)
    name = await echo(lab, "echo")
    kill = await lab.faults.kill("worker-1")
    assert lab["worker-1"].state == "killed"
    restart = await lab.faults.restart("worker-1", after_s=0.1)
    pause = await lab.faults.pause("worker-2", for_s=0.2, every_s=0.1, times=2)
    await until(lambda: restart.struck == 1, 60)
    await until(lambda: [plan.state for plan in lab.faults.plans] == ["over"] * 3, 60)
    assert (kill.struck, pause.struck) == (1, 2)
    assert lab["worker-2"].state == "running"
    assert await lab.send_message(Text("again"), name) == Text("again")
    wrong = await lab.faults.resume("worker-2", after_s=0.01)  # it is not paused
    await until(lambda: wrong.what.state.startswith("failed: worker-2 cannot be resumed"), 60)
    await lab.faults.kill("worker-1", after_s=600)
    await lab.faults.clear()
    assert lab.faults.plans == []
    await lab.kill("host")
    with pytest.raises(LabError, match="does not answer"):
        await lab.faults.rules()
    assert "the host does not answer" in repr(lab.faults)


def test_a_lab_that_does_not_run_has_no_faults() -> None:
    lab = Lab(workers=1)
    assert isinstance(lab.faults, LabFaults)
    assert len(lab.faults.table()) == 0
