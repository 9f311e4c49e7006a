"""A base backup that stays with the lab: what a point-in-time recovery begins with.

Owns: that one step. Must not: recover anything (``pitr``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pgreplterm.cluster.model import NodeState
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.procedure import Option, Procedure, Scene, Step
from pgreplterm.drill.stage import Stage
from pgreplterm.lab.backups import Backup


class BaseBackup(Procedure):
    """What a killed one leaves is renamed aside by the next of that name."""

    kind: ClassVar[str] = "base-backup"
    effect: ClassVar[str] = "take a base backup that a point-in-time recovery can begin with"
    radius: ClassVar[str] = "reads of the whole data directory; nobody waits"
    duration: ClassVar[str] = "the time of the copy"
    reversibility: ClassVar[str] = "it changes nothing"
    options: ClassVar[Mapping[str, Option]] = {
        "name": Option("its name (the next number that is free)"),
        "source": Option("whom to copy (the primary)"),
    }

    def __init__(self, scene: Scene) -> None:
        """What is wrong with the names is for preflight to say."""
        super().__init__(scene)
        primaries = scene.snapshot.primaries
        self._source = scene.arguments.get("source") or (primaries[0].name if len(primaries) == 1 else "")
        self._taken = [each.name for each in scene.lab.base_backups]
        free = (f"backup{number}" for number in range(1, len(self._taken) + 2))
        self._name = scene.arguments.get("name") or next(name for name in free if name not in self._taken)
        self._done: Backup | None = None

    def preflight(self) -> tuple[Check, ...]:
        """A node to copy, and a name that is free."""
        node = self.scene.snapshot.node(self._source)
        answers = node is not None and node.sample is not None and node.state is not NodeState.DOWN
        free = self._name not in self._taken
        archive = self.scene.lab.state.archive
        return (
            Check(
                "a node to copy", _must(answers), f"{self._source or 'nobody'} {'answers' if answers else 'does not'}"
            ),
            Check("the name is free", _must(free), f"the lab has {', '.join(self._taken) or 'no backup yet'}"),
            Check(
                "archive",
                Verdict.OK if archive else Verdict.WARNING,
                "the lab has one" if archive else "the lab has none: the backup can be restored to its own end alone",
            ),
        )

    def steps(self) -> tuple[Step, ...]:
        """One."""
        return (
            Step(
                "base backup",
                f"pg_basebackup of {self._source} as {self._name}",
                "A recovery goes forward only. It begins at the end of a base backup, so the backup has to be older "
                "than the moment that is wanted, and every segment of WAL in between has to be in the archive.",
                self._take,
            ),
        )

    def figures(self) -> tuple[Figure, ...]:
        """What was measured."""
        done, how = self._done, f"pg_basebackup of {self._source}"
        seconds, size, end = (done.seconds, done.size, done.end_lsn) if done else (None, None, None)
        return (
            Figure("backup", "Backup", done.name if done else None, "", how),
            Figure("backup_seconds", "Copy", seconds, "s", how),
            Figure("backup_bytes", "Size", size, "bytes", "all files of it, the WAL to its end included"),
            Figure("backup_end_lsn", "Consistent from", end, "", "WAL-Ranges in its manifest"),
        )

    def summary(self) -> str:
        """What there is now."""
        return f"the base backup {self._name} of {self._source} is taken"

    def _take(self, stage: Stage) -> str:
        self._done = stage.lab.take_base_backup(self._name, self._source)
        return f"{self._name}: {self._done.size:,} bytes in {self._done.seconds:.3f} s, to {self._done.end_lsn}"


def _must(holds: bool) -> Verdict:
    return Verdict.OK if holds else Verdict.REFUSAL
