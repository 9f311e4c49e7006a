"""A run, measured: what every form of report (screen, JSON, Markdown, HTML) is made from.

Owns: the values. Must not: measure, or format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pgreplterm.drill.check import Check
from pgreplterm.drill.figures import Curve, Figure, FigureValue, Mark


class Outcome(StrEnum):
    """The verdict on a run."""

    PASSED = "passed"
    FAILED = "failed"  # an expectation or the consistency check does not hold, or a step failed
    INCONCLUSIVE = "inconclusive"  # something that had to be measured was not


@dataclass(frozen=True, slots=True)
class StepTime:
    """One step as it went. began_at is epoch seconds; outcome "done", "failed" or "undone"."""

    name: str
    began_at: float
    seconds: float
    detail: str = ""
    outcome: str = "done"
    part: str = ""  # the drill within a scenario that it belongs to, or ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One sentence a scenario expects of a figure, and whether it holds; None: the figure was not measured."""

    text: str
    holds: bool | None
    figure: str
    found: FigureValue


@dataclass(frozen=True, slots=True)
class Report:
    """One run. Instants are epoch seconds.

    kind is "scenario" or "drill", name the scenario's or the drill's. before and after are topologies, as documents of
    ``cluster.serialize.snapshot_document``. checks is the comparison of all nodes at the end. files are paths to what
    was kept, by what it is: "recording", "journal", "diverged".
    """

    kind: str
    name: str
    title: str
    summary: str
    lab: str
    backend: str
    server_version: str
    started_at: float
    ended_at: float
    outcome: Outcome
    figures: tuple[Figure, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    preflight: tuple[Check, ...] = ()
    steps: tuple[StepTime, ...] = ()
    curves: tuple[Curve, ...] = ()
    marks: tuple[Mark, ...] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    checks: tuple[Check, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""  # of an outcome that is not "passed"

    def figure(self, key: str) -> Figure | None:
        """The figure of that key."""
        return next((figure for figure in self.figures if figure.key == key), None)
