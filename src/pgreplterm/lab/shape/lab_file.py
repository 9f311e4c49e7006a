"""A lab as a TOML file.

Owns: the keys of that file, reading it into a plan, and the line of what is wrong. Must not: judge the plan
(``check``) or write the file (``toml``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pgreplterm.cluster.words import printable
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.shape.check import checked
from pgreplterm.lab.shape.errors import PlanError
from pgreplterm.lab.shape.plan import DEFAULT_SEGMENT, LabPlan, NodePlan
from pgreplterm.toml_text import Keys, TomlError, TomlText, parse_toml, read_toml
from pgreplterm.unknown_name import unknown

BACKENDS = ("local", "docker")

_SEGMENT = re.compile(r"(\d{1,6})\s*(MB|GB)\Z")
LAB_KEYS = (
    "name", "backend", "postgresql", "segment_size", "fsync", "archive", "synchronous", "settings", "node",
)  # fmt: skip
_NODE_KEYS = ("name", "follows", "delay", "settings")


class LabFileError(LabError):
    """A lab file that describes no lab, with FILE:LINE where there is one."""


def read_lab_file(path: Path) -> LabPlan:
    """The plan in that file, checked. Raises LabFileError."""
    try:
        return _checked(read_toml(path, "lab file"))
    except TomlError as error:
        raise LabFileError(str(error)) from None


def read_text(text: str, source: str) -> LabPlan:
    """The plan that a text describes, checked; source is what to call it. Raises LabFileError."""
    try:
        return _checked(parse_toml(text, source))
    except TomlError as error:
        raise LabFileError(str(error)) from None


def plan_of(document: Mapping[str, Any]) -> LabPlan:
    """The plan of a table with these keys, not judged yet. Raises PlanError."""
    return _plan(document)


def _checked(toml: TomlText) -> LabPlan:
    try:
        return checked(_plan(toml.document))
    except PlanError as error:
        raise LabFileError(f"{toml.place(error.keys)}: {error}") from None


def _plan(document: Mapping[str, Any]) -> LabPlan:
    _only(document, LAB_KEYS, (), "")
    tables = document.get("node", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise PlanError("expected tables [[node]], one a server: found something else", "node")
    return LabPlan(
        nodes=tuple(_node(table, number) for number, table in enumerate(tables)),
        name=_text(document, "name", "lab"),
        postgresql=_postgresql(document.get("postgresql")),
        segment_size=_segment_size(document.get("segment_size")),
        fsync=_switch(document, "fsync", True),
        archive=_switch(document, "archive", False),
        synchronous=_text(document, "synchronous", ""),
        backend=_backend(document),
        settings=_settings(document, ()),
    )


def _node(table: Mapping[str, Any], number: int) -> NodePlan:
    place = ("node", str(number))
    name = table.get("name")
    if name is None:
        raise PlanError('every [[node]] has a name, such as name = "pg1"', *place)
    _only(table, _NODE_KEYS, place, f" in [[node]] {printable(str(name))}")
    return NodePlan(
        name=_text(table, "name", "", place),
        follows=_text(table, "follows", None, place),
        delay=_text(table, "delay", None, place),
        settings=_settings(table, place),
    )


def _only(table: Mapping[str, Any], known: Iterable[str], place: Keys, inside: str) -> None:
    for key in table:
        if key not in known:
            raise PlanError(unknown("key", key, known, inside), *place, key)


def _text(table: Mapping[str, Any], key: str, default: Any, place: Keys = ()) -> Any:
    value = table.get(key, default)
    if value is not default and not isinstance(value, str):
        raise PlanError(f"{key} is a text in quotes: found {_shown(value)}", *place, key)
    return value


def _switch(table: Mapping[str, Any], key: str, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise PlanError(f"{key} is true or false: found {_shown(value)}", key)
    return value


def _backend(document: Mapping[str, Any]) -> str | None:
    value = document.get("backend")
    if value is not None and value not in BACKENDS:
        raise PlanError(f"backend is {' or '.join(BACKENDS)}: found {_shown(value)}", "backend")
    return value


def _postgresql(value: object) -> int | Path | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, str) and value.startswith("/"):
        return Path(value)
    if isinstance(value, str) and value.isdecimal() and len(value) < 5:
        return int(value)
    raise PlanError(
        f"postgresql is a major version, such as 18, or the whole path of a bin directory: found {_shown(value)}",
        "postgresql",
    )


def _segment_size(value: object) -> int:
    if value is None:
        return DEFAULT_SEGMENT
    found = _SEGMENT.match(value) if isinstance(value, str) else None
    if found is None:
        raise PlanError(f'segment_size is a text like "16MB" or "1GB": found {_shown(value)}', "segment_size")
    return int(found[1]) * (1024 if found[2] == "GB" else 1)


def _settings(table: Mapping[str, Any], place: Keys) -> dict[str, str]:
    """Settings as text; one level of dots, as in pg_stat_statements.max, is a table to TOML."""
    inner = table.get("settings", {})
    place = (*place, "settings")
    if not isinstance(inner, dict):
        raise PlanError(f"settings is a table, name = value each: found {_shown(inner)}", *place)
    found: dict[str, str] = {}
    for name, value in inner.items():
        if isinstance(value, dict):
            found |= {f"{name}.{rest}": _setting(one, *place, name, rest) for rest, one in value.items()}
        else:
            found[name] = _setting(value, *place, name)
    return found


def _setting(value: object, *place: str) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str | int | float):
        return str(value)
    raise PlanError(f"{place[-1]} is a text, a number, true or false: found {_shown(value)}", *place)


def _shown(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
