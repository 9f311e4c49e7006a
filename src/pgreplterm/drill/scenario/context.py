"""What a step may name at its place in the file: nodes, other steps, figures that were measured before.

Owns: following that from step to step, and the sentence about what is not there. Must not: look at a lab.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pgreplterm.drill.scenario.errors import SchemaError
from pgreplterm.lab.shape.plan import LabPlan
from pgreplterm.toml_text import Keys
from pgreplterm.unknown_name import unknown

if TYPE_CHECKING:
    from pgreplterm.drill.measure.measure import Measure
    from pgreplterm.drill.measure.pattern import Pattern

PRIMARY, CANDIDATE = "primary", "candidate"
STANDBYS, ALL = "standbys", "all"
MOMENTS = ("start", "fault", "heal")
"""What a measure may count from besides a stage."""


@dataclass
class Context:
    """place is the path of the step that is read. nodes grows with the drills that add one."""

    plan: LabPlan
    nodes: list[str] = field(init=False)
    place: Keys = ()
    faults: list[str] = field(default_factory=list)
    """Names of the faults injected so far."""

    backgrounds: list[str] = field(default_factory=list)
    """Names of the steps whose statement runs in the background."""

    had_clients: bool = False
    """Whether clients write at some time: what they saw is measured at the end."""

    saved: dict[str, str] = field(default_factory=dict)
    """Keys of figures that steps save, each with the name of its step."""

    step: str = ""
    patterns: list[tuple[str, Pattern]] = field(default_factory=list)
    """Kinds of figures that measures yield, each with its prefix."""

    stages: list[str] = field(default_factory=list)
    drills: bool = False
    """Whether a step runs a drill, whose figures only a run knows."""

    def __post_init__(self) -> None:
        self.nodes = [node.name for node in self.plan.nodes]

    def node(self, name: str, key: str, several: bool = False) -> str:
        """The name, if it is one. Raises SchemaError."""
        words = (PRIMARY, CANDIDATE, *((STANDBYS, ALL) if several else ()))
        if name not in self.nodes and name not in words:
            raise SchemaError(unknown("node", name, (*self.nodes, *words)), *self.place, key)
        return name

    def link(self, name: str, key: str) -> str:
        """A link: its downstream, or both of its ends as in "pg2<-pg1". Raises SchemaError."""
        for end in name.split("<-", 1):
            self.node(end, key)
        return name

    def background(self, step: str, key: str) -> str:
        """The name of an earlier step in the background. Raises SchemaError."""
        if step not in self.backgrounds:
            raise SchemaError(unknown("step with background = true", step, self.backgrounds), *self.place, key)
        return step

    def opens(self, stage: str) -> None:
        """A step opens that stage. Raises SchemaError."""
        if stage in (*self.stages, *MOMENTS):
            taken = "two stages are called" if stage in self.stages else "a measure has another meaning for the stage"
            raise SchemaError(f"{taken} {stage!r}", *self.place, "stage")
        self.stages.append(stage)

    def save(self, figure: str, key: str) -> None:
        """A step saves that figure. Raises SchemaError when another has."""
        if figure in self.saved:
            raise SchemaError(
                f"the figure {figure!r} is saved by the step {self.saved[figure]!r} already: save it under another key",
                *self.place,
                key,
            )
        self.saved[figure] = self.step

    def measured(self, measure: Measure, prefix: str) -> None:
        """A step takes that measure."""
        self.patterns += [(f"{prefix}_" if prefix else "", pattern) for pattern in measure.yields]

    def complaint(self, figure: str) -> str | None:
        """Why no run can have that figure, as far as the file tells; None when one may."""
        if self.drills or figure in self.saved:
            return None
        name, _, of = figure.partition(":")
        if name in self.saved:
            return None if of in self.nodes else unknown("node", of, self.nodes, f" in {figure}")
        for prefix, pattern in self.patterns:
            if figure.startswith(prefix) and pattern.matches(figure.removeprefix(prefix)):
                return self._of_nothing(pattern.key, figure.removeprefix(prefix))
        return unknown("figure", figure, self._figures(), ": no step measures or saves it")

    def _of_nothing(self, key: str, figure: str) -> str | None:
        """The node or the stage in a figure's key that there is not."""
        for place, of in zip(key.split(":"), figure.split(":"), strict=False):
            if place in ("NODE", "SLOT") and of not in self.nodes:
                return unknown("node", of, self.nodes, f" in {figure}")
            if place == "STAGE" and of not in (*self.stages, *MOMENTS):
                return unknown("stage", of, (*self.stages, *MOMENTS), f" in {figure}")
        return None

    def _figures(self) -> list[str]:
        """The keys a run may have."""
        keys = [*self.saved]
        for prefix, pattern in self.patterns:
            for node in self.nodes if "NODE" in pattern.key else [""]:
                keys.append(f"{prefix}{pattern.key.replace('NODE', node)}")
        return list(dict.fromkeys(keys))
