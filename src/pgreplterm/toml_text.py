"""A TOML file with the lines of its keys, which tomllib does not tell.

Owns: reading one whole, saying what is no TOML and where, and the line of each key, for every room that reads a TOML
file. Must not: know what the keys mean.

A text cut after a line is TOML of its own unless the cut is inside a value. So the first cut that has a key, and the
cut before it that was whole, hold the key's line between them: it is the first of those lines, since comments and
empty lines are whole by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pgreplterm.errors import PgReplTermError

Keys = tuple[str, ...]
"""A path in a document: ("step", "2", "at") is the key ``at`` of the third [[step]]."""

LARGEST = 1 << 20
"""Bytes; a file above that was not written by hand."""

_PLACE = re.compile(r"(.*?) \(at (?:line (\d+), column \d+|end of document)\)")


class TomlError(PgReplTermError):
    """A file that cannot be read, or is no TOML, with FILE:LINE where there is one."""


@dataclass(frozen=True)
class TomlText:
    """A document, its text, and what its file is called."""

    source: str
    text: str
    document: Mapping[str, Any]

    @cached_property
    def lines(self) -> Mapping[Keys, int]:
        """The line on which each key begins: worked out only when somebody is to be told."""
        return lines_of(self.text)

    def place(self, keys: Keys) -> str:
        """FILE:LINE of a key; what is missing has the line of its table, or none."""
        dotted = tuple(part for key in keys for part in key.split("."))  # a.b is a table to TOML unless in quotes
        for known in (keys, dotted):
            if known in self.lines:
                return f"{self.source}:{self.lines[known]}"
        return self.place(keys[:-1]) if keys else self.source


def read_toml(path: Path, what: str) -> TomlText:
    """The TOML in that file; what is what the user calls such a file. Raises TomlError."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise TomlError(f"the {what} {path} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise TomlError(f"{path}: expected a {what} of at most {LARGEST} bytes, found more")
    try:
        return parse_toml(content.decode(), str(path))
    except UnicodeDecodeError as error:
        raise TomlError(f"{path}: expected UTF-8, found something else at byte {error.start}") from None


def parse_toml(text: str, source: str) -> TomlText:
    """The TOML of a text; source is what to call it. Raises TomlError."""
    import tomllib

    try:
        return TomlText(source, text, tomllib.loads(text))
    except (ValueError, RecursionError) as error:  # also of a number too long, and of brackets too deep
        said = _PLACE.fullmatch(str(error))
        line = int(said[2]) if said and said[2] else text.count("\n") + 1
        reason = (said[1] if said else "it cannot be read").lower()
        raise TomlError(f"{source}:{line}: expected TOML: {reason}") from None


def lines_of(text: str) -> dict[Keys, int]:
    """The line, from 1, of every key and table by its full path; a table of an array has its number, from "0"."""
    import tomllib

    found: dict[Keys, int] = {}
    cut, begins = "", 1
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        cut += line
        try:
            document = tomllib.loads(cut)
        except (ValueError, RecursionError):
            continue
        for path in _paths(document):
            found.setdefault(path, begins)
        begins = number + 1
    return found


def _paths(document: Mapping[str, object], above: Keys = ()) -> Iterator[Keys]:
    for name, value in document.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _paths(value, (*above, name))
        elif isinstance(value, list):
            numbered = {str(number): table for number, table in enumerate(value) if isinstance(table, dict)}
            yield from _paths(numbered, (*above, name))
