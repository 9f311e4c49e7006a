"""Point-in-time recovery into a fresh node: what there was just before a mistake, beside the cluster that goes on.

Owns: the order of its steps and their undo. Must not: touch a node of the cluster, or copy anything back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import ClassVar

from pgreplterm.drill import undo
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.figures import Figure, Mark
from pgreplterm.drill.preflight import for_pitr, look
from pgreplterm.drill.procedure import Option, Procedure, Scene, Step
from pgreplterm.drill.procedures.pitr_figures import Measured, figures
from pgreplterm.drill.rescued import missing_past, rescued
from pgreplterm.drill.stage import Stage
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab.backups import Backup
from pgreplterm.lab.recovery_target import Kind, Target, parse_target
from pgreplterm.wal.lsn import LSN

ACTIONS = ("pause", "promote")
DEFAULT_NAME = "recovered"


class PointInTimeRecovery(Procedure):
    """A failure removes the half-recovered node; the cluster was never touched."""

    kind: ClassVar[str] = "pitr"
    effect: ClassVar[str] = "recover a base backup and the archive to a moment before a mistake, in a node of its own"
    radius: ClassVar[str] = "the primary ends a WAL segment early; its clients notice nothing"
    duration: ClassVar[str] = "2-5 s, and the time of the copy and the replay"
    reversibility: ClassVar[str] = "at any time: the recovered node can be removed"
    options: ClassVar[Mapping[str, Option]] = {
        "target": Option("a time with its zone, an LSN, or a named restore point", required=True),
        "name": Option("the new node's name", DEFAULT_NAME),
        "backup": Option("the base backup to begin with (the newest before the target)"),
        "action": Option("pause (wait there, read-only) or promote (on a timeline of its own)", "pause"),
        "table": Option("a table whose rows are compared with the primary's"),
    }

    def __init__(self, scene: Scene) -> None:
        """What is wrong with the arguments is for preflight to say."""
        super().__init__(scene)
        self._asked = scene.arguments.get("target", "")
        self._name = scene.arguments.get("name") or DEFAULT_NAME
        self._action = scene.arguments.get("action") or "pause"
        self._table = scene.arguments.get("table") or None
        primaries = scene.snapshot.primaries
        self._primary = primaries[0].name if len(primaries) == 1 else None
        self._target, self._backup, self._wrong = _chosen(scene)
        self._timeline: int | None = None
        self._seen = Measured(self._name, self._asked, scene.lab.state.segment_size, self._backup)

    def preflight(self) -> tuple[Check, ...]:
        """An archive, a backup that is old enough, and a target that is neither too early nor in the future."""
        own = tuple(self._checks())
        return (*own, *for_pitr(self.scene, self._name, look(self.scene.lab, self.scene.snapshot)))

    def steps(self) -> tuple[Step, ...]:
        """Everything into the archive, recover, compare."""
        name, backup = self._name, self._backup.name if self._backup else "a base backup"
        target = self._target.words if self._target else "the target"
        found = [
            Step(
                "archive everything",
                "end the current WAL segment on the primary and wait until it is archived",
                "The archive holds finished segments only. What was written last is in none of them, and a recovery "
                "that runs out of WAL before its target does not start. Only commits and restore points carry a time, "
                "so a commit past the target has to be there as well.",
                self._archive,
            ),
            Step(
                "recover",
                f"copy {backup} into {name}, replay the archive up to {target}, and {self._action}",
                "The new node has a port and a name of its own, primary_conninfo is empty, or it would stream past the "
                "target, and archive_mode is off, or its segments would collide with the primary's. The timeline is "
                "named, since 'latest' may walk onto a branch that began later.",
                self._recover,
                lambda _: undo.remove_recovered(name),
            ),
            Step(
                "read what is missing",
                "list what was committed after the target",
                "A recovery to a moment also loses every good commit behind it. That list decides whether the node "
                "replaces the cluster, or whether only some rows are copied out of it.",
                self._read_missing,
            ),
        ]
        if self._table:
            compare = Step(
                "compare rows",
                f"compare {self._table} on {name} and on {self._primary or 'the primary'}",
                "Row by row and not by number: as many rows may have come as have gone. Nothing is copied back: which "
                "rows are right is for a person to say.",
                self._compare,
            )
            found.append(compare)
        return tuple(found)

    def figures(self) -> tuple[Figure, ...]:
        """What was measured."""
        return figures(self._seen)

    def summary(self) -> str:
        """Where the node stands."""
        return f"{self._name} holds what there was at {self._target.words if self._target else 'the target'}"

    def _checks(self) -> Iterator[Check]:
        ahead = f"the primary has not written up to {self._asked} yet" if self._is_ahead() else ""
        if self._wrong or ahead:
            yield Check("target", Verdict.REFUSAL, self._wrong or ahead)
        else:
            assert self._target is not None
            yield Check("target", Verdict.OK, self._target.words)
        if self._backup is None:
            remedy = "take one before the next mistake: base-backup"
            yield Check("base backup", Verdict.REFUSAL, "the lab has none that is old enough", remedy)
        else:
            yield Check("base backup", Verdict.OK, f"{self._backup.name} of {self._backup.source}")
        if self._action not in ACTIONS:
            yield Check("action", Verdict.REFUSAL, f"expected pause or promote, found {self._action!r}")
        if any(node.name == self._name for node in self.scene.lab.recovered):
            remedy = "choose another with name=NAME"
            yield Check("recovered nodes", Verdict.REFUSAL, f"{self._name} is there already", remedy)
        if self._primary is None:
            evidence = "none, or several, answer: the archive is taken as it is, and nothing is compared"
            yield Check("the primary to compare with", Verdict.WARNING, evidence)

    def _is_ahead(self) -> bool:
        """An LSN that the primary has not come to."""
        node = self.scene.snapshot.node(self._primary) if self._primary else None
        if node is None or node.sample is None or node.sample.position is None or self._target is None:
            return False
        return self._target.kind is Kind.LSN and LSN.parse(self._target.value) > node.sample.position

    def _archive(self, stage: Stage) -> str:
        self._timeline = stage.lab.archive_all()
        if self._timeline is None:
            return "no primary runs: what is in the archive is all there is"
        return f"the archive has everything on timeline {self._timeline}"

    def _recover(self, stage: Stage) -> str:
        assert self._target is not None and self._backup is not None  # or preflight refused
        stage.mark(Mark(time.time(), f"recover {self._name}"))
        done = stage.lab.recover(
            self._name, self._backup.name, self._target, promote=self._action == "promote", timeline=self._timeline
        )
        self._seen.done = done
        if done.stopped:
            stage.observe(f"recovery stopping {done.stopped}")
        return (
            f"{self._name} is {'paused' if done.paused else 'promoted'} at {done.replayed_to}, after "
            f"{done.recovery_seconds:.3f} s and {done.segments} segments from the archive"
        )

    def _read_missing(self, stage: Stage) -> str:
        assert self._seen.done is not None
        if self._primary is None or self._timeline is None:
            return "no primary answers: not read"
        try:
            found = missing_past(stage.lab, self._primary, self._timeline, self._seen.done.replayed_to)
        except PgReplTermError as error:
            return f"not known: {error}"
        self._seen.commits, self._seen.rows = found.commits, found.rows
        return f"{found.commits} commits with {found.rows} rows came after {self._seen.done.replayed_to}"

    def _compare(self, stage: Stage) -> str:
        assert self._table is not None
        if self._primary is None:
            raise DrillFailed(f"expected one primary to compare {self._table} with; none answers.")
        found = self._seen.rescued = rescued(stage.lab, self._name, self._primary, self._table)
        return (
            f"{found.recovered:,} rows on {self._name}, {found.present:,} on {self._primary}; "
            f"{found.rescued:,} are only on {self._name}, {found.later:,} only on {self._primary}"
        )


def _chosen(scene: Scene) -> tuple[Target | None, Backup | None, str]:
    """The target, the backup to begin with, and what is wrong with the target, in a sentence without a full stop."""
    asked = scene.arguments.get("backup") or None
    every = [each for each in scene.lab.base_backups if asked in (None, each.name)]
    try:
        target = parse_target(scene.arguments.get("target", ""))
    except PgReplTermError as error:
        return None, every[-1] if every else None, str(error)
    wrong = ""
    for backup in reversed(every):
        try:
            target.check(backup, time.time())
        except PgReplTermError as error:
            wrong = wrong or str(error)
        else:
            return target, backup, ""
    return target, None, wrong
