"""What a verb of a step is: the contract each of them keeps.

Owns: that contract. Must not: be a verb.

A verb is read once, when the file is, and knows then everything that can be wrong with what it was given. Its lists of
keys are what docs/scenarios.md prints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pgreplterm.drill.scenario.keys import Key

if TYPE_CHECKING:
    from pgreplterm.drill.procedure import Undo
    from pgreplterm.drill.scenario.context import Context
    from pgreplterm.drill.scenario.session import Session


class Verb(ABC):
    """One verb with its arguments; its own key (``fault = "cut"``) is among the values under its name."""

    word: ClassVar[str]
    """The key that chooses it."""

    meaning: ClassVar[str]
    """What it does, in one line."""

    own: ClassVar[Key]
    """What its own key takes."""

    keys: ClassVar[Mapping[str, Key]] = {}
    """The further keys of a step with this verb."""

    @classmethod
    @abstractmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> Verb:
        """The verb of these values, which are of the right kinds. Raises SchemaError."""

    @property
    @abstractmethod
    def will(self) -> str:
        """What will be done, in one line."""

    @abstractmethod
    def act(self, session: Session) -> str:
        """Do it; what was found, in a clause. Raises DrillFailed, LabError."""

    def undo(self, session: Session) -> Undo | None:  # noqa: ARG002
        """What takes it back; asked just before it acts."""
        return None
