"""A drill performed on a lab without a process of its own: preflight, then every step in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pgreplterm.drill.check import Check, refusals
from pgreplterm.drill.figures import FigureValue
from pgreplterm.drill.look import first_look
from pgreplterm.drill.procedure import Procedure, Scene
from pgreplterm.drill.stage import Stage, targets_of
from pgreplterm.drill.watch import Watch
from pgreplterm.lab.lab import Lab

INTERVAL = 0.05


@dataclass
class Performed:
    """What a drill said: its checks, the observations, and the last word of each step by its name."""

    procedure: Procedure
    stage: Stage
    checks: tuple[Check, ...]
    observed: list[str]
    details: dict[str, str] = field(default_factory=dict)

    def figure(self, key: str) -> FigureValue:
        """The value of the figure of that key."""
        (found,) = (figure.value for figure in self.procedure.figures() if figure.key == key)
        return found

    def refused(self) -> str:
        """The evidence of everything that forbids it."""
        return "; ".join(check.evidence for check in refusals(self.checks))

    def act(self) -> None:
        """Every step in order."""
        for step in self.procedure.steps():
            step.undo(self.stage)
            self.details[step.name] = step.act(self.stage)


@contextmanager
def prepared(kind: type[Procedure], lab: Lab, folder: Path, **arguments: str) -> Iterator[Performed]:
    """The drill after its preflight, with nothing done."""
    observed: list[str] = []
    with Watch(targets_of(lab), INTERVAL) as watch:
        snapshot = first_look(lab, watch)
        procedure = kind(Scene(lab, snapshot, arguments))
        stage = Stage(lab, watch, folder, observed.append, kept=(folder / "diverged.json",))
        yield Performed(procedure, stage, procedure.preflight(), observed)


def perform(kind: type[Procedure], lab: Lab, folder: Path, **arguments: str) -> Performed:
    """The whole drill; it must be allowed."""
    with prepared(kind, lab, folder, **arguments) as found:
        assert found.refused() == "", found.refused()
        found.act()
    return found
