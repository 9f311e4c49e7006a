"""The password file, for the one entry that libpq itself would not find.

Owns: reading it as libpq does. Must not: say what is in it, or that it is ignored: libpq warns of that.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path

_FIELDS = 4  # host, port, database, user; the rest of the line is the password
_COLON = re.compile(r"((?:[^:\\]|\\.|\\$)*)(?::|$)")


def passfile(named: str | None) -> Path:
    """The file that is named by the connection, or else the user's own."""
    return Path(named) if named else Path("~/.pgpass").expanduser()


def password_of(path: Path, who: tuple[str, str, str, str]) -> str | None:
    """The password of the first line for that host, port, database and user; None without one.

    A file that others may read does not count.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            return None
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except (OSError, RuntimeError):
        return None
    for line in text.split("\n"):
        password = None if line.startswith("#") else _matching(line.rstrip("\r"), who)
        if password is not None:
            return password
    return None


def _matching(line: str, who: tuple[str, ...]) -> str | None:
    at, fields = 0, []
    for _ in range(_FIELDS):
        match = _COLON.match(line, at)
        if match is None or match.end() == len(line):
            return None
        fields.append(match[1])
        at = match.end()
    if any(field != "*" and _plain(field) != one for field, one in zip(fields, who, strict=True)):
        return None
    end = _COLON.match(line, at)
    return _plain(end[1]) if end is not None and end[1] else None


def _plain(field: str) -> str:
    """Without the backslashes that protect colons and backslashes."""
    return re.sub(r"\\(.)", r"\1", field)
