"""One line of a preflight or of a comparison afterwards: what was looked at, the verdict, and the evidence.

Owns: that value. Must not: look at anything itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a check says. What could not be looked at is a warning that says so, or a refusal; never ok."""

    OK = "ok"
    WARNING = "warning"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Check:
    """evidence is what was found, in a clause without a full stop; remedy what to do about it, where that helps."""

    name: str
    verdict: Verdict
    evidence: str
    remedy: str = ""

    @property
    def allows(self) -> bool:
        """Whether the drill may go on past it."""
        return self.verdict is not Verdict.REFUSAL


def refusals(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Those that forbid the drill."""
    return tuple(check for check in checks if not check.allows)
