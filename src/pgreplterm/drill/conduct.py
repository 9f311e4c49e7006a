"""Running steps: each between its two lines of the journal, and only when the control lets it.

Owns: the order of ask, journal, act; and the times of the steps. Must not: know a step, or take anything back
(``mend``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from pgreplterm.drill import journal as journals
from pgreplterm.drill.control import Control
from pgreplterm.drill.figures import Mark
from pgreplterm.drill.journal import Journal
from pgreplterm.drill.procedure import Step, Undo
from pgreplterm.drill.report.model import StepTime
from pgreplterm.drill.stage import Stage


def undo_document(undo: Undo | None) -> dict[str, Any] | None:
    """An undo as the journal holds it."""
    return None if undo is None else {**asdict(undo), "arguments": dict(undo.arguments)}


class Conductor:
    """Runs the steps of one run, those of a drill within a scenario as well; ``times`` is how long each took."""

    def __init__(self, stage: Stage, journal: Journal, control: Control) -> None:
        """The stage's observe, mark and promoting are bound to the journal."""
        self.times: list[StepTime] = []
        self.marks: list[Mark] = []
        self._stage = stage
        self._journal = journal
        self._control = control
        stage.mark = self.mark
        stage.promoting = self._promoting

    def plan(self, steps: Iterable[Step], part: str = "") -> None:
        """Journal what will be done, before anything is."""
        self._journal.write("planned", steps=[_planned(step, part) for step in steps])

    def perform(self, steps: Iterable[Step], part: str = "") -> None:
        """Run them in order. Raises what a step raises, or Aborted."""
        for step in steps:
            self._control.before(step, part)
            self._act(step, part)

    def mark(self, mark: Mark) -> None:
        """Note a moment for the curves."""
        self.marks.append(mark)
        self._journal.write("mark", text=mark.text, kind=mark.kind)

    def _promoting(self, node: str) -> None:
        self._journal.write("promoting", node=node)
        self.marks.append(Mark(time.time(), f"promote {node}"))

    def _act(self, step: Step, part: str) -> None:
        began_at, began = time.time(), time.monotonic()
        try:
            undo = undo_document(step.undo(self._stage))
            with self._journal.step(step.name, undo, part) as line, self._observed(line):
                line.detail = step.act(self._stage)
        except BaseException as error:
            detail = str(error) or type(error).__name__
            self.times.append(StepTime(step.name, began_at, time.monotonic() - began, detail, "failed", part))
            raise
        self.times.append(StepTime(step.name, began_at, time.monotonic() - began, line.detail, part=part))

    @contextmanager
    def _observed(self, line: journals.Step) -> Iterator[None]:
        outer, self._stage.observe = self._stage.observe, line.observe
        try:
            yield
        finally:
            self._stage.observe = outer


def _planned(step: Step, part: str) -> dict[str, str]:
    return {"name": step.name, "will": step.will, "why": step.why, "part": part}
