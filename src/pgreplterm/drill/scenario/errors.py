"""What can be wrong with a scenario file.

Owns: those errors, and where in the file they are. Must not: read one.
"""

from __future__ import annotations

from pgreplterm.cluster.words import printable
from pgreplterm.errors import PgReplTermError
from pgreplterm.toml_text import Keys


class SchemaError(PgReplTermError):
    """Something in a scenario is not as it has to be; keys says where."""

    def __init__(self, message: str, *keys: str) -> None:
        """One sentence, and the key it is about."""
        super().__init__(message)
        self.keys: Keys = keys


class ScenarioFileError(PgReplTermError):
    """A file that holds no scenario, with FILE:LINE where there is one."""


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
