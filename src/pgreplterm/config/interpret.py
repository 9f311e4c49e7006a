"""From a TOML document to known keys.

Owns: what is wrong with a document, and the nearest key for one that does not exist. Must not: read files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgreplterm.config.schema import BY_NAME, DEFAULT_PROFILE, KEYS, PROFILES, THRESHOLDS
from pgreplterm.toml_text import Keys
from pgreplterm.unknown_name import unknown

Wrong = list[tuple[Keys, str]]


def interpret(document: Mapping[str, Any]) -> tuple[str | None, dict[str, dict[str, Any]], Wrong]:
    """The default profile's name, each profile's values, and what is wrong with which key."""
    wrong: Wrong = []
    for name in document:
        if name not in (PROFILES, DEFAULT_PROFILE):
            where = f"it belongs into a [{PROFILES}.NAME] table" if _is_known(name) else None
            wrong.append(((name,), unknown("key", name, (PROFILES, DEFAULT_PROFILE), instead=where)))
    chosen, tables = document.get(DEFAULT_PROFILE), document.get(PROFILES, {})
    if chosen is not None and not isinstance(chosen, str):
        wrong.append(((DEFAULT_PROFILE,), "expected the name of a profile, found something else"))
        chosen = None
    if not isinstance(tables, dict):
        wrong.append(((PROFILES,), f"expected tables [{PROFILES}.NAME], found a value"))
        tables = {}
    return chosen, {name: _profile(name, table, wrong) for name, table in tables.items()}, wrong


def _profile(name: str, table: object, wrong: Wrong) -> dict[str, Any]:
    if not isinstance(table, dict):
        said = (
            f"it belongs into a [{PROFILES}.NAME] table" if _is_known(name) else f"expected a table [{PROFILES}.{name}]"
        )
        wrong.append(((PROFILES, name), f"{name!r} is no profile: {said}"))
        return {}
    values: dict[str, Any] = {}
    limits = table.get(THRESHOLDS, {})
    if not isinstance(limits, dict):
        wrong.append(
            ((PROFILES, name, THRESHOLDS), f"expected a table [{PROFILES}.{name}.{THRESHOLDS}], found a value")
        )
        limits = {}
    for key, value in table.items():
        if key != THRESHOLDS:
            _take(values, (PROFILES, name, key), key, value, wrong)
    for key, value in limits.items():
        _take(values, (PROFILES, name, THRESHOLDS, key), f"{THRESHOLDS}.{key}", value, wrong)
    return values


def _take(values: dict[str, Any], keys: Keys, name: str, value: object, wrong: Wrong) -> None:
    key = BY_NAME.get(name)
    if key is None or (len(keys) == 3 and "." in name):
        inside = [one.last for one in KEYS if (one.name == one.last) == (len(keys) == 3)]
        table = f"[{'.'.join(keys[:-1])}]"
        elsewhere = next((one for one in KEYS if one.last == keys[-1]), None)
        where = None if elsewhere is None else f"it is {elsewhere.name!r} in [{PROFILES}.{keys[1]}]"
        wrong.append((keys, unknown("key", keys[-1], inside, f" in {table}", where)))
        return
    try:
        values[name] = key.kind.read(value)
    except (ValueError, OverflowError):
        wrong.append((keys, f"{keys[-1]}: {key.kind.complaint(value)}"))


def _is_known(name: str) -> bool:
    return name == THRESHOLDS or any(name == key.last for key in KEYS)
