"""What a run measured, as values.

Owns: a figure with its unit and how it was measured, and a curve. Must not: measure, or format for one kind of report.
"""

from __future__ import annotations

from dataclasses import dataclass

FigureValue = float | int | str | bool | tuple[int | str, ...] | None
"""None is not measured; a tuple is a list of ids."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    key is snake_case, ends in its unit where it has one ("downtime_seconds", "at_risk_bytes"), and is a contract.
    unit is "s", "bytes", "rows", "rows/s", "commits", "bytes/row", "" and the like. how says what was compared with
    what, in a clause; when value is None it says why there is none.
    """

    key: str
    label: str
    value: FigureValue
    unit: str
    how: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A quantity over time: points are (epoch seconds, value), None where it was not known; oldest first.

    key such as "lag_bytes:pg2" or "commits_per_second"; node is None for what is no single node's.
    """

    key: str
    label: str
    unit: str
    points: tuple[tuple[float, float | None], ...]
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a moment (epoch seconds): a fault, a promotion, the start of a stage."""

    at: float
    text: str
    kind: str = "step"  # "step", "fault", "heal", "stage"
