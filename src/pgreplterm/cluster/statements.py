"""The SQL of one sample, put together from the files in ``queries/``.

Owns: which file serves which major version and privilege, and their composition into one statement.
Must not: connect or interpret answers.

A file is named by its part and the first major it fits; a newer file exists only where the part differs. Parts
are complete statements, so each also runs in psql as it stands (those that read ``t.tli`` need the outer one).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

OLDEST_MAJOR = 13
_FILE_NAME = re.compile(r"(?P<part>[a-z_]+)_(?P<major>\d+)\.sql")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the role may EXECUTE beyond PUBLIC; asked once per connection with ``capabilities_sql()``."""

    reads_history: bool = False
    lists_wal: bool = False


@cache
def sample_sql(major: int, capabilities: Capabilities) -> str:
    """The one statement that samples a server of that major as that role: one row, one json column."""
    parts = {name: _part(name, major) for name in ("senders", "receiver", "slots", "settings", "node")}
    settled = _part("timeline_settled", major) if capabilities.lists_wal else "NULL"
    parts["timeline"] = Template(_part("timeline", major)).substitute(settled=settled)
    parts["history"] = _part("history", major) if capabilities.reads_history else "SELECT NULL"
    return Template(_part("sample", major)).substitute(parts)


@cache
def capabilities_sql() -> str:
    """The statement that fills Capabilities: one row, one json column."""
    return _part("capabilities", OLDEST_MAJOR)


def _part(name: str, major: int) -> str:
    """The newest file of that part that is not newer than the server, without its comment lines."""
    fitting = [first for first in _catalogue()[name] if first <= max(major, OLDEST_MAJOR)]
    text = files(__package__).joinpath("queries", f"{name}_{max(fitting)}.sql").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))


@cache
def _catalogue() -> dict[str, list[int]]:
    catalogue: dict[str, list[int]] = {}
    for entry in files(__package__).joinpath("queries").iterdir():
        if match := _FILE_NAME.fullmatch(entry.name):
            catalogue.setdefault(match["part"], []).append(int(match["major"]))
    return catalogue
