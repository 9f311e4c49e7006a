"""Running a drill on a cluster that is not ours: with a consent, step by step, journaled.

Owns: the order of refusal, printing, waiting, acting, and taking back. Must not: know a drill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.cluster.operating.consent import Consent
from pgreplterm.cluster.words import printable
from pgreplterm.drill.check import Check, refusals
from pgreplterm.drill.foreign.commands import Command
from pgreplterm.drill.foreign.drills import KINDS, Plan
from pgreplterm.drill.foreign.scene import INTERVAL, Scene, look
from pgreplterm.drill.foreign.step import Hand, Step, Work
from pgreplterm.drill.journal import Journal
from pgreplterm.drill.preflight import checks
from pgreplterm.drill.watch import Watch
from pgreplterm.errors import DrillFailed, PgReplTermError

_A_DAY = 86_400.0
"""A person has all the time it takes; Ctrl-C ends the wait."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A drill on a cluster as it is now."""

    kind: str
    scene: Scene
    plan: Plan
    preflight: tuple[Check, ...]

    @property
    def allowed(self) -> bool:
        """No check refuses it."""
        return not refusals(self.preflight)


def prepare(kind: str, dsns: Sequence[str], arguments: Mapping[str, str]) -> Planned:
    """Look, and plan; nothing is changed. Raises PgReplTermError."""
    if kind not in KINDS:
        raise PgReplTermError(f"expected a drill among {', '.join(KINDS)} on a cluster that is no lab, found {kind!r}.")
    scene = look(dsns, arguments)
    plan = KINDS[kind](scene)
    return Planned(kind, scene, plan, checks(plan.subject))


def run(planned: Planned, consent: Consent, hand: Hand, journal_path: Path) -> None:
    """All its steps. Raises PgReplTermError; then what was done before a promotion has been taken back."""
    if refused := refusals(planned.preflight):
        first = refused[0]
        remedy = f" {first.remedy}" if first.remedy else ""
        raise DrillFailed(f"refused: {first.name}: {first.evidence}.{remedy}")
    if consent.cluster != planned.scene.cluster:
        raise DrillFailed(f"the consent is for {consent.cluster}, not for {planned.scene.cluster}; nothing was done.")
    targets = tuple(planned.scene.targets.values())
    with closing(Journal(journal_path)) as journal, Watch(targets, INTERVAL) as watch:
        work = Work(planned.scene, consent, watch, hand)
        watch.newest()
        journal.write("planned", steps=[_line(step) for step in planned.plan.steps])
        done: list[Step] = []
        try:
            for step in planned.plan.steps:
                done.append(step)
                _take(step, work, journal)
        except BaseException as error:
            _take_back(done, work, journal, str(error) or type(error).__name__)
            journal.write("failed", detail=str(error) or type(error).__name__)
            raise
        journal.write("done")


def _take(step: Step, work: Work, journal: Journal) -> None:
    undo = {"sentence": step.undo, "commands": [each.line for each in step.undo_commands]} if step.undo else None
    work.hand.show(f"{step.name}: {step.will}")
    with journal.step(step.name, undo) as line:
        for command in step.commands:
            work.hand.show(shown(command))
        if step.until is not None:
            work.hand.show(f"  waiting for {step.awaited} (Ctrl-C ends the drill)")
            work.watch.until(step.until, step.awaited, _A_DAY)
            line.detail = step.awaited
        if step.act is not None:
            line.detail = printable(step.act(work))
        work.hand.show(f"  {line.detail}")


def _take_back(done: Sequence[Step], work: Work, journal: Journal, reason: str) -> None:
    """Newest first; nothing once a promotion has begun, for then the old primary must not write again."""
    if any(step.promotes for step in done):
        work.hand.show("The promotion has begun: go on from here by hand, or with repoint and rejoin.")
        return
    journal.write("healing", reason=reason)
    for step in reversed(done):
        if step.undo:
            work.hand.show(f"taking back: {step.undo}")
        for command in step.undo_commands:
            work.hand.show(shown(command))
        if step.undone is not None:
            _await_person(step.undone, work)
        if step.back is not None:
            _try(step.back, work, journal, step.undo)


def _await_person(undone: Callable[[ClusterSnapshot], bool], work: Work) -> None:
    """What is still to be put back is on a server that must be up for it; a person who leaves has it said."""
    work.hand.show("  waiting for that (Ctrl-C goes on without)")
    try:
        work.watch.until(undone, "it", _A_DAY)
    except (KeyboardInterrupt, PgReplTermError):
        work.hand.show("  it is not there yet")


def _try(back: Callable[[Work], None], work: Work, journal: Journal, undo: str) -> None:
    """A server that is down cannot be asked: then it is said, and the rest is still taken back."""
    try:
        back(work)
        journal.write("undo_done", undo={"sentence": undo}, detail="")
    except PgReplTermError as error:
        journal.write("undo_failed", undo={"sentence": undo}, detail=str(error))
        work.hand.show(f"  not done: {error}")


def shown(command: Command) -> str:
    """A command as it is printed."""
    return f"  on {printable(command.node)}$ {command.line}"


def _line(step: Step) -> dict[str, object]:
    return {"name": step.name, "will": step.will, "why": step.why, "commands": [each.line for each in step.commands]}
