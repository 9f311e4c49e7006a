"""Running what was asked for, in this process: one run at a time for each lab, with its journal and its report.

Owns: the lock, the life of the journal, and its last word. Must not: know the steps of a drill, or be the process that
outlives a terminal (``engine``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.drill.check import Check, refusals
from pgreplterm.drill.comparing import Comparing
from pgreplterm.drill.conduct import Conductor
from pgreplterm.drill.control import Control, Unattended
from pgreplterm.drill.drilled import Evidence, drill_report
from pgreplterm.drill.engine.lock import only_drill
from pgreplterm.drill.film import INTERVAL, Film
from pgreplterm.drill.journal import Journal
from pgreplterm.drill.look import first_look
from pgreplterm.drill.measure.track import Track
from pgreplterm.drill.mend import take_back
from pgreplterm.drill.procedure import Scene
from pgreplterm.drill.procedures import find
from pgreplterm.drill.report.document import as_document
from pgreplterm.drill.report.model import Report
from pgreplterm.drill.request import Kind, Request
from pgreplterm.drill.runs import Run
from pgreplterm.drill.stage import Stage, targets_of
from pgreplterm.drill.watch import Watch
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab.errors import NoSuchLab
from pgreplterm.lab.lab import Lab

Tell = Callable[[dict[str, Any]], None]
_SEEN_WITHIN = 5.0
"""Seconds after it was taken back in which the watch may see the primary again."""


def run(request: Request, run: Run, tell: Tell = lambda _: None, control: Control | None = None) -> Report:
    """Run a drill or a scenario to its end; tell hears every event of the journal.

    Raises PgReplTermError when it may not start, DrillFailed when it failed; what was done is taken back then, and the
    journal says whether the cluster is whole.
    """
    journal = Journal(run.journal, tell)
    try:
        journal.write("requested", request=request.document())
        if request.kind is Kind.SCENARIO:
            from pgreplterm.drill.scenario.runner import run_scenario

            report = run_scenario(request, run, journal, control or Unattended())
        else:
            report = run_drill(Lab.load(request.lab), request, run, journal, control or Unattended())
        journal.write("done", report=as_document(report))
    except BaseException as error:
        _last_words(journal, error, request.lab)
        if isinstance(error, PgReplTermError) and not isinstance(error, DrillFailed) and _has_begun(journal):
            raise DrillFailed(str(error)) from error
        raise
    finally:
        journal.close()
    return report


def run_drill(lab: Lab, request: Request, run: Run, journal: Journal, control: Control) -> Report:
    """One drill on an existing lab. Raises as ``run`` does."""
    kind = find(request.name)
    with ExitStack() as held:
        held.enter_context(only_drill(lab, run))
        film = held.enter_context(Film(run.recording, lab.name))
        journal.listen(film.hear)
        journal.write("recording", **film.event())
        track = Track()
        watch = held.enter_context(Watch(targets_of(lab), INTERVAL, _both(film.see, track.see)))
        before = first_look(lab, watch)
        procedure = kind(Scene(lab, before, request.arguments))
        checks = procedure.preflight()
        journal.write("preflight", checks=[_check(each) for each in checks])
        refuse(kind.kind, checks)
        stage = Stage(lab, watch, run.folder, lambda _: None, kept=(run.diverged, lab.directory / f"{run.name}.json"))
        conductor = Conductor(stage, journal, control)
        comparing = Comparing(procedure)
        steps = (*procedure.steps(), comparing.step())
        conductor.plan(steps)
        journal.write("running")
        with taken_back_on_failure(stage, journal):
            conductor.perform(steps)
            evidence = Evidence(checks, comparing.checks, before, track, film, run)
            return drill_report(procedure, stage, conductor, evidence)


def refuse(kind: str, checks: tuple[Check, ...]) -> None:
    """Raises PgReplTermError when a check forbids the drill; nothing was done then."""
    if found := refusals(checks):
        reasons = "; ".join(f"{each.name}: {each.evidence}" for each in found)
        raise PgReplTermError(f"{kind} is refused: {reasons}. Nothing was done.")


@contextmanager
def taken_back_on_failure(stage: Stage, journal: Journal) -> Iterator[None]:
    """A failure or an abort inside is taken back before it goes on."""
    try:
        yield
    except BaseException as error:
        journal.write("healing", reason=str(error) or type(error).__name__)
        stage.stop_probers_quietly()
        try:
            take_back(
                stage.lab, journal, lambda line: journal.write("observation", step="heal", detail=line), stage.kept
            )
            with suppress(DrillFailed):  # so that the recording does not end before the cluster is back
                stage.until(lambda now: len(now.primaries) == 1, "a primary", _SEEN_WITHIN)
        except PgReplTermError as second:
            journal.write("not_whole", detail=str(second))
            raise DrillFailed(
                f"{error}; and the lab is not whole: {second}. Try 'pgreplterm drill heal --lab {stage.lab.name}'."
            ) from error
        raise


def _both(*see: Callable[[ClusterSnapshot], None]) -> Callable[[ClusterSnapshot], None]:
    def each(snapshot: ClusterSnapshot) -> None:
        for one in see:
            one(snapshot)

    return each


def _check(check: Check) -> dict[str, str]:
    return {
        "name": check.name,
        "verdict": str(check.verdict),
        "evidence": check.evidence,
        "remedy": check.remedy,
    }


def _last_words(journal: Journal, error: BaseException, lab: str) -> None:
    detail = str(error) if isinstance(error, PgReplTermError) else f"{type(error).__name__}: {error}"
    if isinstance(error, KeyboardInterrupt):
        detail = "interrupted"
    whole = not journal.has("not_whole") and (journal.has("healing") or not _has_begun(journal) or not _is_there(lab))
    journal.write("failed", detail=detail, healed=whole)


def _is_there(lab: str) -> bool:
    """Not the lab of a scenario, which is taken down when that fails."""
    try:
        Lab.load(lab)
    except NoSuchLab:
        return False
    return True


def _has_begun(journal: Journal) -> bool:
    return journal.has("running")
