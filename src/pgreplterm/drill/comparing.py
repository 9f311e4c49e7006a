"""The last step of every drill: all nodes compared, row by row, while nobody writes.

Owns: that step, and the pause of a load meanwhile. Must not: compare by itself (``measure.consistency``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgreplterm.drill import undo
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.measure.consistency import Extent, check
from pgreplterm.drill.procedure import Procedure, Step, Undo
from pgreplterm.lab.faults import record
from pgreplterm.lab.journal import client_of
from pgreplterm.lab.load.plan import Plan, from_document

if TYPE_CHECKING:
    from pgreplterm.drill.stage import Stage


class Comparing:
    """``checks`` is what the comparison found, once the step has been done."""

    def __init__(self, procedure: Procedure) -> None:
        """Of what that procedure leaves."""
        self.checks: tuple[Check, ...] = ()
        self._procedure = procedure
        self._load: Plan | None = None

    def step(self) -> Step:
        """To be done after the drill's own steps."""
        return Step(
            "compare",
            "compare the rows of all nodes; a load pauses meanwhile",
            "That every standby streams does not prove that every standby has the same rows. Nobody writes for a "
            "moment, each standby replays everything, and each table is compared with the primary's.",
            self._compare,
            self._undo,
        )

    def _undo(self, stage: Stage) -> Undo | None:
        self._load = running_load(stage)
        return None if self._load is None else undo.start_load(self._load)

    def _compare(self, stage: Stage) -> str:
        journals = stage.stop_probers()
        if self._load is not None:
            stage.lab.stop_load()
        lost = {client_of(path): ids for path, ids in zip(journals, self._procedure.lost_ids, strict=False)}
        self.checks = check(
            stage.lab,
            Extent(
                journals=journals,
                lost=lost,
                stopped=frozenset(self._procedure.leaves_stopped),
                faults=frozenset(each.number for each in record.readable(stage.lab.directory)[0]),
            ),
        )
        if self._load is not None:
            stage.lab.start_load(plan=self._load)
        wrong = [each.name for each in self.checks if each.verdict is not Verdict.OK]
        return f"not ok: {', '.join(wrong)}" if wrong else f"{len(self.checks)} checks, all ok"


def running_load(stage: Stage) -> Plan | None:
    """What the lab's load does now; None when there is none."""
    status = stage.lab.load_status()
    return from_document(status.report["plan"]) if status is not None and status.running else None
