"""The options of a measure: what each means, and reading what a scenario gave.

Owns: their types, defaults and limits. Must not: know a measure, or a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pgreplterm.errors import PgReplTermError

Value = bool | int | float | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One option. The default's type is the option's: an int is taken for a float, a list of strings is a tuple.

    unit is "s", "rows", "bytes" and the like; choices, when there are any, are all it may be; least is the smallest.
    """

    meaning: str
    default: Value
    unit: str = ""
    choices: tuple[str, ...] = ()
    least: float | None = None
    required: bool = False


class Options:
    """Checked options, those that were not given at their defaults."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """A string."""
        value = self._values[name]
        assert isinstance(value, str), name
        return value

    def whole(self, name: str) -> int:
        """A whole number."""
        value = self._values[name]
        assert isinstance(value, int), name
        return value

    def number(self, name: str) -> float:
        """A number."""
        value = self._values[name]
        assert isinstance(value, int | float), name
        return float(value)

    def flag(self, name: str) -> bool:
        """True or false."""
        return bool(self._values[name])

    def names(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self._values[name]
        assert isinstance(value, tuple), name
        return value


def checked(measure: str, parameters: Mapping[str, Parameter], given: Mapping[str, object]) -> Options:
    """The options given, with the defaults of the rest. Raises PgReplTermError naming the first wrong one."""
    for name in given:
        if name not in parameters:
            raise PgReplTermError(f"measure {measure}: expected an option {_known(parameters, name)}, found {name!r}.")
    for name, parameter in parameters.items():
        if parameter.required and name not in given:
            raise PgReplTermError(f"measure {measure}: expected the option {name!r} ({parameter.meaning}); add it.")
    return Options(
        {
            name: _read(measure, name, parameter, given[name]) if name in given else parameter.default
            for name, parameter in parameters.items()
        }
    )


def _known(parameters: Mapping[str, Parameter], name: str) -> str:
    meant = get_close_matches(name, parameters, n=1)
    if meant:
        return f"such as {meant[0]!r}"
    return f"among {', '.join(parameters)}" if parameters else "of none (it has none)"


def _read(measure: str, name: str, parameter: Parameter, value: object) -> Value:
    read = _typed(parameter.default, value)
    if read is None:
        kind = _KINDS[type(parameter.default)]
        raise PgReplTermError(f"measure {measure}: expected {kind} for {name!r}, found {value!r}.")
    if parameter.choices:
        wrong = [each for each in ((read,) if isinstance(read, str) else _each(read)) if each not in parameter.choices]
        if wrong:
            meant = get_close_matches(wrong[0], parameter.choices, n=1)
            among = f"such as {meant[0]!r}" if meant else f"among {', '.join(parameter.choices)}"
            raise PgReplTermError(f"measure {measure}: expected {name!r} to be {among}, found {wrong[0]!r}.")
    if parameter.least is not None and isinstance(read, int | float) and read < parameter.least:
        raise PgReplTermError(f"measure {measure}: expected {name!r} to be at least {parameter.least:g}, found {read}.")
    return read


def _typed(default: Value, value: object) -> Value | None:
    match default:
        case bool():
            return value if isinstance(value, bool) else None
        case int():
            return value if isinstance(value, int) and not isinstance(value, bool) else None
        case float():
            return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        case str():
            return value if isinstance(value, str) else None
        case tuple():
            words = [value] if isinstance(value, str) else value
            is_list = isinstance(words, Sequence) and all(isinstance(each, str) for each in words)
            return tuple(words) if is_list else None  # type: ignore[arg-type]


def _each(value: Value) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    tuple: "a list of strings",
}
