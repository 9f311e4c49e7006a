"""A drill that has come to its end, as a report.

Owns: gathering what the procedure, the watch, the clients and the comparison of all nodes have to say. Must not:
measure by itself, or format.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgreplterm.cluster.serialize import snapshot_document
from pgreplterm.drill.check import Verdict as Answer
from pgreplterm.drill.measure.consistency import verdict_of
from pgreplterm.drill.measure.curves import curves
from pgreplterm.drill.report.model import Outcome, Report
from pgreplterm.lab.fates import Verdict

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.drill.check import Check
    from pgreplterm.drill.conduct import Conductor
    from pgreplterm.drill.film import Film
    from pgreplterm.drill.measure.track import Track
    from pgreplterm.drill.procedure import Procedure
    from pgreplterm.drill.runs import Run
    from pgreplterm.drill.stage import Stage


_OUTCOMES = {
    Verdict.PASS: Outcome.PASSED,
    Verdict.FAIL: Outcome.FAILED,
    Verdict.UNKNOWN: Outcome.INCONCLUSIVE,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was seen of one run."""

    checks: tuple[Check, ...]
    compared: tuple[Check, ...]
    before: ClusterSnapshot
    track: Track
    film: Film
    run: Run


def drill_report(procedure: Procedure, stage: Stage, conductor: Conductor, evidence: Evidence) -> Report:
    """The report of a drill whose last step is done."""
    compared = evidence.compared
    outcome = _OUTCOMES[verdict_of(compared)]
    open_ = [check for check in compared if check.verdict is not Answer.OK]
    lab = stage.lab
    return Report(
        kind="drill",
        name=procedure.kind,
        title=procedure.effect,
        summary=procedure.summary(),
        lab=lab.name,
        backend="docker" if lab.state.docker is not None else "local",
        server_version=lab.state.server_version,
        started_at=conductor.times[0].began_at,
        ended_at=time.time(),
        outcome=outcome,
        reason="; ".join(f"{check.name}: {check.evidence}" for check in open_),
        figures=procedure.figures(),
        preflight=evidence.checks,
        steps=tuple(conductor.times),
        curves=curves(evidence.track, stage.journals),
        marks=tuple(conductor.marks),
        before=snapshot_document(evidence.before),
        after=snapshot_document(stage.watch.newest()),
        checks=compared,
        files=files_of(stage, evidence),
    )


def files_of(stage: Stage, evidence: Evidence) -> dict[str, str]:
    """What was kept of it, by what it is."""
    found = {"journal": str(evidence.run.journal), **stage.files}
    if evidence.film.name is not None:
        found["recording"] = evidence.film.name
    return found
