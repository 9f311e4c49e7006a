"""On which line of a TOML text each key begins. tomllib does not tell.

Owns: that, for every room that reads a TOML file. Must not: know what the keys mean.

A text cut after a line is TOML of its own unless the cut is inside a value. So the first cut that has a key, and the
cut before it that was whole, hold the key's line between them: it is the first of those lines, since comments and
empty lines are whole by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """The line, from 1, of every key and table by its full path; a table of an array has its number, from "0"."""
    import tomllib

    found: dict[tuple[str, ...], int] = {}
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


def _paths(document: Mapping[str, object], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in document.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _paths(value, (*above, name))
        elif isinstance(value, list):
            numbered = {str(number): table for number, table in enumerate(value) if isinstance(table, dict)}
            yield from _paths(numbered, (*above, name))
