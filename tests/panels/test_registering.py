"""The register panel: which classes there are, their source, and new ones while the worker runs."""

from __future__ import annotations

import asyncio
import linecache
import sys
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import pytest
from until import until

from agentlab import Lab
from agentlab.core.exceptions import RemoteHandlerError
from agentlab.gallery.debate import Player
from agentlab.panels import RegisterPanel
from agentlab.panels.classes import Choice, choices, imported, proposed_type
from agentlab.panels.editing import SourceError, compiled, source_of
from agentlab.panels.fields import FormError

from .cast import Echo

Keep = Callable[[Any], Any]

CELL = '''
from dataclasses import dataclass
from agentlab import MessageContext, RoutedAgent, default_subscription, rpc

@dataclass
class Ask:
    text: str

@dataclass
class Told:
    text: str

@default_subscription
class Parrot(RoutedAgent):
    """Repeats."""

    def __init__(self, times: int = 1, loud: bool = False) -> None:
        super().__init__("repeats")
        self.times, self.loud = times, loud

    @rpc
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Told:
        return Told(message.text * self.times)
'''


def run_cell(source: str) -> None:
    """As a kernel does: what a cell defines belongs to `__main__`, and its source can be found."""
    name = f"/nowhere/cell_{abs(hash(source))}.py"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec", dont_inherit=True), vars(sys.modules["__main__"]))


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A notebook that has run one cell."""
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    run_cell(CELL)
    return main


def test_the_notebooks_own_classes_come_first_then_the_gallery(main: Any) -> None:
    main.Echo, main.Alias, main._Hidden = Echo, Player, Echo
    found = list(map(str, choices(vars(main))))
    assert found[0] == "Parrot (notebook)"
    assert "Echo (panels.cast)" in found
    assert found.count("Player (gallery.debate)") == 1
    assert not [name for name in found if name.startswith("RoutedAgent")]


def test_a_class_can_be_named_by_its_module() -> None:
    assert imported("agentlab.gallery.debate : Player") is Player
    for text, said in [
        ("Player", "should look like module:Class"),
        ("no_such_module:Player", "cannot be imported"),
        ("agentlab.gallery.debate:Motion", "There are: Player, Judge"),
        ("json:X", "no agent class"),
    ]:
        with pytest.raises(FormError, match=said):
            imported(text)


def test_a_type_name_is_proposed() -> None:
    assert proposed_type(type("RuleBook2Go", (), {})) == "rule-book2-go"


def test_the_source_of_a_class_of_a_cell_begins_with_its_decorators(main: Any) -> None:
    source = source_of(main.Parrot)
    assert source.startswith("@default_subscription\nclass Parrot(RoutedAgent):")
    assert source.endswith("self.times)\n")
    assert source_of(Player).startswith('@type_subscription("verdict")\nclass Player')
    with pytest.raises(FormError, match="cannot be found"):
        source_of(type("Made", (Echo,), {}))


def test_a_changed_class_takes_the_place_of_the_old_one_in_the_notebook(main: Any) -> None:
    old = main.Parrot
    made = compiled(source_of(old).replace("Repeats.", "Repeats, anew."), old)
    assert main.Parrot is made is not old
    assert made.__doc__ == "Repeats, anew."
    assert "anew" in source_of(made)


def test_a_changed_class_of_a_module_belongs_to_the_notebook_and_still_knows_its_modules_names(main: Any) -> None:
    made = compiled(source_of(Player).replace('f"argues {side}"', '"anew"'), Player)
    assert main.Player is made
    assert made.__module__ == "__main__"
    assert "RuleBook" in made.__init__.__globals__
    assert Player.__module__ == "agentlab.gallery.debate"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("super().__init__(", "super().__init__((", 5, "SyntaxError"),
        ("message: Ask", "message: Akk", 9, "NameError"),
        ("-> Told:", ":", 9, "does not name the return type"),
        ("(RoutedAgent)", "", 0, "no agent class"),
    ],
)
def test_a_mistake_is_said_with_its_line_and_changes_nothing(
    main: Any, old: str, new: str, line: int, said: str
) -> None:
    before = main.Parrot
    source = source_of(before).replace("@default_subscription\n", "").replace(old, new)
    with pytest.raises(SourceError, match=said) as caught:
        compiled(source, before)
    assert abs(caught.value.line - line) <= 1
    assert (f"▶{caught.value.line:4}" in caught.value.excerpt(source)) == bool(line)
    assert main.Parrot is before


@pytest.fixture
async def panel(main: Any, lab: Lab, opened: Keep) -> RegisterPanel:
    panel: RegisterPanel = opened(RegisterPanel(lab))
    for place in lab.places:
        await lab.unregister(place.worker, place.type)
    return panel


async def ask(lab: Lab, main: Any, to: str) -> str:
    told = await lab.send_message(main.Ask("ha"), to)
    return str(told.text)


def says(panel: RegisterPanel, text: str) -> Callable[[], bool]:
    return lambda: text in panel.note.value


def registered(panel: RegisterPanel) -> Callable[[], bool]:
    return lambda: "agentlab-good" in panel.note.value and "on worker-1" in panel.note.value


async def test_an_agent_is_registered_with_its_arguments_replaced_and_given_up(
    panel: RegisterPanel, main: Any, lab: Lab
) -> None:
    assert panel.cls.value == Choice(main.Parrot, "notebook")
    assert panel.type.value == "parrot"
    panel.worker.value = "worker-2"
    panel.form.entries["times"].widget.value = 2
    panel.register_button.click()
    panel.register_button.click()  # in a hurry
    await until(says(panel, "parrot: Parrot(times=2) on worker-2"))
    assert await ask(lab, main, "parrot") == "haha"
    await until(lambda: panel.register_button.description == "Replace")
    assert "Parrot(times=2)" in panel.listed.value
    panel.form.entries["times"].widget.value = 3
    panel.register_button.click()
    await until(says(panel, "now Parrot(times=3)"))
    assert await ask(lab, main, "parrot") == "hahaha"
    panel.unregister_button.click()
    await until(says(panel, "was given up"))
    panel.unregister()
    assert "Nothing is registered under" in panel.note.value


async def test_what_is_applied_in_the_editor_runs_in_the_worker_and_its_tracebacks_show_it(
    panel: RegisterPanel, main: Any, lab: Lab
) -> None:
    panel.register_button.click()
    await until(registered(panel))
    panel.source.value = panel.source.value.replace("message.text *", '"new " + message.text *')
    panel.apply_button.click()
    panel.apply_button.click()
    await until(says(panel, "The new Parrot runs: parrot on worker-1."))
    assert await ask(lab, main, "parrot") == "new ha"
    panel.source.value = panel.source.value.replace(
        "        return Told(", "        raise KeyError('here')  # edited\n        #"
    )
    panel.apply_button.click()
    await until(lambda: "edited" in source_of(main.Parrot) and not panel.is_busy("agents"))
    with pytest.raises(RemoteHandlerError, match="# edited"):
        await ask(lab, main, "parrot")


async def test_a_shared_type_stays_shared_whatever_is_done_to_it_here(
    panel: RegisterPanel, main: Any, lab: Lab
) -> None:
    for worker in lab.workers:
        await lab.register(worker, "both", main.Parrot, shared=True)
    panel.source.value = panel.source.value.replace("message.text *", '"new " + message.text *')
    panel.apply_button.click()
    await until(says(panel, "The new Parrot runs: both on worker-1, both on worker-2."))
    for key in "abcdefgh":  # with some of them on each worker
        assert await ask(lab, main, f"both/{key}") == "new ha"
    panel.type.value, panel.worker.value = "both", "worker-1"
    await until(lambda: panel.register_button.description == "Replace")
    panel.form.entries["times"].widget.value = 2
    panel.register_button.click()
    await until(says(panel, "now Parrot(times=2) on worker-1"))
    panel.unregister_button.click()
    await until(says(panel, "both was given up on worker-1."))
    assert [(place.worker, place.shared) for place in lab.places] == [("worker-2", True)]
    panel.register_button.click()
    await until(says(panel, "both: Parrot(times=2) on worker-1"))
    await until(lambda: "worker-1, shared" in panel.listed.value and "worker-2, shared" in panel.listed.value)


async def test_what_is_applied_replaces_agents_that_a_function_makes_or_says_why_not(
    panel: RegisterPanel, main: Any, lab: Lab
) -> None:
    run_cell("def loud():\n    return Parrot(2)\ndef given(cls):\n    return lambda: cls(3)")
    await lab.register("worker-1", "loud", main.loud)
    await lab.register("worker-2", "fixed", main.given(main.Parrot))
    panel.source.value = panel.source.value.replace("message.text *", '"new " + message.text *')
    panel.apply_button.click()
    await until(says(panel, "fixed on worker-2 is as before: "))
    assert "holds on to the Parrot that it was given" in panel.note.value
    assert await ask(lab, main, "loud") == "new haha"
    await lab.unregister("worker-2", "fixed")
    panel.source.value = panel.source.value.replace("new ", "newer ")
    panel.apply_button.click()
    await until(says(panel, "The new Parrot runs: loud on worker-1."))
    assert await ask(lab, main, "loud") == "newer haha"


async def test_a_syntax_error_is_shown_at_its_line_and_the_old_agent_keeps_running(
    panel: RegisterPanel, main: Any, lab: Lab
) -> None:
    panel.register_button.click()
    await until(registered(panel))
    panel.source.value = panel.source.value.replace("return Told(", "return Told((")
    panel.apply_button.click()
    await until(says(panel, "The running agents are as before"))
    assert "▶  11" in panel.mistake.value
    assert "return Told((message" in panel.mistake.value
    assert await ask(lab, main, "parrot") == "ha"
    panel.reset_button.click()
    assert "Told((" not in panel.source.value
    assert panel.mistake.value == ""


async def test_a_class_of_the_gallery_can_be_edited_and_then_is_the_notebooks(
    panel: RegisterPanel, main: Any, lab: Lab
) -> None:
    panel.cls.value = next(choice for choice in choices({}) if choice.cls is Player)
    panel.form.entries["side"].widget.value = "for"
    panel.register_button.click()
    await until(registered(panel))
    panel.source.value = panel.source.value.replace('f"argues {side}"', '"anew"')
    panel.apply_button.click()
    await until(says(panel, "The new Player runs"))
    await until(lambda: panel.cls.value == Choice(main.Player, "notebook"))
    panel.cls.value = next(choice for choice in choices({}) if choice.cls is Player)
    seen = panel.facts
    await until(lambda: panel.facts is not seen)
    assert panel.cls.value.cls is Player  # the user may go back


async def test_a_cell_that_ran_again_is_taken_up_but_not_over_an_edit(panel: RegisterPanel, main: Any) -> None:
    run_cell(CELL.replace("times: int", "often: int").replace("times, loud", "often, loud"))
    await until(lambda: "often" in panel.form.entries and "often" in panel.source.value)
    panel.source.value += "# mine"
    run_cell(CELL)
    await until(lambda: "times" in panel.form.entries)
    assert "# mine" in panel.source.value


async def test_a_class_is_found_by_its_module_and_a_wrong_name_is_said(panel: RegisterPanel, lab: Lab) -> None:
    panel.cls.value = None
    panel.register_button.click()
    assert "Which class?" in panel.note.value
    panel.name.value = "panels.cast:Echoo"
    await until(says(panel, "There are: Echo, "))
    panel.name.value = "panels.cast:Echo"
    await until(lambda: "word" in panel.form.entries)
    assert panel.type.value == "echo"


async def test_what_is_wrong_is_said_in_the_panel(panel: RegisterPanel, lab: Lab) -> None:
    panel.type.value = "no type!"
    panel.register_button.click()
    assert "Invalid agent type" in panel.note.value
    panel.cls.value = next(choice for choice in choices({}) if choice.cls is Player)
    panel.type.value = "player"
    panel.form.entries["debater"].widget.value = "nobody()"
    panel.register_button.click()
    await until(says(panel, "debater: NameError"))


async def test_a_dead_worker_is_said_to_be_dead(
    start_lab: Callable[..., Awaitable[Lab]], main: Any, opened: Keep
) -> None:
    lab = await start_lab(1)
    panel = opened(RegisterPanel(lab))
    panel.register_button.click()
    await until(registered(panel))
    await lab.kill("worker-1")
    panel.register_button.click()
    await until(says(panel, "worker-1 is not running: it is killed"))
    panel.source.value += "\n"
    panel.apply_button.click()
    await until(says(panel, "parrot on worker-1 is as before"))
    await lab.stop()
    panel.register()
    assert "The lab is stopped" in panel.note.value
    assert asyncio.all_tasks() == {asyncio.current_task()}
