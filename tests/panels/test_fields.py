"""Forms as data, and the widgets made from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any, Literal, Protocol

import ipywidgets
import pytest
from pydantic import BaseModel, Field

from agentlab.gallery.debate import Judge, Motion, Player
from agentlab.panels.fields import FormError, arguments, fields_of, make, parameters_of
from agentlab.panels.form import Form


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Point:
    x: float
    y: float = 0.5


class Shape(BaseModel):
    name: str
    points: list[Point] = Field(default_factory=lambda: [Point(1.0)])


@dataclass
class Everything:
    text: str
    number: int
    share: float
    yes: bool
    colour: Colour
    mode: Literal["fast", "slow"]
    day: date
    where: Point
    shape: Shape
    maybe: Point | None = None
    either: int | str = "both"
    words: list[str] = field(default_factory=list)
    table: dict[str, int] = field(default_factory=lambda: {"a": 1})
    hidden: int = field(default=3, init=False)


class Clock(Protocol):
    def now(self) -> float: ...


class Ticking:
    def __init__(self, clock: Clock, name: str = "tick", limit: int | None = None, *rest: int, **more: Any) -> None:
        self.clock, self.name, self.limit = clock, name, limit


def kinds(fields: list[Any]) -> dict[str, str]:
    return {one.name: one.kind for one in fields}


def test_every_field_of_a_class_has_the_kind_of_its_type() -> None:
    assert kinds(fields_of(Everything)) == {
        "text": "text",
        "number": "integer",
        "share": "number",
        "yes": "boolean",
        "colour": "choice",
        "mode": "choice",
        "day": "text",
        "where": "record",
        "shape": "record",
        "maybe": "variant",
        "either": "variant",
        "words": "list",
        "table": "json",
    }


def typed_everything(**changes: Any) -> dict[str, Any]:
    return {
        "text": "t",
        "number": 2,
        "share": 0.25,
        "yes": True,
        "colour": Colour.BLUE,
        "mode": "slow",
        "day": "2026-02-03",
        "where": {"x": 1.0, "y": 2.0},
        "shape": {"name": "line", "points": [{"x": 1.0, "y": 1.0}]},
        "maybe": (1, {"x": 3.0, "y": 4.0}),
        "either": (0, 7),
        "words": ["a", "b"],
        "table": '{"b": 2}',
    } | changes


def test_what_was_typed_makes_the_message() -> None:
    made = make(Everything, typed_everything())
    assert made.colour is Colour.BLUE
    assert made.day == date(2026, 2, 3)
    assert made.maybe == Point(3.0, 4.0)
    assert made.either == 7
    assert made.shape == Shape(name="line", points=[Point(1.0, 1.0)])
    assert made.table == {"b": 2}
    assert make(Everything, typed_everything(maybe=(0, None))).maybe is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"day": "tomorrow"}, "day: "),
        ({"table": "{"}, "table: this is no JSON"),
        ({"table": '{"a": "many"}'}, "table.a: "),
        ({"where": {"x": "here", "y": 1.0}}, "where.x: "),
        ({"number": None}, "number: "),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(FormError) as caught:
        make(Everything, typed_everything(**changes))
    assert str(caught.value).startswith(said)


def test_a_form_begins_with_the_defaults_and_gives_back_what_they_are() -> None:
    form = Form(fields_of(Everything))
    typed = form.typed()
    assert typed["mode"] == "fast"
    assert typed["table"] == '{"a":1}'
    assert typed["maybe"] == (0, None)
    assert typed["either"] == (1, "both")
    assert typed["shape"]["points"] == [{"x": 1.0, "y": 0.5}]
    made = make(Everything, typed | {"text": "t", "day": "2026-02-03"})
    assert made.where == Point(0.0, 0.5)
    form.close()


def test_a_list_grows_and_shrinks_and_a_variant_changes_its_entry() -> None:
    before = set(ipywidgets.widgets.widget._instances)
    form = Form(fields_of(Everything))
    rows, more = form.entries["words"].widget.children
    more.click()
    more.click()
    rows.children[0].children[0].value = "first"
    rows.children[1].children[0].value = "second"
    less = rows.children[0].children[1]
    less.click()
    less.click()
    assert form.typed()["words"] == ["second"]
    which, place = form.entries["maybe"].widget.children
    assert not place.children
    which.value = 1
    assert form.typed()["maybe"] == (1, {"x": 0.0, "y": 0.5})
    form.close()
    assert set(ipywidgets.widgets.widget._instances) <= before


def test_a_class_without_fields_says_so() -> None:
    @dataclass
    class Nothing:
        pass

    form = Form(fields_of(Nothing), nothing="nothing to fill in")
    assert "nothing to fill in" in form.widget.children[0].value
    assert make(Nothing, form.typed()) == Nothing()
    form.close()


def test_constructor_arguments_of_an_unusual_type_are_typed_as_python() -> None:
    assert kinds(parameters_of(Ticking)) == {"clock": "python", "name": "text", "limit": "variant"}
    assert kinds(parameters_of(Player)) == {"side": "text", "debater": "python"}
    assert kinds(parameters_of(Judge)) == {"first": "text", "second": "text"}


def test_arguments_that_are_the_default_are_left_out_and_python_knows_the_notebooks_names() -> None:
    typed = {"clock": "make()", "name": "tick", "limit": (1, 5)}
    assert arguments(Ticking, typed, {"make": lambda: "a clock"}) == {"clock": "a clock", "limit": 5}
    with pytest.raises(FormError, match="clock: this argument has no default"):
        arguments(Ticking, typed | {"clock": " "}, {})
    with pytest.raises(FormError, match="clock: NameError"):
        arguments(Ticking, typed, {})
    with pytest.raises(FormError, match="clock: SyntaxError"):
        arguments(Ticking, typed | {"clock": "import os"}, {})


def test_a_protobuf_message_is_typed_as_json() -> None:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.struct_pb2 import Struct

    (only,) = fields_of(Struct)
    assert only.kind == "json"
    assert make(Struct, {"": '{"a": 1}'})["a"] == 1
    with pytest.raises(FormError):
        make(Duration, {"": "x"})


def test_a_gallery_message_can_be_made_from_its_form() -> None:
    form = Form(fields_of(Motion))
    assert make(Motion, form.typed() | {"question": "Why?"}) == Motion("Why?", 2)
    form.close()


@dataclass
class Careless:
    text: str = None  # type: ignore[assignment]  # as many write it
    number: int = None  # type: ignore[assignment]
    words: list[str] = None  # type: ignore[assignment]


@dataclass
class Nested:
    inner: Careless


class Lenient:
    def __init__(self, name: str = None, words: list[str] = None, rate: float = "auto") -> None:  # type: ignore[assignment]  # noqa: RUF013
        pass


def test_what_is_none_unless_something_is_typed_stays_none() -> None:
    form = Form(fields_of(Careless))
    assert make(Careless, form.typed()) == Careless()
    assert make(Nested, {"inner": form.typed()}) == Nested(Careless())
    assert make(Careless, {"number": (1, 3), "words": (1, ["a"])}) == Careless(number=3, words=["a"])


def test_arguments_with_a_default_of_another_type_have_a_form() -> None:
    form = Form(parameters_of(Lenient))
    assert arguments(Lenient, form.typed(), {}) == {}
    typed = form.typed() | {"name": (1, "Ada"), "rate": "0.5"}
    assert arguments(Lenient, typed, {}) == {"name": "Ada", "rate": 0.5}
