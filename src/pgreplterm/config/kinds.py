"""How a value is written, in the file and in an environment variable.

Owns: one function a kind of value, from what TOML holds or a variable says to what the program uses.
Must not: know which key it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgreplterm.cluster.thresholds import GB, KB, MB, seconds, size_in_bytes

_SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_TOML_NAMES = {
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """expected says it in words; read takes a TOML value, spoken a variable's text. Both raise ValueError.

    is_secret: a value may hold a password, so it is not quoted when it is wrong.
    """

    expected: str
    read: Callable[[Any], Any]
    spoken: Callable[[str], Any]
    spell: Callable[[Any], str] = str  # as it may be written
    is_secret: bool = False

    def complaint(self, value: object) -> str:
        """Expected and found, in one clause."""
        if self.is_secret or not isinstance(value, str | int | float):
            return f"expected {self.expected}, found {_TOML_NAMES.get(type(value), 'a date')}"
        return f"expected {self.expected}, found {_TOML_NAMES[type(value)]}: {_as_toml(value)}"


def _as_toml(value: str | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def a_time(least: float = 0.0) -> Kind:
    """Seconds, or a text with a unit."""

    def read(value: object) -> float:
        if isinstance(value, str):
            value = seconds(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < 1e9:
            raise ValueError
        return float(value)

    def spoken(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            return read(text)
        return read(number)

    at_least = f", at least {least:g}" if least else ""
    return Kind(f'seconds{at_least}, or a time such as "30s"', read, spoken, lambda value: f"{value:g}s")


def a_size() -> Kind:
    """Bytes, or a text with a unit."""

    def read(value: object) -> int:
        if isinstance(value, str):
            return size_in_bytes(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError
        return value

    def spoken(text: str) -> int:
        return read(int(text) if text.isdecimal() else text)

    return Kind('bytes, or a size such as "10MB"', read, spoken, _spell_size)


def _spell_size(value: int) -> str:
    """In the largest unit that divides it."""
    unit, size = next(
        (unit, size) for unit, size in (("GB", GB), ("MB", MB), ("kB", KB), ("B", 1)) if value % size == 0
    )
    return f"{value // size}{unit}" if value else "0B"


def a_count(least: int = 0, most: int | None = None) -> Kind:
    """A whole number."""

    def read(value: object) -> int:
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or value < least
            or (most is not None and value > most)
        ):
            raise ValueError
        return value

    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    return Kind(f"a whole number {bounds}", read, lambda text: read(int(text)))


def a_switch() -> Kind:
    """true or false."""

    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    def spoken(text: str) -> bool:
        if text.lower() not in _SWITCHES:
            raise ValueError
        return _SWITCHES[text.lower()]

    return Kind("true or false", read, spoken, lambda value: str(value).lower())


def one_of(names: Sequence[str]) -> Kind:
    """One of some words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError
        return value

    return Kind(f"one of {', '.join(names)}", read, read)


def connection_strings() -> Kind:
    """A list of them; in a variable one a line."""

    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ValueError
        return tuple(value)

    def spoken(text: str) -> tuple[str, ...]:
        return tuple(line.strip() for line in text.splitlines() if line.strip())

    return Kind("a list of connection strings", read, spoken, is_secret=True)


def named_connection_strings() -> Kind:
    """A table from a node's name to its connection string; in a variable NAME=DSN, one a line."""

    def read(value: object) -> Mapping[str, str]:
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise ValueError
        return dict(value)

    def spoken(text: str) -> Mapping[str, str]:
        pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
        if not all(name.strip() and dsn.strip() for name, _, dsn in pairs):
            raise ValueError
        return {name.strip(): dsn.strip() for name, _, dsn in pairs}

    return Kind("a table of NAME = connection string", read, spoken, is_secret=True)
