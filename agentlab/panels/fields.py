"""Forms as data: what fields a message class or a constructor has, and how to make an object from what was typed.

No widgets here. Read next: `agentlab.panels.form`, which shows them.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import types
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NewType, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError

Kind = Literal["text", "integer", "number", "boolean", "choice", "list", "record", "variant", "json", "python"]

_TYPED: Final = (str, bytes, datetime, date, time, timedelta, Decimal, Path, UUID)
"""Typed as text; pydantic reads them."""
_MANY: Final = (list, tuple, set, frozenset, Sequence, AbstractSet)


class _Missing(Enum):
    MISSING = "no default"


MISSING: Final = _Missing.MISSING


class FormError(ValueError):
    """What was typed makes no such object. The text has one line for every wrong field."""


@dataclass(frozen=True)
class Field:
    """One field of a form."""

    name: str
    annotation: Any
    kind: Kind
    default: Any = MISSING

    @property
    def type_text(self) -> str:
        """Its type, as one would write it."""
        if isinstance(self.annotation, type) and not get_args(self.annotation):
            return self.annotation.__name__
        return str(self.annotation).replace("typing.", "").replace("__main__.", "")

    @property
    def choices(self) -> list[tuple[str, Any]]:
        """Of a choice: what is shown, and what it stands for."""
        if get_origin(self.annotation) is Literal:
            return [(str(value), value) for value in get_args(self.annotation)]
        return [(member.name, member) for member in self.annotation]

    @property
    def item(self) -> Field:
        """Of a list: the field of one item."""
        return field_of("", get_args(self.annotation)[0])

    @property
    def alternatives(self) -> list[Field]:
        """Of a variant: one field for each type that it may have; the one for None comes first."""
        found = [field_of(_name(type_), type_) for type_ in get_args(self.annotation)]
        return sorted(found, key=lambda field: field.annotation is not types.NoneType)

    @property
    def fields(self) -> list[Field]:
        """Of a record: its own fields."""
        return fields_of(self.annotation)

    def start(self) -> Any:
        """The value it begins with: the default, or the plainest one of its kind."""
        if self.default is not MISSING:
            return self.default
        plain: dict[str, Any] = {"text": "", "integer": 0, "number": 0.0, "boolean": False, "list": [], "json": None}
        return self.choices[0][1] if self.kind == "choice" else plain.get(self.kind, MISSING)

    def alternative_for(self, value: Any) -> int:
        """Of a variant: which alternative a value is."""
        if value is MISSING:
            return 0
        return next((n for n, field in enumerate(self.alternatives) if _fits(field.annotation, value)), 0)


def _fits(annotation: Any, value: Any) -> bool:
    """Whether a value is of a type, as it is."""
    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except (ValidationError, PydanticUserError):
        return False
    return True


def _name(annotation: Any) -> str:
    return "none" if annotation is types.NoneType else field_of("", annotation).type_text


def kind_of(annotation: Any) -> Kind:
    """How a type is typed in: anything unusual as JSON."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return "variant"
    if origin is Literal:
        return "choice"
    if origin in _MANY:
        arguments = [argument for argument in get_args(annotation) if argument is not ...]
        return "list" if len(arguments) == 1 else "json"
    if not isinstance(annotation, type):
        return "json"
    if issubclass(annotation, Enum):
        return "choice"
    simple: tuple[tuple[type, Kind], ...] = ((bool, "boolean"), (int, "integer"), (float, "number"))
    for cls, kind in simple:
        if issubclass(annotation, cls):
            return kind
    if issubclass(annotation, _TYPED):
        return "text"
    return "record" if dataclasses.is_dataclass(annotation) or issubclass(annotation, BaseModel) else "json"


def field_of(name: str, annotation: Any, default: Any = MISSING) -> Field:
    """The field for something of a type. Whose default is None may be None, whatever its type says."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif default is None and kind_of(annotation) not in ("variant", "json"):
            annotation = annotation | None
        else:
            return Field(name, annotation, kind_of(annotation), default)


def fields_of(cls: type[Any]) -> list[Field]:
    """The fields of a dataclass or a pydantic model, or of anything else one JSON field without a name."""
    if isinstance(cls, type) and issubclass(cls, BaseModel):
        return [
            field_of(
                info.alias or name,
                info.annotation,
                MISSING if info.is_required() else info.get_default(call_default_factory=True, validated_data={}),
            )
            for name, info in cls.model_fields.items()
        ]
    if dataclasses.is_dataclass(cls):
        hints = get_type_hints(cls)
        return [field_of(f.name, hints[f.name], _default(f)) for f in dataclasses.fields(cls) if f.init]
    return [Field("", cls, "json", {})]


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return MISSING if field.default is dataclasses.MISSING else field.default


def make(cls: type[Any], typed: Mapping[str, Any]) -> Any:
    """The message that was typed. Raises FormError, which names each wrong field."""
    if hasattr(cls, "DESCRIPTOR"):
        return _protobuf(cls, str(typed.get("", "")))
    return _made(cls, typed, "")


def _made(cls: type[Any], typed: Mapping[str, Any], path: str) -> Any:
    values = {}
    for field in fields_of(cls):
        if field.name in typed:
            value = _read(field, typed[field.name], f"{path}.{field.name}" if path else field.name)
            if value is not None or field.default is not None:  # None may be the default of a type that forbids it
                values[field.name] = value
    return _validated(cls, values, path)


def _validated(annotation: Any, value: Any, path: str) -> Any:
    try:
        return TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            place = ".".join([*([path] if path else []), *map(str, problem["loc"])])
            lines.append(f"{place}: {problem['msg']}" if place else problem["msg"])
        raise FormError("\n".join(lines)) from None


def _protobuf(cls: type[Any], text: str) -> Any:
    from google.protobuf.json_format import Parse, ParseError

    try:
        return Parse(text.strip() or "{}", cls())
    except ParseError as error:
        raise FormError(str(error)) from None


def _read(field: Field, typed: Any, path: str) -> Any:
    """A value as pydantic takes it: JSON is read, the alternatives of a variant are told apart."""
    match field.kind:
        case "json":
            try:
                return json.loads(typed)
            except ValueError as error:
                raise FormError(f"{path or 'the message'}: this is no JSON: {error}") from None
        case "list":
            return [_read(field.item, item, f"{path}.{number}") for number, item in enumerate(typed)]
        case "record":
            return _made(field.annotation, typed, path)
        case "variant":
            number, value = typed
            chosen = field.alternatives[number]
            if chosen.annotation is types.NoneType:
                return None
            return _validated(chosen.annotation, _read(chosen, value, path), path)
    return typed


def parameters_of(function: Callable[..., Any]) -> list[Field]:
    """The constructor arguments of an agent class (or a function): those of an unusual type, or with a default of
    another type, are typed as Python.

    ``*args`` and ``**kwargs`` have no field.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:
        return []
    try:
        hints = get_type_hints(function.__init__ if isinstance(function, type) else function)  # type: ignore[misc]
    except (NameError, TypeError, AttributeError):
        hints = {}
    found = []
    for name, parameter in signature.parameters.items():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        default = MISSING if parameter.default is parameter.empty else parameter.default
        field = field_of(name, hints.get(name, Any), default)
        as_typed = _plain(field) and (default is MISSING or _fits(field.annotation, default))
        found.append(field if as_typed else dataclasses.replace(field, kind="python"))
    return found


def _plain(field: Field) -> bool:
    match field.kind:
        case "json":
            return False
        case "list":
            return _plain(field.item)
        case "variant":
            return all(one.annotation is types.NoneType or _plain(one) for one in field.alternatives)
        case "record":
            return all(_plain(one) for one in field.fields)
    return True


def arguments(function: Callable[..., Any], typed: Mapping[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    """The constructor's arguments by name; those that are the default are left out.

    Python is evaluated in the notebook's namespace. Raises FormError.
    """
    values: dict[str, Any] = {}
    for field in parameters_of(function):
        if field.kind == "python":
            text = str(typed[field.name]).strip()
            if text:
                values[field.name] = _evaluated(field.name, text, namespace)
            elif field.default is MISSING:
                raise FormError(f"{field.name}: this argument has no default.")
            continue
        value = _validated(field.annotation, _read(field, typed[field.name], field.name), field.name)
        if field.default is MISSING or value != field.default:
            values[field.name] = value
    return values


def _evaluated(name: str, text: str, namespace: dict[str, Any]) -> Any:
    try:
        ast.parse(text, mode="eval")
        return eval(text, namespace)
    except Exception as error:
        raise FormError(f"{name}: {type(error).__name__}: {error}") from None
