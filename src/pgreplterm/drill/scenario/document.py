"""The schema as tables of documentation.

Owns: the tables in docs/scenarios.md, which a test compares with what this makes. Must not: be needed at run time.

    python -m pgreplterm.drill.scenario.document docs/scenarios.md

writes them anew, between the marks that the page has for each.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pgreplterm.drill import procedures
from pgreplterm.drill.measure import registry
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Parameter
from pgreplterm.drill.scenario.conditions import CONDITIONS
from pgreplterm.drill.scenario.expectation import EXPECT_KEYS
from pgreplterm.drill.scenario.keys import Key
from pgreplterm.drill.scenario.schema import HEAD_KEYS, STEP_KEYS
from pgreplterm.drill.scenario.verbs import ALL
from pgreplterm.drill.scenario.verbs.traffic import CLIENTS_KEYS, LOAD_KEYS

_MARK = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def with_tables(page: str) -> str:
    """The page with every table as the code has it now. Raises KeyError for a mark of no table."""
    return _MARK.sub(lambda found: _marked(found[1]), page)


def _marked(name: str) -> str:
    lines = "\n".join(TABLES[name]())
    return f"<!-- table: {name} -->\n\n{lines.strip()}\n\n<!-- end -->"


def _keys(keys: Mapping[str, Key]) -> Iterator[str]:
    yield "| key | takes | what it is | unless said |"
    yield "| --- | --- | --- | --- |"
    for name, key in keys.items():
        yield f"| `{name}` | {_cell(key.kind.takes)} | {_cell(key.meaning)} | {_cell(key.unless_said)} |"


def _verbs() -> Iterator[str]:
    for verb in ALL:
        yield f"### `{verb.word}`"
        yield ""
        yield f"{verb.meaning[0].upper()}{verb.meaning[1:]}."
        yield ""
        yield from _keys({verb.word: verb.own, **verb.keys})
        yield ""


def _conditions() -> Iterator[str]:
    yield "| condition | holds when | options in `with` |"
    yield "| --- | --- | --- |"
    for condition in CONDITIONS:
        options = "; ".join(_option(name, key) for name, key in condition.keys.items())
        yield f"| `{condition.name}` | {_cell(condition.meaning)} | {_cell(options)} |"


def _option(name: str, key: Key) -> str:
    said = f", {key.unless_said} unless said" if not key.required and key.unless_said else ""
    needed = " (has to be there)" if key.required else ""
    return f"`{name}`: {key.meaning}, {key.kind.takes}{said}{needed}"


def _measures() -> Iterator[str]:
    for measure in registry.ALL:
        yield f"### measure `{measure.name}`"
        yield ""
        yield f"{measure.meaning[0].upper()}{measure.meaning[1:]}."
        yield ""
        if measure.parameters:
            yield from _parameters(measure.parameters)
            yield ""
        yield from _figures(measure)
        yield ""


def _parameters(parameters: Mapping[str, Parameter]) -> Iterator[str]:
    yield "| option in `with` | what it is | unless said |"
    yield "| --- | --- | --- |"
    for name, each in parameters.items():
        default = (
            "has to be there" if each.required else f"`{_shown(each.default)}`" if each.default not in ("", ()) else ""
        )
        words = f", one of {', '.join(each.choices)}" if 0 < len(each.choices) < 9 else ""
        unit = f" ({each.unit})" if each.unit else ""
        yield f"| `{name}` | {_cell(each.meaning)}{unit}{words} | {default} |"


def _figures(measure: Measure) -> Iterator[str]:
    yield "| figure | unit | how it is measured |"
    yield "| --- | --- | --- |"
    for each in measure.yields:
        is_not = f"; it is not {each.is_not}" if each.is_not else ""
        yield f"| `{each.key}` | {each.unit} | {_cell(each.how + is_not)} |"


def _drills() -> Iterator[str]:
    yield "| drill | what it does | options in `with` |"
    yield "| --- | --- | --- |"
    for kind in procedures.ALL:
        options = "; ".join(
            f"`{name}`: {each.meaning}"
            + (" (has to be there)" if each.required else f", `{each.default}` unless said" if each.default else "")
            for name, each in kind.options.items()
        )
        yield f"| `{kind.kind}` | {_cell(kind.effect)} | {_cell(options)} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


TABLES: Mapping[str, Callable[[], Iterator[str]]] = {
    "head": lambda: _keys(HEAD_KEYS),
    "load": lambda: _keys(LOAD_KEYS),
    "clients": lambda: _keys(CLIENTS_KEYS),
    "step": lambda: _keys(STEP_KEYS),
    "verbs": _verbs,
    "conditions": _conditions,
    "drills": _drills,
    "measures": _measures,
    "expect": lambda: _keys(EXPECT_KEYS),
}

if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.write_text(with_tables(place.read_text(encoding="utf-8")), encoding="utf-8")
