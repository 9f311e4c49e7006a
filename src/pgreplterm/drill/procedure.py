"""What a drill is made of: the steps, each with its undo, as data the engine can show, pause between and take back.

Owns: the contract of every drill. Must not: run one (``conduct``) or know any.

A procedure is made from what is known before it starts, so that the plan it shows is the plan it runs. Its steps act
through the Stage. What an undo does is in ``undo``: the journal holds it as data before its step is taken, because
whoever undoes it may be another process, after this one was killed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from pgreplterm.drill.check import Check
from pgreplterm.drill.figures import Figure

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.drill.stage import Stage
    from pgreplterm.lab.lab import Lab


@dataclass(frozen=True, slots=True)
class Option:
    """A parameter of a drill: what it means, and its default ("" is: chosen by the drill)."""

    meaning: str
    default: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Undo:
    """What takes a step back. action is a name in ``undo.ACTIONS``; arguments are JSON scalars.

    until names the step from whose start on this undo is void, because what follows goes forward instead: after a
    promotion has begun nobody starts the old primary as a primary again.
    """

    action: str
    sentence: str
    arguments: Mapping[str, str | int | float | None] = field(default_factory=dict)
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step. will is one line in the future ("stop pg1 in fast mode"), why a short paragraph for a learner.

    act does it and returns what it found, in a clause; it raises DrillFailed or LabError. undo is asked just before.
    """

    name: str
    will: str
    why: str
    act: Callable[[Stage], str]
    undo: Callable[[Stage], Undo | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Scene:
    """What a plan is made from: the lab, what it looks like now, and what was asked for."""

    lab: Lab
    snapshot: ClusterSnapshot
    arguments: Mapping[str, str] = field(default_factory=dict)


class Procedure(ABC):
    """One drill on one lab, once. What its steps learn they keep on it for those that follow."""

    kind: ClassVar[str]
    """Its name on the command line."""

    effect: ClassVar[str]
    """What it does, in one line."""

    radius: ClassVar[str]
    """Who notices, in a clause: "writes stop for about a second"."""

    duration: ClassVar[str]
    """About how long it takes in a lab: "2-5 s"."""

    reversibility: ClassVar[str]
    """In a clause: "until the promotion; after that it goes forward"."""

    options: ClassVar[Mapping[str, Option]] = {}

    promotes: str | None = None
    """The node this drill promotes, once known; the journal's ``promote`` step names it, so that a heal can ask it."""

    leaves_stopped: Collection[str] = ()
    """Nodes that are meant not to run when it is over."""

    lost_ids: Sequence[Collection[int]] = ()
    """By client, in the order of the stage's journals: ids that it found lost, which no node may have."""

    def __init__(self, scene: Scene) -> None:
        """Raises PgReplTermError only for arguments that name nothing; everything else is for preflight to say."""
        self.scene = scene

    @abstractmethod
    def preflight(self) -> tuple[Check, ...]:
        """Everything that must hold, each with its evidence. Looks, and changes nothing."""

    @abstractmethod
    def steps(self) -> tuple[Step, ...]:
        """What will be done, in order."""

    @abstractmethod
    def figures(self) -> tuple[Figure, ...]:
        """What was measured, in the order it is read; asked after the last step."""

    def summary(self) -> str:
        """What happened, in a sentence without a full stop, for the head of the report."""
        return self.effect
