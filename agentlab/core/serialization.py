"""How a message becomes bytes and back.

A message is a dataclass, a pydantic model or a protobuf message. The first two travel as JSON (pydantic does the
work for both, so nested dataclasses, lists, optionals and unions are fine), the third as a protobuf ``Any``.
On the wire a message type has a name: the class's name, or the protobuf full name.

pydantic and protobuf are imported when the first message needs them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from functools import lru_cache
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")

JSON_DATA_CONTENT_TYPE: Final = "application/json"
"""Content type of a dataclass or a pydantic model."""
PROTOBUF_DATA_CONTENT_TYPE: Final = "application/x-protobuf"
"""Content type of a protobuf message, packed in a ``google.protobuf.Any``."""


@runtime_checkable
class MessageSerializer(Protocol[T]):
    """A message serializer: turns messages of one type into bytes of one content type, and back."""

    @property
    def data_content_type(self) -> str:
        """The content type of the bytes."""
        ...

    @property
    def type_name(self) -> str:
        """The message type's name on the wire."""
        ...

    def deserialize(self, payload: bytes) -> T:
        """Raises ValueError when the bytes are no such message."""
        ...

    def serialize(self, message: T) -> bytes:
        """Raises ValueError when the message has a value that cannot be written."""
        ...


@dataclass(frozen=True)
class UnknownPayload:
    """A message that this process cannot read, because it knows no such type: its name and its bytes."""

    type_name: str
    """The message type's name."""
    data_content_type: str
    """What the bytes are."""
    payload: bytes
    """The bytes."""


class JsonMessageSerializer(MessageSerializer[Any]):
    """Dataclasses and pydantic models as JSON.

    Raises ValueError for a class with a field that has no JSON form.
    """

    def __init__(self, cls: type[Any]) -> None:
        from pydantic import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, TypeAdapter
        from pydantic_core import to_json

        self._write = to_json
        self.cls = cls
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(cls)
            self._adapter.rebuild()  # says now, and not at the first message, that an annotation is not defined
            self._read = self._adapter.validator.validate_json
        except PydanticSchemaGenerationError as error:
            reason = str(error).partition(". ")[0]  # what follows is for who writes pydantic models
            raise ValueError(
                f"{cls.__name__} cannot be a message: it has a field without a JSON form. {reason}."
            ) from error
        except PydanticUndefinedAnnotation as error:
            raise ValueError(f"{cls.__name__} cannot be a message: {error}") from error

    @property
    def data_content_type(self) -> str:
        """``application/json``."""
        return JSON_DATA_CONTENT_TYPE

    @property
    def type_name(self) -> str:
        """The class's name."""
        return self.cls.__name__

    def deserialize(self, payload: bytes) -> Any:
        """Raises pydantic's ValidationError (a ValueError) that names each wrong field."""
        return self._read(payload)

    def serialize(self, message: Any) -> bytes:
        """UTF-8 encoded JSON. NaN and infinities are written as Python's json does, since JSON has no word for them; in
        a pydantic model, as its configuration says."""
        try:
            return self._write(message, inf_nan_mode="constants")
        except ValueError as error:
            raise ValueError(f"{message!r:.200} cannot be written as JSON: {error}") from error


class ProtobufMessageSerializer(MessageSerializer[Any]):
    """Protobuf messages, packed in a ``google.protobuf.Any``."""

    def __init__(self, cls: type[Any]) -> None:
        self.cls = cls

    @property
    def data_content_type(self) -> str:
        """``application/x-protobuf``."""
        return PROTOBUF_DATA_CONTENT_TYPE

    @property
    def type_name(self) -> str:
        """The protobuf full name."""
        return message_type_name(self.cls)

    def deserialize(self, payload: bytes) -> Any:
        """Raises ValueError when the bytes are no ``Any``, or hold another type."""
        from google.protobuf import any_pb2
        from google.protobuf.message import DecodeError

        packed, message = any_pb2.Any(), self.cls()
        try:
            packed.ParseFromString(payload)
            unpacked = packed.Unpack(message)
        except DecodeError as error:
            raise ValueError(f"These bytes are no protobuf {self.type_name}: {error}") from error
        if not unpacked:
            raise ValueError(f"Expected a protobuf {self.type_name}, not {packed.TypeName() or 'an empty Any'}.")
        return message

    def serialize(self, message: Any) -> bytes:
        """The bytes of the ``Any``."""
        from google.protobuf import any_pb2
        from google.protobuf.message import EncodeError

        packed = any_pb2.Any()
        try:
            packed.Pack(message)
        except EncodeError as error:
            raise ValueError(f"The protobuf {self.type_name} is not complete: {error}") from error
        return packed.SerializeToString()


def _is_protobuf(cls: type[Any]) -> bool:
    protobuf = sys.modules.get("google.protobuf.message")  # not imported: nobody can have made a message yet
    return protobuf is not None and issubclass(cls, protobuf.Message)


def _is_pydantic(cls: type[Any]) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


def message_type_name(message: object) -> str:
    """The name on the wire of a message, or of a message class."""
    return class_name(message if isinstance(message, type) else type(message))


@lru_cache(maxsize=256)  # asked for every message; few, so that classes a notebook made anew are let go
def class_name(cls: type[Any]) -> str:
    """The name on the wire of a message class's objects."""
    return cls.DESCRIPTOR.full_name if _is_protobuf(cls) else cls.__name__


def checked_message(message: object) -> object:
    """Return it, unless it is a class where an object of it is meant: then raise ValueError."""
    if isinstance(message, type):
        raise ValueError(
            f"{message.__name__} is a class, and a message is an object of one: write {message.__name__}(…)."
        )
    return message


def is_message_class(cls: type[Any]) -> bool:
    """Whether objects of this class can be messages."""
    return is_dataclass(cls) or _is_pydantic(cls) or _is_protobuf(cls)


def try_get_known_serializers_for_type(cls: type[Any]) -> list[MessageSerializer[Any]]:
    """The serializers for a message class. Raises ValueError when it is none."""
    if not isinstance(cls, type):
        raise ValueError(f"A message type is a class, not {cls!r}.")
    if _is_pydantic(cls) or is_dataclass(cls):
        return [JsonMessageSerializer(cls)]
    if _is_protobuf(cls):
        return [ProtobufMessageSerializer(cls)]
    raise ValueError(
        f"{cls.__name__} cannot be a message. A message is a dataclass (decorate the class with @dataclass), "
        "a pydantic model, or a protobuf message."
    )


class SerializationRegistry:
    """The message types that a process can read and write."""

    def __init__(self) -> None:
        self._serializers: dict[tuple[str, str], MessageSerializer[Any]] = {}
        self._of_class: dict[type[Any], MessageSerializer[Any]] = {}

    def add_serializer(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """Add one or several; a later one for the same type name and content type takes the place of the earlier."""
        for one in serializer if isinstance(serializer, Sequence) else [serializer]:
            self._serializers[one.type_name, one.data_content_type] = one
            self._of_class.clear()

    def is_registered(self, type_name: str, data_content_type: str) -> bool:
        """Whether messages of this type can be read here."""
        return (type_name, data_content_type) in self._serializers

    def reader(self, type_name: str, data_content_type: str) -> MessageSerializer[Any] | None:
        """What messages of this type are read with; None for a type that was not added."""
        return self._serializers.get((type_name, data_content_type))

    def type_name(self, message: object) -> str:
        """The message's type name on the wire."""
        return message_type_name(message)

    def serialize(self, message: Any, *, type_name: str, data_content_type: str) -> bytes:
        """Raises ValueError for a type that was not added."""
        serializer = self._serializers.get((type_name, data_content_type))
        if serializer is None:
            raise ValueError(f"Unknown message type {type_name} with content type {data_content_type}.")
        return serializer.serialize(message)

    def deserialize(self, payload: bytes, *, type_name: str, data_content_type: str) -> Any:
        """The message, or an `UnknownPayload` for a type that was not added.

        Raises ValueError when the bytes are no such message.
        """
        serializer = self._serializers.get((type_name, data_content_type))
        if serializer is None:
            return UnknownPayload(type_name, data_content_type, payload)
        return serializer.deserialize(payload)

    def serializer_for(self, message: Any) -> MessageSerializer[Any]:
        """The serializer of the message's own class, made if there is none yet. Raises ValueError for no message.

        A class of the same name that was added later keeps its place for *reading*; this one is for writing.
        """
        cls = type(message)
        serializer = self._of_class.get(cls)
        if serializer is None:
            checked_message(message)
            name = message_type_name(cls)
            content = PROTOBUF_DATA_CONTENT_TYPE if _is_protobuf(cls) else JSON_DATA_CONTENT_TYPE
            added = self._serializers.get((name, content))
            if added is not None and getattr(added, "cls", cls) is cls:
                serializer = added
            else:
                (serializer,) = try_get_known_serializers_for_type(cls)
                self._serializers.setdefault((name, content), serializer)
            self._of_class[cls] = serializer
        return serializer
