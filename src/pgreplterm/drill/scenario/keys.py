"""What a key of a scenario file takes: its kind, its default, and the sentence about it.

Owns: the kinds of values, and reading one table by a list of keys; docs/scenarios.md prints those lists.
Must not: know any key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pgreplterm.drill.scenario.errors import SchemaError, shown
from pgreplterm.toml_text import Keys
from pgreplterm.unknown_name import unknown

FIGURE_NAME = re.compile(r"[a-z][a-z0-9_]*(:[^:\x00-\x1f\x7f]+)*\Z")
"""A figure's key: snake_case, and after a colon the node, or the stage, or whatever it is of."""

_WORD = re.compile(r"[a-z][a-z0-9_]*\Z")
TINY = 1e-9
"""The least of a number that must be above 0."""

_SIZES = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|MB|GB)\Z")


@dataclass(frozen=True, slots=True)
class Kind:
    """takes is what a user is told; read gives the value back in its final form, or raises ValueError."""

    takes: str
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it takes, what it means, and what it is when left out."""

    kind: Kind
    meaning: str
    default: Any = None
    required: bool = False

    @property
    def unless_said(self) -> str:
        """The default as a table of the documentation has it."""
        if self.required:
            return "has to be there"
        if self.default is None or self.default in ("", (), {}):
            return ""
        if isinstance(self.default, tuple):
            return ", ".join(f'`"{each}"`' for each in self.default)
        return f'`"{self.default}"`' if isinstance(self.default, str) else f"`{_plain(self.default)}`"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def read_table(
    table: Mapping[str, Any], keys: Mapping[str, Key], place: Keys, inside: str = "", others: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A value for every key. others are keys that somebody else reads. Raises SchemaError."""
    for name in table:
        if name not in keys and name not in others:
            raise SchemaError(unknown("key", name, (*keys, *others), inside), *place, name)
    found = {}
    for name, key in keys.items():
        if name in table:
            found[name] = _value(name, key, table[name], (*place, name))
        elif key.required:
            raise SchemaError(f"expected {name}, {key.kind.takes}{inside}: it is missing", *place)
        else:
            found[name] = key.default
    return found


def _value(name: str, key: Key, value: Any, place: Keys) -> Any:
    try:
        return key.kind.read(value)
    except ValueError as error:
        said = f" ({error})" if str(error) else ""
        raise SchemaError(f"{name} is {key.kind.takes}: found {shown(value)}{said}", *place) from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def _line(value: Any) -> str:
    if "\n" in _text(value).strip():
        raise ValueError
    return value.strip()  # type: ignore[no-any-return]


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _figure(value: Any) -> str:
    if not isinstance(value, str) or not FIGURE_NAME.match(value):
        raise ValueError
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str) or not _WORD.match(value):
        raise ValueError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError
    return tuple(_line(each) for each in value)


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError
    return value


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise ValueError
    return value


def _settings(value: Any) -> dict[str, str]:
    """Settings as the server takes them; one level of dots is a table to TOML."""
    found: dict[str, str] = {}
    for name, one in _table(value).items():
        if isinstance(one, dict):
            found |= {f"{name}.{rest}": text for rest, text in _settings(one).items()}
        else:
            found[name] = _setting(one)
    return found


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(_scalar(value))


def number(least: float = 0.0, most: float = math.inf, whole: bool = False) -> Kind:
    """A number in those limits."""

    def read(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise ValueError
        if not math.isfinite(value) or not least <= value <= most:
            raise ValueError
        return value

    return Kind(f"a {'whole ' if whole else ''}number{_limits(least, most)}", read)


def _limits(least: float, most: float) -> str:
    if least == -math.inf:
        return ""
    if most < math.inf:
        return f" from {least:g} to {most:,.0f}"
    return f" of at least {least:g}" if least > TINY else " of at least 0" if least == 0 else " above 0"


def one_of(*words: str) -> Kind:
    """One of these texts."""

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    return Kind(_either(words), read)


def _either(words: tuple[str, ...]) -> str:
    *first, last = (f'"{word}"' for word in words)
    return f"{', '.join(first)} or {last}" if first else last


def _size(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.match(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError
    return round(float(found[1]) * _SIZES[found[2]])


def either(first: Kind, second: Kind) -> Kind:
    """What one of the two takes."""

    def read(value: Any) -> Any:
        try:
            return first.read(value)
        except ValueError:
            return second.read(value)

    return Kind(f"{first.takes}, or {second.takes}", read)


TEXT = Kind("a text in quotes", _text)
LINE = Kind("a text of one line", _line)
SWITCH = Kind("true or false", _switch)
FIGURE = Kind("the key of a figure", _figure)
WORD = Kind("a word of a-z, 0-9 and _", _word)
TEXTS = Kind("a list of texts", _texts)
TABLE = Kind("a table", _table)
SCALAR = Kind("a text, a number, true or false", _scalar)
SETTINGS = Kind("a table of settings, name = value each", _settings)
SECONDS = number(0.0, 3600.0)
COUNT = number(0, 1_000_000, whole=True)
SIZE = Kind('a number of bytes, or a text like "16MB"', _size)
NODE = Kind('a node of the lab, `"primary"` or `"candidate"`', _line)
NODES = Kind('a node of the lab, `"primary"`, `"candidate"`, `"standbys"` or `"all"`', _line)
