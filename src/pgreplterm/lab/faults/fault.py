"""What a fault is: the contract each of them keeps.

Owns: the words in which a fault describes itself, and the protocol. Must not: inject anything.

The undo comes first: ``prepare`` reads what heal will need and changes nothing, ``record`` puts that on disk, and only
then does ``inject`` act. So ``heal`` must be right after an injection that stopped anywhere, and right twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab

Undo = Mapping[str, Any]
"""What heal needs, as JSON: strings, numbers, lists and mappings."""


class Aim(StrEnum):
    """What a fault is aimed at."""

    NODE = "node"
    LINK = "link"  # a replication edge, named "downstream<-upstream"


class Undoing(StrEnum):
    """What heal costs."""

    RESTORE = "restore"  # as it was before, with nothing lost
    RESTART = "restart"  # the node starts again, with crash recovery where it crashed
    RECLONE = "reclone"  # the node, or those that follow it, are made again from a base backup


@dataclass(frozen=True, slots=True)
class Option:
    """A parameter of a fault: what it means, its unit ("s", "bytes", "bytes/s", "connections" ...) and its default."""

    meaning: str
    unit: str
    default: float


@dataclass(frozen=True, slots=True)
class Order:
    """One injection as it was asked for; options has a value for every option of the fault."""

    target: str
    options: Mapping[str, float] = field(default_factory=dict)


class Fault(Protocol):
    """One kind of fault. Instances hold no state: what is going on is in the record."""

    name: ClassVar[str]
    effect: ClassVar[str]
    """One line: what the cluster shows while it lasts."""

    aim: ClassVar[Aim]
    undoing: ClassVar[Undoing]
    options: ClassVar[Mapping[str, Option]]

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """Why it cannot be injected there now, in one sentence; None when it can. Changes nothing."""
        ...

    def prepare(self, lab: Lab, order: Order) -> Undo:
        """What heal will need. Changes nothing. Raises LabError."""
        ...

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        """Do it; one sentence on what was done. Raises LabError, after which heal is still called for."""
        ...

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """The evidence of its effect in what a sampler saw, which knows nothing of faults; None when it shows none."""
        ...

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        """Undo it, wherever the injection stopped; one sentence on what was done. Raises LabError."""
        ...
