"""Frozen values to plain data (what JSON holds) and back, derived from the dataclasses' type hints.

Owns: both directions, for whatever ``cluster.model`` is made of, now or later. A field the reader does not know is
ignored; one that is not there takes its default, or None where the type allows that.
Must not: touch a file.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

Decode = Callable[[Any], Any]
_NAMES: dict[Any, tuple[str, ...]] = {}


class CodecError(ValueError):
    """Plain data that is no value of the type it should be of."""


def plain(value: Any) -> Any:
    """The value as dicts, lists, strings, numbers, booleans and None; numbers may be subclasses (LSN)."""
    if is_dataclass(value):
        return {name: plain(getattr(value, name)) for name in field_names(type(value))}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value


def field_names(kind: Any) -> tuple[str, ...]:
    """A dataclass's fields, in order."""
    if kind not in _NAMES:
        _NAMES[kind] = tuple(field.name for field in fields(kind))
    return _NAMES[kind]


@cache
def decoder(hint: Any) -> Decode:
    """What turns plain data into a value of that type. Raises TypeError for a type no snapshot may hold.

    The function it returns raises CodecError.
    """
    if is_dataclass(hint):
        return _dataclass(hint)  # type: ignore[arg-type]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional(hint, arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(decoder(arguments[1]))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint)
    if isinstance(hint, type) and issubclass(hint, bool | int | float | str):
        return _scalar(hint)
    raise TypeError(f"a snapshot may not hold {hint!r}: recording/codec.py does not know how to write and read it")


def _dataclass(kind: type) -> Decode:
    hints = get_type_hints(kind)
    known = {field.name: _field(field, hints[field.name]) for field in fields(kind)}

    def decode(data: Any) -> Any:
        if not isinstance(data, dict):
            raise CodecError(f"expected the fields of {kind.__name__}, found {type(data).__name__}")
        return kind(**{name: read(data) for name, read in known.items()})

    return decode


def _field(field: Field[Any], hint: Any) -> Callable[[dict[str, Any]], Any]:
    name, decode = field.name, decoder(hint)

    def read(data: dict[str, Any]) -> Any:
        if name in data:
            return decode(data[name])
        if field.default is not MISSING:
            return field.default
        if field.default_factory is not MISSING:
            return field.default_factory()
        return decode(None)

    return read


def _optional(hint: Any, arguments: tuple[Any, ...]) -> Decode:
    (other,) = set(arguments) - {types.NoneType} if types.NoneType in arguments and len(arguments) == 2 else (None,)
    if other is None:
        raise TypeError(f"a snapshot may not hold {hint!r}: of a union nobody can tell what was written")
    decode = decoder(other)
    return lambda data: None if data is None else decode(data)


def _tuple(arguments: tuple[Any, ...]) -> Decode:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        each = decoder(arguments[0])
        return lambda data: tuple([each(item) for item in _list(data)])
    parts = [decoder(argument) for argument in arguments]

    def decode(data: Any) -> tuple[Any, ...]:
        if len(_list(data)) != len(parts):
            raise CodecError(f"expected {len(parts)} values, found {len(data)}")
        return tuple([part(item) for part, item in zip(parts, data, strict=True)])

    return decode


def _list(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise CodecError(f"expected a list, found {type(data).__name__}")
    return data


def _mapping(each: Decode) -> Decode:
    def decode(data: Any) -> Mapping[str, Any]:
        if not isinstance(data, dict):
            raise CodecError(f"expected a mapping, found {type(data).__name__}")
        return types.MappingProxyType({key: each(item) for key, item in data.items()})

    return decode


def _enum(kind: type[Enum]) -> Decode:
    """A word that a later version added reads as unknown where the enum knows that word."""
    members = {member.value: member for member in kind}
    unknown = members.get("unknown")

    def decode(data: Any) -> Enum:
        member = members.get(data, unknown) if isinstance(data, str | int) else None
        if member is None:
            raise CodecError(f"expected a {kind.__name__}, found {data!r}")
        return member

    return decode


def _scalar(kind: type) -> Decode:
    """int for float is what JSON makes of a whole number in other writers; a bool is no number."""
    accepted: tuple[type, ...] = (
        next(base for base in _ACCEPTED if issubclass(kind, base)),
        *((int,) if issubclass(kind, float) else ()),
    )
    exact = kind in (bool, int, float, str)

    def decode(data: Any) -> Any:
        if not isinstance(data, accepted) or (isinstance(data, bool) and kind is not bool):
            raise CodecError(f"expected {kind.__name__}, found {type(data).__name__}")
        return data if exact else kind(data)

    return decode


_ACCEPTED: tuple[type, ...] = (bool, int, float, str)
