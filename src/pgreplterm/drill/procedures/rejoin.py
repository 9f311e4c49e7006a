"""Rejoin: have a former primary, a second one, or a diverged standby follow the primary again.

Owns: the order of its steps and their undo. Must not: judge (``rejoining``), replace files (``bringing_back``), or
start the node as a primary.

What only the node has is saved before its files are replaced, and no program's word is taken for the result: the node
is back when its pg_control, its timeline and the source's walsender say so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pgreplterm.cluster.model import Rejoin as Judgement
from pgreplterm.drill import undo
from pgreplterm.drill.bringing_back import WAYS, bring_back, checkpointed, end, own_settings
from pgreplterm.drill.check import Check
from pgreplterm.drill.figures import Figure, Mark
from pgreplterm.drill.procedure import Option, Procedure, Scene, Step, Undo
from pgreplterm.drill.procedures.common import await_streaming
from pgreplterm.drill.procedures.rejoin_choice import checks, choose
from pgreplterm.drill.procedures.rejoin_figures import Measured, figures
from pgreplterm.drill.rejoining import INTERRUPTED, keep_tail, verdict_on
from pgreplterm.drill.stage import Stage
from pgreplterm.errors import DrillFailed
from pgreplterm.lab.faults import mending
from pgreplterm.lab.lab import Lab

REPLACE = "bring back"
"""The step from which on nobody starts the node as what it was."""


class Rejoin(Procedure):
    """Until its files are replaced a failure starts the node again as it was; from there on it goes forward."""

    kind: ClassVar[str] = "rejoin"
    effect: ClassVar[str] = "have a former primary or a diverged standby follow the primary: follow, rewind or rebuild"
    radius: ClassVar[str] = "the node's own clients; a checkpoint on the primary"
    duration: ClassVar[str] = "1-5 s"
    reversibility: ClassVar[str] = "until its files are replaced; what only it had is saved before"
    options: ClassVar[Mapping[str, Option]] = {
        "node": Option("the node to bring back (the former primary, the second primary or the diverged standby)"),
        "source": Option("the primary whose line is the truth (the one that runs)"),
    }

    def __init__(self, scene: Scene) -> None:
        """Raises LabError for a node there is not."""
        super().__init__(scene)
        self._choice = choose(scene)
        self._node = self._choice.node or "the node"
        self._source = self._choice.source or "the primary"
        self._verdict: Judgement | None = None
        self._seen = Measured(self._node, self._source)
        self._own: Mapping[str, str] = {}

    def preflight(self) -> tuple[Check, ...]:
        """Who is to follow whom, and by which verdict as far as it can be told now."""
        return checks(self.scene, self._choice)

    def steps(self) -> tuple[Step, ...]:
        """In this order because each overwrites what the one before needs."""
        node, source = self._node, self._source
        return (
            Step(
                "stop",
                f"stop {node}, in immediate mode if it takes writes",
                "A clean shutdown writes a checkpoint at the end of the WAL, which is past the fork: a node that could "
                "have followed would have diverged by it. Immediate mode writes nothing.",
                self._stop,
                self._undo_stop,
            ),
            Step(
                "judge",
                f"read the WAL of {node} to its end and compare it with the timeline history of {source}",
                "WAL that ends at the fork or before it is on the primary's line: the node can follow. WAL past the "
                "fork has to be undone by pg_rewind, which needs checksums or wal_log_hints and WAL back to the last "
                "common checkpoint. Where those are missing only a new copy helps.",
                self._judge,
            ),
            Step(
                "keep",
                f"save the transactions that only {node} has",
                "Those commits were acknowledged to somebody. After a rewind they exist nowhere, so the WAL past the "
                "fork and the list of what is in it are saved first.",
                self._keep,
            ),
            Step(
                REPLACE,
                f"CHECKPOINT on {source}, then follow, pg_rewind or a base backup as judged",
                "Before PostgreSQL 17 pg_rewind reads the source's timeline from its last checkpoint. Right after a "
                "promotion that is the old one: it says 'no rewind required', exits with 0 and has done nothing. So a "
                "checkpoint comes first, and afterwards the node's pg_control decides, not the exit code.",
                self._replace,
            ),
            Step(
                "verify",
                f"{node} streams on the timeline of {source}, with its own port, slot, name and settings",
                "pg_rewind and a base backup bring the source's configuration with them. A node that came back with "
                "the source's port or slot would fight it for them.",
                self._verify,
            ),
        )

    def figures(self) -> tuple[Figure, ...]:
        """What was measured."""
        return figures(self._seen, self._verdict)

    def summary(self) -> str:
        """Who follows whom now, and by what."""
        how = self._seen.returned.word if self._seen.returned else "nothing yet"
        return f"{self._node} follows {self._source} by {how}"

    def _stop(self, stage: Stage) -> str:
        self._seen.began_at = time.time()
        self._own = own_settings(stage.lab, self._node)
        if not stage.lab.is_running(self._node):
            end(stage.lab, self._node)
            return f"{self._node} does not run"
        stage.mark(Mark(time.time(), f"stop {self._node}"))
        end(stage.lab, self._node)
        return f"{self._node} is stopped"

    def _undo_stop(self, stage: Stage) -> Undo | None:
        if not stage.lab.is_running(self._node):
            return None
        return undo.start_node(self._node, until=REPLACE)

    def _judge(self, stage: Stage) -> str:
        checkpointed(stage.lab, self._source)
        if mending.is_unfinished(stage.lab, self._node):
            self._verdict = INTERRUPTED
        else:
            self._verdict = verdict_on(stage.lab, self._node, self._source)
        found = self._verdict
        if found.action not in WAYS:
            raise DrillFailed(f"expected a way to bring {self._node} back; {found.action}: {found.reason}.")
        return f"{found.action}: {found.reason}"

    def _keep(self, stage: Stage) -> str:
        assert self._verdict is not None
        if mending.is_unfinished(stage.lab, self._node):
            return f"the files of {self._node} are half replaced; what it had was saved before that"
        place = keep_tail(stage.lab, self._node, self._source, self._verdict, stage.kept, stage.observe)
        if place is None:
            return f"nothing that only {self._node} has" if not self._verdict.beyond else "its files are set aside"
        self._seen.kept = place
        stage.files["diverged"] = str(place)
        return f"in {place}"

    def _replace(self, stage: Stage) -> str:
        assert self._verdict is not None
        if stage.lab.state.node(self._source).upstream is not None:  # promoted beside its primary, which is to follow
            stage.lab.complete_promotion(self._source)
        done = bring_back(stage.lab, self._node, self._source, self._verdict.action, stage.observe)
        self._seen.returned = done
        return f"{self._node} by {done.word} in {done.seconds:.3f} s" + (f"; {done.instead}" if done.instead else "")

    def _verify(self, stage: Stage) -> str:
        done = self._seen.returned
        assert done is not None
        await_streaming(stage, {self._node}, done.timeline)
        self._seen.ended_at = time.time()
        problems = [*_differences(stage.lab, self._node, self._source), *self._lost_settings(stage.lab)]
        if problems:
            raise DrillFailed(f"expected {self._node} to be as it was; {'; '.join(problems)}.")
        self._seen.timeline = done.timeline
        return f"{self._node} streams from {self._source} on timeline {done.timeline}"

    def _lost_settings(self, lab: Lab) -> list[str]:
        now = own_settings(lab, self._node)
        return [
            f"{name} was {value!r}, found {now.get(name)!r}"
            for name, value in self._own.items()
            if now.get(name) != value
        ]


def _differences(lab: Lab, node: str, source: str) -> list[str]:
    """What of a node's identity is not as the lab has it, asked of both ends."""
    record = lab.state.node(node)
    wanted = {
        "port": str(record.port),
        "primary_slot_name": node,
        "cluster_name": node,
        "data_directory": str(Path(record.data_directory)),
    }
    with lab.connection(node) as link:
        rows = link.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(wanted)]).fetchall()
    found = {str(name): str(value) for name, value in rows}
    with lab.connection(source) as link:
        row = link.execute(
            "SELECT r.application_name, s.slot_name FROM pg_stat_replication r"
            " JOIN pg_replication_slots s ON s.active_pid = r.pid WHERE r.application_name = %s",
            [node],
        ).fetchone()
    if row != (node, node):
        found["primary_slot_name"] = f"{row} on {source}"
    return [
        f"{name} is {found.get(name)!r}, not {value!r}" for name, value in wanted.items() if found.get(name) != value
    ]
