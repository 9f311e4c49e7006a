"""The SQL of one sample, put together from the files in ``queries/``.

Owns: which file serves which major version and privilege, and their composition into one statement.
Must not: connect or interpret answers.

A file is named by its part and the first major it fits; a newer file exists only where the part differs, and a part
that no file fits is unknown to that major. ``($part)`` stands for another part. Parts are complete statements, so each
also runs in psql as it stands (but those that read ``t.tli`` or a ``$1``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

OLDEST_MAJOR = 13
# What a sample can do without: a part whose functions this role may not execute is left out, and named as missing.
OPTIONAL_PARTS = (
    *("history", "control", "checkpoints", "archiver", "volume", "pause", "startup", "conflicts", "prefetch"),
    *("waiters", "sessions", "folder", "archive_status", "settled"),
)
_FILE_NAME = re.compile(r"(?P<part>[a-z_]+)_(?P<major>\d+)\.sql")
_PLACE = re.compile(r"\(\$(?P<part>[a-z_]+)\)")
_FUNCTION = re.compile(r"\bpg_catalog\.(\w+)\(")
_RELATION = re.compile(r"\b(?:FROM|JOIN) pg_catalog\.(\w+)\b(?!\()")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The functions and relations the statements would use and this role may not; see ``capabilities_sql``."""

    denied: frozenset[str] = frozenset()


@cache
def sample_sql(major: int, capabilities: Capabilities) -> str:
    """The statement that samples a server of that major as that role: one row, one json column, three parameters."""
    return _composed("sample", major, capabilities)


@cache
def folder_sql(major: int, capabilities: Capabilities) -> str | None:
    """The statement about pg_wal's files, for a slower pace: one row, one json column. None: this role may not."""
    if denied_of("folder", major, capabilities):
        return None
    return _composed("folder", major, capabilities)


@cache
def capabilities_sql(major: int) -> str:
    """The statement that fills Capabilities: one row, one json column."""
    texts = [_text(part, major) for part in OPTIONAL_PARTS]
    names = {
        "functions": {name for text in texts for name in _FUNCTION.findall(text)},
        "relations": {name for text in texts for name in _RELATION.findall(text)},
    }
    return _PLACE.sub(lambda place: ",".join(sorted(names[place["part"]])), _text("capabilities", major))


@cache
def denied_of(part: str, major: int, capabilities: Capabilities) -> tuple[str, ...]:
    """The names in that part, in the order they stand there, that this role may not use."""
    text = _text(part, major)
    return tuple(name for name in re.findall(r"\bpg_catalog\.(\w+)", text) if name in capabilities.denied)


def _composed(part: str, major: int, capabilities: Capabilities) -> str:
    def fill(place: re.Match[str]) -> str:
        return f"({_composed(place['part'], major, capabilities)})"

    if part in OPTIONAL_PARTS and denied_of(part, major, capabilities):
        return "SELECT NULL"
    return _PLACE.sub(fill, _text(part, major))


@cache
def _text(part: str, major: int) -> str:
    """The newest file of that part that is not newer than the server, without its comment lines."""
    fitting = [first for first in _catalogue()[part] if first <= max(major, OLDEST_MAJOR)]
    if not fitting:
        return "SELECT NULL"
    text = files(__package__).joinpath("queries", f"{part}_{max(fitting)}.sql").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))


@cache
def _catalogue() -> dict[str, list[int]]:
    catalogue: dict[str, list[int]] = {}
    for entry in files(__package__).joinpath("queries").iterdir():
        if match := _FILE_NAME.fullmatch(entry.name):
            catalogue.setdefault(match["part"], []).append(int(match["major"]))
    return catalogue
