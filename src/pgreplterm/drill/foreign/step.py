"""One step of a drill on a cluster that is not ours, and what it works with.

Owns: these values. Must not: run one (``conduct``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.cluster.operating.consent import Consent
from pgreplterm.cluster.operating.operator import Before, Operator
from pgreplterm.drill.foreign.commands import Command
from pgreplterm.drill.foreign.scene import Scene
from pgreplterm.drill.watch import Watch
from pgreplterm.wal.lsn import LSN

PATIENCE = 60.0
"""Seconds a server may take for what we asked of it; a person has as long as it takes."""


class Hand(Protocol):
    """The person who runs what is printed."""

    def show(self, line: str) -> None:
        """Put it before their eyes."""
        ...

    def ask(self, question: str) -> str:
        """What they type."""
        ...


@dataclass
class Work:
    """What the steps of one run share. before is what settings were, by node; slots are those we made."""

    scene: Scene
    consent: Consent
    watch: Watch
    hand: Hand
    before: dict[str, tuple[Before, ...]] = field(default_factory=dict)
    slots: list[tuple[str, str]] = field(default_factory=list)
    end: LSN | None = None

    @contextmanager
    def operator(self, node: str) -> Iterator[Operator]:
        """A session on that node that may write."""
        with Operator(self.scene.targets[node], self.consent) as session:
            yield session

    def until(self, condition: Callable[[ClusterSnapshot], bool], what: str) -> ClusterSnapshot:
        """The first snapshot for which it holds. Raises DrillFailed."""
        return self.watch.until(condition, what, PATIENCE)


@dataclass(frozen=True, slots=True)
class Step:
    """will is one line in the future, why a reason. Its commands are printed first, and until is waited for.

    act does what SQL reaches and says what it found. undo says in a sentence how it is taken back, back does it; both
    are void once a promotion has begun. undone is what undo_commands lead to: the rest is taken back after that.
    """

    name: str
    will: str
    why: str
    act: Callable[[Work], str] | None = None
    commands: tuple[Command, ...] = ()
    until: Callable[[ClusterSnapshot], bool] | None = None
    awaited: str = ""
    undo: str = ""
    back: Callable[[Work], None] | None = None
    undo_commands: tuple[Command, ...] = ()
    undone: Callable[[ClusterSnapshot], bool] | None = None
    promotes: bool = False
