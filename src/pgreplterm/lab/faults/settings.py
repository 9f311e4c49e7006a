"""Server settings that a fault changes by ALTER SYSTEM and gives back as they were.

Owns: ``postgresql.auto.conf`` of a lab's nodes, read as a file and changed through the server, or in the file while
the server is down. Must not: touch a setting that somebody has changed since.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import record
from pgreplterm.lab.faults.fault import Undo

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

KEY = "settings"
"""Where an undo has its changes."""

_LINE = re.compile(r"(?P<name>[\w.]+) = '(?P<value>.*)'\Z")


@dataclass(frozen=True, slots=True)
class Change:
    """One setting of one node. before is what ALTER SYSTEM had set it to, None where it had not."""

    node: str
    name: str
    value: str
    before: str | None


def plan(lab: Lab, node: str, values: Mapping[str, str]) -> list[dict[str, Any]]:
    """The changes as an undo has them; nothing is changed yet. Raises LabError."""
    held = _read(_file(lab, node))
    return [asdict(Change(node, name, value, held.get(name))) for name, value in values.items()]


def changes(undo: Undo) -> tuple[Change, ...]:
    """The changes of an undo."""
    return tuple(Change(**each) for each in undo.get(KEY, ()))


def taken(lab: Lab, node: str, names: Iterable[str]) -> str | None:
    """Which fault has changed one of these settings there already: two could not give it back."""
    for other in record.read_all(lab.directory):
        for change in changes(other.undo):
            if change.node == node and change.name in names:
                return f"fault {other.number} ({other.fault}) has set {change.name} there: heal it first"
    return None


def apply(lab: Lab, undo: Undo) -> None:
    """Make the changes of an undo. Raises LabError."""
    for node, mine in _by_node(changes(undo)).items():
        _set(lab, node, {change.name: change.value for change in mine})


def restore(lab: Lab, undo: Undo) -> None:
    """Give back what is still as ``apply`` set it. Raises LabError when a node is frozen."""
    there = {node.name for node in lab.nodes}
    for node, mine in _by_node(change for change in changes(undo) if change.node in there).items():
        held = _read(_file(lab, node))
        ours = {change.name: change.before for change in mine if held.get(change.name) == change.value}
        if ours and lab.is_running(node):
            _set(lab, node, ours)
        elif ours:
            _rewrite(_file(lab, node), {**held, **ours})


def held(lab: Lab, node: str) -> dict[str, str]:
    """What ALTER SYSTEM has set on a node, running or not. Raises LabError."""
    return _read(_file(lab, node))


def put_back(lab: Lab, node: str, name: str, value: str | None) -> None:
    """Have ALTER SYSTEM's value of one setting be that, None for none, and have a running server read it."""
    put_all_back(lab, node, {**held(lab, node), name: value})


def put_all_back(lab: Lab, node: str, values: Mapping[str, str | None]) -> None:
    """Have ALTER SYSTEM's settings of a node be these and no others, through the server if it runs. Raises LabError.

    A running server reads them in any case: the file may be as wanted already, and the server not know it yet.
    """
    now = held(lab, node)
    wanted = {name: value for name, value in values.items() if value is not None}
    changed = {name: wanted.get(name) for name in sorted({*now, *wanted}) if now.get(name) != wanted.get(name)}
    if lab.is_running(node):
        _set(lab, node, changed)
    elif changed:
        _rewrite(_file(lab, node), wanted)


def _by_node(wanted: Iterable[Change]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for change in wanted:
        found.setdefault(change.node, []).append(change)
    return found


def _set(lab: Lab, node: str, values: Mapping[str, str | None]) -> None:
    from psycopg import sql

    with lab.connection(node) as link:
        for name, value in values.items():
            if value is None:
                link.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
            else:
                statement = sql.SQL("ALTER SYSTEM SET {} = {}")
                link.execute(statement.format(sql.Identifier(name), sql.Literal(value)))
        link.execute("SELECT pg_reload_conf()")


def _file(lab: Lab, node: str) -> Path:
    return Path(lab.state.node(node).data_directory) / "postgresql.auto.conf"


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise LabError(f"{path} cannot be read: {error}") from None
    found = (_LINE.match(line) for line in lines)
    return {each["name"]: each["value"].replace("''", "'").replace("\\\\", "\\") for each in found if each}


def _rewrite(path: Path, values: Mapping[str, str | None]) -> None:
    """The file of a server that is down, as that would write it. Never through a link that lies there."""
    quoted = {
        name: value.replace("\\", "\\\\").replace("'", "''") for name, value in values.items() if value is not None
    }
    lines = ["# Do not edit this file manually!", "# It will be overwritten by the ALTER SYSTEM command."]
    text = "\n".join([*lines, *(f"{name} = '{value}'" for name, value in quoted.items())]) + "\n"
    owner = path.lstat()
    temporary = path.with_name(f"{path.name}.tmp")  # the name that ALTER SYSTEM uses, and clears
    try:
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if os.geteuid() == 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(text)
        temporary.rename(path)
    except OSError as error:
        raise LabError(f"{path} cannot be written: {error.strerror}") from None
