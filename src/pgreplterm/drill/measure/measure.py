"""What a measure is: its name, its options, the figures it yields, and how it is taken.

Owns: that contract. Must not: be a measure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.options import Options, Parameter, checked
from pgreplterm.drill.measure.pattern import Pattern

Take = Callable[[Context, Options], tuple[Figure, ...]]


@dataclass(frozen=True, slots=True)
class Measure:
    """One ``measure`` of a scenario. meaning is one line; take raises LabError, DrillFailed, CannotConnect.

    yields are all the kinds of figures there may be of it; which of them there are depends on the options.
    """

    name: str
    meaning: str
    yields: tuple[Pattern, ...]
    take: Take
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def check(self, given: Mapping[str, object]) -> Options:
        """The options of a scenario, read before anything runs. Raises PgReplTermError."""
        return checked(self.name, self.parameters, given)

    def run(self, context: Context, given: Mapping[str, object] | None = None, prefix: str = "") -> tuple[Figure, ...]:
        """Take it. prefix stands before each key, "before" makes before_lag_bytes:pg2, and before the label."""
        figures = self.take(context, self.check(given or {}))
        return tuple(_prefixed(figure, prefix) for figure in figures) if prefix else figures


def _prefixed(figure: Figure, prefix: str) -> Figure:
    return replace(figure, key=f"{prefix}_{figure.key}", label=f"{figure.label} ({prefix.replace('_', ' ')})")
