"""A scenario as a TOML file.

Owns: reading it whole, and the line of what is wrong. Must not: run anything, or know the keys of a table
(``schema``, ``verbs``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pgreplterm.cluster.words import printable
from pgreplterm.drill.measure import registry
from pgreplterm.drill.scenario.context import Context
from pgreplterm.drill.scenario.errors import ScenarioFileError, SchemaError, shown
from pgreplterm.drill.scenario.expectation import EXPECT_KEYS, expect_of
from pgreplterm.drill.scenario.keys import TABLE, read_table
from pgreplterm.drill.scenario.lab_table import read_lab
from pgreplterm.drill.scenario.model import Expect, Level, Scenario, ScenarioStep
from pgreplterm.drill.scenario.schema import HEAD_KEYS, STEP_KEYS, TABLES
from pgreplterm.drill.scenario.verbs import BY_WORD
from pgreplterm.drill.scenario.verbs.traffic import read_clients, read_load
from pgreplterm.toml_text import Keys, TomlError, TomlText, parse_toml, read_toml
from pgreplterm.unknown_name import unknown


def read_scenario(path: Path) -> Scenario:
    """The scenario in that file, checked. Raises ScenarioFileError."""
    try:
        return _checked(read_toml(path, "scenario"), path)
    except TomlError as error:
        raise ScenarioFileError(str(error)) from None


def read_text(text: str, path: Path) -> Scenario:
    """The scenario that a text describes, checked; path is what to call it. Raises ScenarioFileError."""
    try:
        return _checked(parse_toml(text, str(path)), path)
    except TomlError as error:
        raise ScenarioFileError(str(error)) from None


def _checked(toml: TomlText, path: Path) -> Scenario:
    try:
        return _scenario(toml.document, path)
    except SchemaError as error:
        raise ScenarioFileError(f"{toml.place(error.keys)}: {error}") from None


def _scenario(document: Mapping[str, Any], path: Path) -> Scenario:
    head = read_table(document, HEAD_KEYS, (), others=TABLES)
    if "lab" not in document:
        raise SchemaError(
            "expected a table [lab] with the lab to build, such as shape = 'pg1(pg2, pg3)': it is missing"
        )
    plan = read_lab(_table(document, "lab"))
    context = Context(plan)
    load = clients = None
    if "load" in document:
        load = read_load(_table(document, "load"), ("load",), context.nodes)
    if "clients" in document:
        clients = read_clients(_table(document, "clients"), ("clients",))
    context.had_clients = clients is not None
    steps = _steps(document, context)
    if context.had_clients:
        context.measured(registry.find("clients"), "")
    expectations = _expectations(document, context)
    for number_, figure in enumerate(head["figures"]):
        _check_figure(figure, context, ("figures", str(number_)))
    return Scenario(
        **{
            **head,
            **{key: _line(head[key]) for key in ("summary", "teaches", "mysql")},
            "title": head["title"] or head["name"],
            "level": Level(head["level"]),
        },
        lab=plan,
        steps=steps,
        path=path,
        load=load,
        clients=clients,
        expectations=expectations,
    )


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    try:
        return TABLE.read(document[name])  # type: ignore[no-any-return]
    except ValueError:
        raise SchemaError(f"expected a table [{name}]: found {shown(document[name])}", name) from None


def _tables(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    tables = document.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise SchemaError(f"expected tables [[{name}]], one each: found something else", name)
    return tables


def _steps(document: Mapping[str, Any], context: Context) -> tuple[ScenarioStep, ...]:
    tables = _tables(document, "step")
    if not tables:
        raise SchemaError("expected tables [[step]], one a step: there is none")
    found: list[ScenarioStep] = []
    for number_, table in enumerate(tables):
        place = ("step", str(number_))
        step = _step(table, context, place)
        for other in found:
            if other.name == step.name:
                raise SchemaError(f"two steps are called {printable(step.name)!r}", *place, "name")
        found.append(step)
    return tuple(found)


def _step(table: Mapping[str, Any], context: Context, place: Keys) -> ScenarioStep:
    words = [word for word in table if word in BY_WORD]
    inside = f" in [[step]] {printable(str(table['name']))}" if "name" in table else " in [[step]]"
    if len(words) != 1:
        _only_keys_of_some_verb(table, place, inside)
        found = f"{words[0]} and {words[1]}" if words else "none"
        raise SchemaError(f"a step has exactly one verb ({', '.join(BY_WORD)}): found {found}{inside}", *place)
    verb = BY_WORD[words[0]]
    values = read_table(table, {**STEP_KEYS, verb.word: verb.own, **verb.keys}, place, f"{inside} with {verb.word}")
    context.place, context.step = place, values["name"]
    if values["stage"]:
        context.opens(values["stage"])
    return ScenarioStep(values["name"], verb.read(values, context), _line(values["explain"]), values["stage"])


def _line(text: str) -> str:
    return " ".join(text.split())


def _only_keys_of_some_verb(table: Mapping[str, Any], place: Keys, inside: str) -> None:
    """A misspelt verb is an unknown key, said with the nearest one."""
    known = {*STEP_KEYS, *BY_WORD, *(key for verb in BY_WORD.values() for key in verb.keys)}
    for name in table:
        if name not in known:
            raise SchemaError(unknown("key", name, (*BY_WORD, *STEP_KEYS), inside), *place, name)


def _expectations(document: Mapping[str, Any], context: Context) -> tuple[Expect, ...]:
    found = []
    for number_, table in enumerate(_tables(document, "expect")):
        place = ("expect", str(number_))
        expect = expect_of(read_table(table, EXPECT_KEYS, place, " in [[expect]]"), place)
        _check_figure(expect.figure, context, (*place, "figure"))
        for comparison in expect.comparisons:
            if comparison.other is not None:
                _check_figure(comparison.other, context, (*place, comparison.word))
        found.append(expect)
    return tuple(found)


def _check_figure(figure: str, context: Context, place: Keys) -> None:
    """A figure that no step can have measured is a mistake, not a run without a verdict."""
    if (complaint := context.complaint(figure)) is not None:
        raise SchemaError(complaint, *place)
