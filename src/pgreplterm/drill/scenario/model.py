"""A scenario as its file describes it, checked.

Owns: those values. Must not: read a file, or run anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.drill.figures import FigureValue
from pgreplterm.lab.load.plan import Plan as LoadPlan
from pgreplterm.lab.shape.plan import LabPlan

if TYPE_CHECKING:
    from pgreplterm.drill.scenario.verbs.verb import Verb


class Level(StrEnum):
    """How much the reader should know before."""

    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"


@dataclass(frozen=True, slots=True)
class ClientsPlan:
    """So many clients that each write an id every interval seconds, and journal what became of it."""

    count: int = 1
    interval: float = 0.004
    way: str = "quick"


@dataclass(frozen=True, slots=True)
class ScenarioStep:
    """One [[step]]. stage is the text of the mark it begins, or empty."""

    name: str
    verb: Verb
    explain: str = ""
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a figure is compared with: a value, or another figure's where other is its key."""

    word: str  # is, is_not, at_least, at_most, more_than, less_than, same_as, known
    value: FigureValue = None
    other: str | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """One [[expect]]: every comparison has to hold. backends are those it is expected on."""

    figure: str
    comparisons: tuple[Comparison, ...]
    why: str = ""
    backends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file. minutes is about how long it takes; figures must have been measured at the end.

    may_lose: acknowledged rows may be lost, and only the expectations judge that.
    """

    name: str
    title: str
    level: Level
    minutes: float
    summary: str
    lab: LabPlan
    steps: tuple[ScenarioStep, ...]
    path: Path
    number: int | None = None
    teaches: str = ""
    mysql: str = ""
    backends: tuple[str, ...] = ("local", "docker")
    figures: tuple[str, ...] = ()
    may_lose: bool = False
    load: LoadPlan | None = None
    clients: ClientsPlan | None = None
    expectations: tuple[Expect, ...] = ()

    @property
    def label(self) -> str:
        """How it is listed: ``05 network-interruption``, or its name alone."""
        return self.name if self.number is None else f"{self.number:02} {self.name}"
