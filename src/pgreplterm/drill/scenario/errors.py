"""What can be wrong with a scenario file.

Owns: those errors, and where in the file they are. Must not: read one.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from pgreplterm.cluster.words import printable
from pgreplterm.errors import PgReplTermError

Keys = tuple[str, ...]
"""A path in the file: ("step", "2", "at") is the key ``at`` of the third [[step]]."""


class SchemaError(PgReplTermError):
    """Something in a scenario is not as it has to be; keys says where."""

    def __init__(self, message: str, *keys: str) -> None:
        """One sentence, and the key it is about."""
        super().__init__(message)
        self.keys: Keys = keys


class ScenarioFileError(PgReplTermError):
    """A file that holds no scenario, with FILE:LINE where there is one."""


def unknown(what: str, name: object, known: Iterable[str], inside: str = "") -> str:
    """The sentence about a name that does not exist, with the nearest that does, or else all of them."""
    known = list(known)
    nearest = get_close_matches(str(name), known, n=1, cutoff=0.6)
    rest = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(known) or 'none'}"
    return f"unknown {what} {printable(str(name))!r}{inside}; {rest}"


def shown(value: object) -> str:
    """A value as TOML has it, in short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = printable(repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."
