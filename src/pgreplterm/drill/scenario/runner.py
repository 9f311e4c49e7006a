"""Running a scenario: its lab, its steps, the quiet period, the verdict, and the lab's end.

Owns: that order, and that nothing is left when it fails. Must not: know a verb, or measure.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.cluster.serialize import snapshot_document
from pgreplterm.cluster.words import printable
from pgreplterm.drill.conduct import Conductor
from pgreplterm.drill.engine.lock import only_drill
from pgreplterm.drill.film import INTERVAL, Film
from pgreplterm.drill.learner import log as learner
from pgreplterm.drill.look import first_look
from pgreplterm.drill.measure.track import Track
from pgreplterm.drill.report.model import Outcome, Report, StepTime
from pgreplterm.drill.request import Request
from pgreplterm.drill.runs import Run
from pgreplterm.drill.scenario.expectation import judge
from pgreplterm.drill.scenario.file import read_scenario
from pgreplterm.drill.scenario.model import Scenario
from pgreplterm.drill.scenario.plan import steps_of
from pgreplterm.drill.scenario.session import Session
from pgreplterm.drill.scenario.settle import closing
from pgreplterm.drill.stage import Stage, targets_of
from pgreplterm.drill.watch import Watch
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab.backend import Kind
from pgreplterm.lab.errors import LabExists
from pgreplterm.lab.lab import Lab, LabSpec, up

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.drill.control import Control
    from pgreplterm.drill.journal import Journal

BUILD, REMOVE = "build the lab", "take the lab down"


def run_scenario(request: Request, run: Run, journal: Journal, control: Control) -> Report:
    """Run the scenario in the file that the request names, on a lab of its own.

    Raises PgReplTermError when it cannot begin, DrillFailed when a step fails; the lab is gone then, unless it is to
    be kept.
    """
    scenario = read_scenario(Path(request.name))
    if request.backend not in scenario.backends:
        raise PgReplTermError(
            f"{scenario.name} runs on {' and '.join(scenario.backends)}, not on {request.backend}: say --backend"
        )
    runner = _Runner(scenario, request, run, journal, control)
    runner.announce()
    with runner.lab_of_its_own() as lab:
        return runner.perform(lab)


class _Runner:
    """One run; it knows its lab, its watch and its session once they are there."""

    def __init__(self, scenario: Scenario, request: Request, run: Run, journal: Journal, control: Control) -> None:
        self._scenario = scenario
        self._request = request
        self._run = run
        self._journal = journal
        self._control = control
        self._session: Session | None = None
        self._built: StepTime | None = None

    def announce(self) -> None:
        """Journal the whole plan, before there is a lab."""
        steps = [{"name": BUILD, "will": self._what_is_built(), "why": "", "part": ""}]
        steps += [
            {"name": each.name, "will": each.will, "why": each.why, "part": ""}
            for each in steps_of(self._scenario, self._running)
        ]
        self._journal.write("planned", steps=steps)

    @contextmanager
    def lab_of_its_own(self) -> Iterator[Lab]:
        """Build it, and take it down however this ends, unless it is to be kept."""
        lab = self._build()
        try:
            yield lab
        except BaseException as error:
            self._end_lab(lab, str(error) or type(error).__name__)
            raise
        self._end_lab(lab)

    def perform(self, lab: Lab) -> Report:
        """All steps, and the report."""
        from pgreplterm.drill.run import taken_back_on_failure

        with ExitStack() as held:
            held.enter_context(only_drill(lab, self._run))
            film = held.enter_context(Film(self._run.recording, lab.name))
            self._journal.listen(film.hear)
            self._journal.write("recording", **film.event())
            track = Track()

            def see(snapshot: ClusterSnapshot) -> None:
                film.see(snapshot)
                track.see(snapshot)

            watch = held.enter_context(Watch(targets_of(lab), INTERVAL, see))
            session = self._begin(lab, watch, track)
            before = first_look(lab, watch)
            self._journal.write("running")
            if self._request.keep:
                held.enter_context(taken_back_on_failure(session.stage, self._journal))
            session.conductor.perform(steps_of(self._scenario, self._running))
            last = closing(session)
            session.conductor.plan(last)
            session.conductor.perform(last)
            report = self._report(session, before, film)
            self._note(report)
            return report

    def _begin(self, lab: Lab, watch: Watch, track: Track) -> Session:
        run = self._run
        stage = Stage(lab, watch, run.folder, lambda _: None, kept=(run.diverged, lab.directory / f"{run.name}.json"))
        conductor = Conductor(stage, self._journal, self._control)
        self._session = Session(stage, conductor, self._control, self._journal, track, may_lose=self._scenario.may_lose)
        return self._session

    def _running(self) -> Session:
        assert self._session is not None, "a step acts before there is a lab"
        return self._session

    def _what_is_built(self) -> str:
        from pgreplterm.lab.shape.tree import shape_of

        plan = self._scenario.lab
        rule = f", synchronous {plan.synchronous}" if plan.synchronous else ""
        archive = ", with an archive" if plan.archive else ""
        return f"build {shape_of(plan.nodes)} on {self._request.backend}{rule}{archive}"

    def _build(self) -> Lab:
        request, began, at = self._request, time.monotonic(), time.time()
        spec = LabSpec(
            name=request.lab,
            backend=Kind(request.backend),
            plan=self._scenario.lab,
            pg_bin=Path(request.pg_bin) if request.pg_bin else None,
        )
        with self._journal.step(BUILD) as line:
            try:
                lab = up(spec, line.observe)
            except LabExists:
                raise LabExists(
                    f"a lab named {request.lab!r} is already there: remove it with "
                    f"'pgreplterm lab down {request.lab}', or name another with --lab"
                ) from None
            line.detail = f"PostgreSQL {lab.state.server_version}, {len(lab.nodes)} nodes"
        self._built = StepTime(BUILD, at, time.monotonic() - began, line.detail)
        return lab

    def _end_lab(self, lab: Lab, reason: str | None = None) -> None:
        """Removing the lab takes back whatever was done to it."""
        if self._request.keep:
            return
        if reason is not None:
            self._journal.write("healing", reason=reason)
        if self._session is not None:
            self._session.end_backgrounds(lambda _: None)
        with self._journal.step(REMOVE) as line:
            lab.down()
            line.detail = "nothing of it is left"

    def _note(self, report: Report) -> None:
        """One more line in the learner's log; that it cannot be written is no failure of the run."""
        scenario = self._scenario
        try:
            learner.record(report, self._run, scenario.number, str(scenario.level), scenario.teaches)
        except PgReplTermError as error:
            self._journal.write("observation", step="learner's log", detail=str(error))

    def _report(self, session: Session, before: ClusterSnapshot, film: Film) -> Report:
        scenario, lab = self._scenario, session.lab
        expectations = judge(scenario.expectations, session.figures, self._request.backend)
        files = {"journal": str(self._run.journal), **session.stage.files}
        if film.name is not None:
            files["recording"] = film.name
        report = Report(
            kind="scenario",
            name=scenario.name,
            title=scenario.title,
            summary=scenario.summary,
            lab=lab.name,
            backend=self._request.backend,
            server_version=lab.state.server_version,
            started_at=self._built.began_at if self._built is not None else time.time(),
            ended_at=time.time(),
            outcome=Outcome.PASSED,
            figures=tuple(session.figures.values()),
            expectations=expectations,
            preflight=tuple(session.checks),
            steps=(*((self._built,) if self._built is not None else ()), *session.conductor.times),
            curves=session.track_curves(),
            marks=tuple(session.conductor.marks),
            before=snapshot_document(before),
            after=snapshot_document(session.fresh()),
            checks=tuple(session.checks_after),
            files=files,
        )
        return judged(report, scenario.figures)


def judged(report: Report, required: tuple[str, ...]) -> Report:
    """The same with its outcome: failed by what does not hold, inconclusive by what nobody measured."""
    wrong = [f"expected {each.text}, found {each.found}" for each in report.expectations if each.holds is False]
    wrong += [f"{check.name}: {check.evidence}" for check in report.checks if not check.allows]
    if wrong:
        return replace(report, outcome=Outcome.FAILED, reason=printable("; ".join(wrong)))
    measured = {figure.key for figure in report.figures if figure.value is not None}
    open_ = [key for key in required if key not in measured]
    open_ += [each.figure for each in report.expectations if each.holds is None and each.figure not in open_]
    if open_:
        reason = f"not measured: {', '.join(dict.fromkeys(open_))}"
        return replace(report, outcome=Outcome.INCONCLUSIVE, reason=printable(reason))
    return report
