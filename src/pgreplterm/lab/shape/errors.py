"""What can be wrong with the plan of a lab.

Owns: those errors and where in the plan they are. Must not: know files.
"""

from __future__ import annotations

from collections.abc import Iterable

from pgreplterm.lab.errors import LabError

Keys = tuple[str, ...]
"""A path in the lab file: ("settings", "work_mem"), ("node", "1", "follows") for the second node."""


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


def unknown(what: str, name: str, known: Iterable[str], inside: str = "") -> str:
    """The sentence about a name that does not exist, with the nearest that does, or else all of them."""
    from difflib import get_close_matches

    known = list(known)
    nearest = get_close_matches(name, known, n=1, cutoff=0.6)
    rest = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(known)}"
    return f"unknown {what} {name!r}{inside}; {rest}"
