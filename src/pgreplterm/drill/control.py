"""What may hold a run between two steps: a pause, a learner who reads, a question, an abort.

Owns: that contract, and the one that never holds. Must not: know where the word comes from (``engine``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pgreplterm.drill.procedure import Step
from pgreplterm.errors import PgReplTermError


class Aborted(PgReplTermError):
    """The user asked for the end: what was done is taken back."""


class Control(Protocol):
    """Asked by the conductor before each step."""

    def before(self, step: Step, part: str) -> None:
        """Return when the step may begin. Raises Aborted."""
        ...

    def ask(self, question: str, answers: Sequence[str], right: str | None) -> str | None:
        """The answer; None when nobody is there to give one."""
        ...


class Unattended:
    """Goes on at once; an abort comes as a signal, which the engine turns into Aborted."""

    def before(self, step: Step, part: str) -> None:
        """At once."""

    def ask(self, question: str, answers: Sequence[str], right: str | None) -> str | None:  # noqa: ARG002
        """Nobody is there."""
        return None
