"""What can be wrong with the plan of a lab.

Owns: those errors and where in the plan they are. Must not: know files.
"""

from __future__ import annotations

from pgreplterm.lab.errors import LabError
from pgreplterm.toml_text import Keys


class PlanError(LabError):
    """No lab can be built like that; keys says what to change, as the path of it in a lab file."""

    def __init__(self, message: str, *keys: str) -> None:
        """One sentence, and the key it is about."""
        super().__init__(message)
        self.keys: Keys = keys


class ShapeError(LabError):
    """A --shape that cannot be read; column counts from 1."""

    def __init__(self, message: str, column: int) -> None:
        """The sentence with the picture under it."""
        super().__init__(message)
        self.column = column
