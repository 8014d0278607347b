from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from datetime import datetime
from typing import Any

import pytest
from google.protobuf import any_pb2, struct_pb2, wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agentlab import (
    JSON_DATA_CONTENT_TYPE,
    PROTOBUF_DATA_CONTENT_TYPE,
    MessageSerializer,
    SerializationRegistry,
    UnknownPayload,
    try_get_known_serializers_for_type,
)
from agentlab.core.serialization import JsonMessageSerializer, message_type_name

from .cast import Number, Text


@dataclass
class Point:
    """The innermost."""

    x: int
    y: float


@dataclass
class Line:
    """Holds others, in each of the ways that the contract names."""

    name: str
    start: Point
    others: list[Point] = field(default_factory=list)
    by_name: dict[str, Point] = field(default_factory=dict)
    end: Point | None = None
    label: int | str | Point = 0
    when: datetime | None = None
    inner: Line | None = None


class Model(BaseModel):
    """A pydantic model that holds a dataclass."""

    name: str
    points: list[Point] = []


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
POINTS = st.builds(Point, st.integers(), FLOATS)
LINES = st.recursive(
    st.none(),
    lambda inner: st.builds(
        Line,
        st.text(),
        POINTS,
        st.lists(POINTS, max_size=3),
        st.dictionaries(st.text(), POINTS, max_size=3),
        st.none() | POINTS,
        st.integers() | st.text() | POINTS,
        st.none() | st.datetimes(),
        inner,
    ),
    max_leaves=3,
).filter(lambda line: line is not None)


def serializer_of(cls: type[Any]) -> MessageSerializer[Any]:
    (serializer,) = try_get_known_serializers_for_type(cls)
    return serializer


@given(LINES)
def test_nested_dataclasses_survive_the_way_through_bytes(line: Line) -> None:
    serializer = serializer_of(Line)
    assert serializer.deserialize(serializer.serialize(line)) == line


@given(st.builds(Model, name=st.text(), points=st.lists(POINTS)))
def test_pydantic_models_survive_the_way_through_bytes(model: Model) -> None:
    serializer = serializer_of(Model)
    assert serializer.deserialize(serializer.serialize(model)) == model


@given(st.text())
def test_protobuf_messages_survive_the_way_through_bytes(text: str) -> None:
    serializer, message = serializer_of(wrappers_pb2.StringValue), wrappers_pb2.StringValue(value=text)
    assert serializer.deserialize(serializer.serialize(message)) == message


@pytest.mark.parametrize("cls", [Line, Model])
def test_dataclasses_and_models_travel_as_json_under_the_class_name(cls: type[Any]) -> None:
    assert serializer_of(cls).data_content_type == JSON_DATA_CONTENT_TYPE == "application/json"
    assert serializer_of(cls).type_name == cls.__name__


def test_a_dataclass_as_json_is_its_fields() -> None:
    assert serializer_of(Text).serialize(Text("hi")) == b'{"text":"hi"}'


def test_protobuf_travels_as_an_any_under_the_full_name() -> None:
    serializer = serializer_of(wrappers_pb2.StringValue)
    assert serializer.data_content_type == PROTOBUF_DATA_CONTENT_TYPE == "application/x-protobuf"
    assert serializer.type_name == "google.protobuf.StringValue"
    packed = any_pb2.Any()
    packed.ParseFromString(serializer.serialize(wrappers_pb2.StringValue(value="hi")))
    assert packed.Is(wrappers_pb2.StringValue.DESCRIPTOR)


@pytest.mark.parametrize("cls", [str, int, dict, object])
def test_a_class_that_is_no_message_is_refused_with_what_would_be_one(cls: type[Any]) -> None:
    with pytest.raises(ValueError, match=rf"{cls.__name__} cannot be a message.*@dataclass.*pydantic.*protobuf"):
        try_get_known_serializers_for_type(cls)


def test_what_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="is a class"):
        try_get_known_serializers_for_type(Text("an instance"))  # type: ignore[arg-type]


def test_a_dataclass_with_a_field_that_has_no_json_form_is_refused() -> None:
    with pytest.raises(ValueError, match="Odd cannot be a message"):
        try_get_known_serializers_for_type(make_dataclass("Odd", [("what", object.__class__ | Number | range)]))


def test_a_dataclass_with_an_undefined_annotation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Odd cannot be a message.*NoSuchType"):
        try_get_known_serializers_for_type(make_dataclass("Odd", [("what", "NoSuchType")]))


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"x": "no number", "y": 1}', b'{"x": 1}', b"\xff"])
def test_bytes_that_are_no_such_message_raise_value_error(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"Point|JSON"):
        serializer_of(Point).deserialize(payload)


@given(st.binary())
def test_random_bytes_are_read_or_raise_value_error(payload: bytes) -> None:
    for cls in (Line, Model, wrappers_pb2.StringValue):
        try:
            message = serializer_of(cls).deserialize(payload)
        except ValueError:
            continue
        assert isinstance(message, cls)


def test_protobuf_of_another_type_raises_value_error() -> None:
    other = serializer_of(struct_pb2.Value).serialize(struct_pb2.Value(number_value=1))
    with pytest.raises(ValueError, match=r"Expected a protobuf google.protobuf.StringValue, not google.protobuf.Value"):
        serializer_of(wrappers_pb2.StringValue).deserialize(other)


def test_bytes_that_are_no_protobuf_raise_value_error() -> None:
    with pytest.raises(ValueError, match=r"no protobuf google.protobuf.StringValue"):
        serializer_of(wrappers_pb2.StringValue).deserialize(b"\xff\xff")


@pytest.mark.parametrize("value", [object(), "\ud800", b"\xff", lambda: None])
def test_a_value_that_cannot_be_written_raises_value_error(value: object) -> None:
    serializer = serializer_of(make_dataclass("Anything", [("value", Any)]))
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        serializer.serialize(serializer.cls(value))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (Text(), "Text"),
        (Text, "Text"),
        (wrappers_pb2.BoolValue(), "google.protobuf.BoolValue"),
        (wrappers_pb2.BoolValue, "google.protobuf.BoolValue"),
        ("text", "str"),
    ],
)
def test_the_type_name_is_the_class_name_or_the_protobuf_full_name(message: object, name: str) -> None:
    assert message_type_name(message) == name
    assert SerializationRegistry().type_name(message) == name


def test_a_registry_reads_what_it_wrote() -> None:
    registry = SerializationRegistry()
    registry.add_serializer(try_get_known_serializers_for_type(Text))
    names = {"type_name": "Text", "data_content_type": JSON_DATA_CONTENT_TYPE}
    assert registry.deserialize(registry.serialize(Text("hi"), **names), **names) == Text("hi")


def test_a_registry_knows_what_was_added_one_by_one_or_together() -> None:
    registry = SerializationRegistry()
    registry.add_serializer(serializer_of(Text))
    registry.add_serializer([serializer_of(Number), serializer_of(Line)])
    assert all(registry.is_registered(name, JSON_DATA_CONTENT_TYPE) for name in ("Text", "Number", "Line"))
    assert not registry.is_registered("Text", PROTOBUF_DATA_CONTENT_TYPE)
    assert not registry.is_registered("Point", JSON_DATA_CONTENT_TYPE)


def test_a_message_of_an_unknown_type_is_an_unknown_payload() -> None:
    read = SerializationRegistry().deserialize(b"{}", type_name="Far", data_content_type=JSON_DATA_CONTENT_TYPE)
    assert read == UnknownPayload("Far", JSON_DATA_CONTENT_TYPE, b"{}")


def test_writing_an_unknown_type_raises_value_error() -> None:
    with pytest.raises(ValueError, match="Unknown message type Text"):
        SerializationRegistry().serialize(Text(), type_name="Text", data_content_type=JSON_DATA_CONTENT_TYPE)


def test_a_later_serializer_takes_the_place_of_the_earlier() -> None:
    registry, again = SerializationRegistry(), make_dataclass("Text", [("text", str)])
    registry.add_serializer([serializer_of(Text), serializer_of(again)])
    read = registry.deserialize(b'{"text":"hi"}', type_name="Text", data_content_type=JSON_DATA_CONTENT_TYPE)
    assert type(read) is again


def test_the_serializer_for_a_message_is_made_when_there_is_none() -> None:
    registry = SerializationRegistry()
    assert registry.serializer_for(Text("hi")).serialize(Text("hi")) == b'{"text":"hi"}'
    assert registry.is_registered("Text", JSON_DATA_CONTENT_TYPE)


def test_the_serializer_for_a_message_is_the_one_that_was_added() -> None:
    registry, added = SerializationRegistry(), serializer_of(Text)
    registry.add_serializer(added)
    assert registry.serializer_for(Text()) is added


def test_the_serializer_for_a_message_is_the_one_added_last() -> None:
    registry, added = SerializationRegistry(), serializer_of(Text)
    assert registry.serializer_for(Text()) is not added
    registry.add_serializer(added)
    assert registry.serializer_for(Text()) is added


def test_a_message_of_a_class_that_was_defined_again_is_written_by_its_own_class() -> None:
    registry, again = SerializationRegistry(), make_dataclass("Text", [("text", str), ("more", int)])
    registry.add_serializer(serializer_of(Text))
    assert registry.serializer_for(again("hi", 1)).serialize(again("hi", 1)) == b'{"text":"hi","more":1}'
    read = registry.deserialize(b'{"text":"hi"}', type_name="Text", data_content_type=JSON_DATA_CONTENT_TYPE)
    assert type(read) is Text


def test_there_is_no_serializer_for_what_is_no_message() -> None:
    with pytest.raises(ValueError, match="str cannot be a message"):
        SerializationRegistry().serializer_for("text")


def test_the_known_serializers_keep_the_protocol() -> None:
    assert all(isinstance(serializer_of(cls), MessageSerializer) for cls in (Text, Model, wrappers_pb2.BoolValue))


@dataclass
class Measured:
    value: float


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1.5])
def test_a_dataclass_keeps_numbers_that_json_has_no_word_for(value: float) -> None:
    serializer = JsonMessageSerializer(Measured)
    assert repr(serializer.deserialize(serializer.serialize(Measured(value)))) == repr(Measured(value))
