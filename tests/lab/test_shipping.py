"""Agent code, packed for its way into a worker. How it arrives is in test_registering."""

from __future__ import annotations

import functools
import pickle
import sys

import pytest

from agentlab.lab.errors import RegistrationError
from agentlab.lab.shipping import AgentSpec, Parcelled, checked_spec, pack, unpack

from .cast import Echo, Said, Say, Sleep
from .cells import Notebook


def test_a_class_of_a_module_is_packed_by_name_and_without_source() -> None:
    parcel = pack(AgentSpec(Echo, ("word",)))
    assert len(parcel.data) < 400
    assert parcel.sources == {}
    assert unpack(parcel) == AgentSpec(Echo, ("word",))


def test_a_class_of_a_cell_is_packed_by_value_with_the_source_of_its_cell_only(notebook: Notebook) -> None:
    notebook.run("unrelated = 1\ndef also_unrelated(): pass\n")
    notebook.run("""
        class Mine(RoutedAgent):
            def __init__(self):
                super().__init__("mine")

            @message_handler
            async def on_id(self, message: AgentId, ctx: MessageContext) -> None: ...
    """)
    parcel = pack(AgentSpec(notebook.Mine))
    (source,) = parcel.sources.values()
    assert "class Mine(RoutedAgent)" in source
    again = unpack(parcel)
    assert again.agent.__name__ == "Mine"
    assert str(again) == "Mine()"


def test_what_text_annotations_mention_comes_along_and_what_that_mentions_too(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook.run("""
        from __future__ import annotations

        @dataclass
        class Inner:
            pass

        @dataclass
        class Middle:
            inner: list[Inner]

        @dataclass
        class Outer:
            middle: Middle | None
            nonsense: "not an annotation at all"
            unknown: Undefined
    """)
    parcel = pack([notebook.Outer])
    elsewhere = Notebook()
    monkeypatch.setitem(sys.modules, "__main__", elsewhere.main)
    unpack(parcel)
    assert elsewhere.Middle.__name__ == "Middle"
    assert elsewhere.Inner.__name__ == "Inner"


def test_the_messages_of_agents_are_what_they_take_and_answer() -> None:
    def annotated() -> Echo:
        return Echo()

    annotated.__annotations__["return"] = Echo

    def mentions():  # type: ignore[no-untyped-def]
        return Echo("word")

    for agent in (Echo, annotated, mentions, lambda: Echo(), functools.partial(Echo, "word")):
        spec = checked_spec(agent, (), {})
        assert spec.classes == [Echo]
        assert set(spec.message_types()) == {Say, Said, Sleep}
    assert checked_spec(len, ("x",), {}).message_types() == []


def test_a_specification_shows_how_its_agents_are_made() -> None:
    assert str(AgentSpec(Echo, (1, "two"), {"three": 3})) == "Echo(1, 'two', three=3)"


@pytest.mark.parametrize("data", [b"", b"nonsense", pickle.dumps(("a", {}))[:-3]])
def test_a_damaged_parcel_is_an_error(data: bytes) -> None:
    with pytest.raises(RegistrationError, match="does not load in the worker"):
        unpack(Parcelled(data, {}))
