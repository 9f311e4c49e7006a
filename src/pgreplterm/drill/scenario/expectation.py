"""Whether what was measured is what was expected.

Owns: [[expect]]: its keys, its sentence, and judging a figure by it. Pure. Must not: measure, or read a file.

A list of ids is compared by how many they are. A figure that is not there, or could not be measured, satisfies nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from pgreplterm.drill.figures import Figure, FigureValue
from pgreplterm.drill.report.model import Expectation
from pgreplterm.drill.scenario.errors import SchemaError
from pgreplterm.drill.scenario.keys import (
    FIGURE,
    FIGURE_NAME,
    SCALAR,
    SWITCH,
    TEXT,
    TEXTS,
    Key,
    Kind,
    either,
    number,
)  # fmt: skip
from pgreplterm.drill.scenario.model import Comparison, Expect
from pgreplterm.toml_text import Keys

_NUMBER = either(number(float("-inf")), FIGURE)
_NUMBER = Kind("a number, or the key of another figure", _NUMBER.read)
BACKENDS = ("local", "docker")


def _backends(value: Any) -> tuple[str, ...]:
    found: tuple[str, ...] = TEXTS.read(value)
    if any(word not in BACKENDS for word in found):
        raise ValueError
    return found


BACKENDS_KIND = Kind('a list of `"local"` and `"docker"`', _backends)
COMPARISONS: Mapping[str, Key] = {
    "is": Key(SCALAR, "it is exactly this; a list of ids is so many"),
    "is_not": Key(SCALAR, "it is anything else, and was measured"),
    "at_least": Key(_NUMBER, "it is this or more"),
    "at_most": Key(_NUMBER, "it is this or less"),
    "more_than": Key(_NUMBER, "it is more"),
    "less_than": Key(_NUMBER, "it is less"),
    "same_as": Key(FIGURE, "it is exactly what the other figure is; of two lists of ids, the same ids"),
    "known": Key(SWITCH, "true: it was measured, whatever it is; false: it could not be"),
}
EXPECT_KEYS: Mapping[str, Key] = {
    "figure": Key(FIGURE, "which figure", required=True),
    **COMPARISONS,
    "why": Key(TEXT, "the reason, for the report", default=""),
    "backends": Key(BACKENDS_KIND, "expected only there", default=()),
}
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "at_least": operator.ge,
    "at_most": operator.le,
    "more_than": operator.gt,
    "less_than": operator.lt,
}
_SAID = {
    "is": "is",
    "is_not": "is not",
    "at_least": "is at least",
    "at_most": "is at most",
    "more_than": "is more than",
    "less_than": "is less than",
    "same_as": "is the same as",
}


def expect_of(values: Mapping[str, Any], place: Keys) -> Expect:
    """The expectation of these values, which are of the right kinds. Raises SchemaError."""
    found = tuple(_comparison(word, values[word]) for word in COMPARISONS if values[word] is not None)
    if not found:
        raise SchemaError(f"expected one of {', '.join(COMPARISONS)} to compare the figure with: found none", *place)
    return Expect(values["figure"], found, values["why"].strip(), values["backends"])


def _comparison(word: str, value: Any) -> Comparison:
    is_key = word not in ("is", "is_not") and isinstance(value, str) and FIGURE_NAME.match(value)
    return Comparison(word, other=value) if is_key else Comparison(word, value)


def judge(expectations: tuple[Expect, ...], figures: Mapping[str, Figure], backend: str) -> tuple[Expectation, ...]:
    """Each that is expected on that backend, with whether it holds."""
    return tuple(_judged(each, figures) for each in expectations if not each.backends or backend in each.backends)


def sentence(expect: Expect) -> str:
    """``lost_ids is 0``; with the reason after a colon."""
    said = " and ".join(_clause(each) for each in expect.comparisons)
    return f"{expect.figure} {said}{f': {_line(expect.why)}' if expect.why else ''}"


def _judged(expect: Expect, figures: Mapping[str, Figure]) -> Expectation:
    value = _value(expect.figure, figures)
    results = [_holds(each, value, figures) for each in expect.comparisons]
    holds = False if False in results else None if None in results else True
    return Expectation(sentence(expect), holds, expect.figure, value)


def _holds(comparison: Comparison, value: FigureValue, figures: Mapping[str, Figure]) -> bool | None:
    if comparison.word == "known":
        return (value is not None) is comparison.value
    other = comparison.value if comparison.other is None else _value(comparison.other, figures)
    if value is None or other is None:
        return None
    if comparison.word == "same_as":
        return _same(value, other)
    mine, theirs = _countable(value), _countable(other)
    if comparison.word in ("is", "is_not"):
        return _same(mine, theirs) is (comparison.word == "is")
    if isinstance(mine, str) or isinstance(theirs, str):
        return None
    return _ORDER[comparison.word](mine, theirs)


def _same(mine: FigureValue, theirs: FigureValue) -> bool:
    """True is not 1."""
    return isinstance(mine, bool) is isinstance(theirs, bool) and mine == theirs


def _value(key: str, figures: Mapping[str, Figure]) -> FigureValue:
    return figures[key].value if key in figures else None


def _countable(value: FigureValue) -> Any:
    return len(value) if isinstance(value, tuple) else value


def _clause(comparison: Comparison) -> str:
    if comparison.word == "known":
        return "was measured" if comparison.value else "could not be measured"
    value = comparison.other if comparison.other is not None else comparison.value
    shown = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"{_SAID[comparison.word]} {shown}"


def _line(text: str) -> str:
    return " ".join(text.split())
