"""The course's ten lessons, and what a learner's log holds.

Owns: those values. Must not: read a file, or know how one is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.report.model import Outcome


class Level(StrEnum):
    """Where a scenario stands in the course; BEYOND are those that are none of the ten."""

    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"
    BEYOND = "beyond"


@dataclass(frozen=True, slots=True)
class Lesson:
    """One of the ten: what it is called, and what its reader takes along."""

    number: int
    title: str
    teaches: str


COURSE = (
    Lesson(1, "Understanding replication lag", "lag is of three kinds; a slot keeps WAL for an absent standby"),
    Lesson(2, "Read load distribution", "standbys scale reads, and what they show may be stale"),
    Lesson(3, "Read-only enforcement", "a standby is in recovery, and that is no setting"),
    Lesson(4, "Manual failover", "a promotion begins a timeline, and the old primary cannot just follow it"),
    Lesson(5, "Network interruption", "asynchronous replication survives, and the primary's disk pays"),
    Lesson(6, "Heavy write load", "lag hides between samples: sample fast"),
    Lesson(7, "Adding a second standby", "synchronous_standby_names does not see a cascade"),
    Lesson(8, "Synchronous replication", "what a quorum promises; a cancelled wait is committed locally all the same"),
    Lesson(9, "Monitoring and alerting", "alert on bytes, and on the age of the evidence"),
    Lesson(10, "Disaster recovery drill", "recovery to a moment needs an archive, a time zone and a target"),
)


@dataclass(frozen=True, slots=True)
class Finished:
    """A scenario that was run to its end. Instants are epoch seconds; run is its folder, number that of the course."""

    name: str
    outcome: Outcome
    started_at: float
    finished_at: float
    number: int | None = None
    title: str = ""
    level: str = ""
    teaches: str = ""
    backend: str = ""
    server_version: str = ""
    run: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(0.0, self.finished_at - self.started_at)

    @property
    def passed(self) -> bool:
        """Whether it counts as done."""
        return self.outcome is Outcome.PASSED


@dataclass(frozen=True, slots=True)
class Note:
    """The learner's own words on a scenario, at an instant in epoch seconds."""

    name: str
    text: str
    at: float
    number: int | None = None


Entry = Finished | Note


def level_of(number: int | None) -> Level:
    """The level of a number of the course."""
    if number is None or not 1 <= number <= len(COURSE):
        return Level.BEYOND
    return Level.BEGINNER if number <= 3 else Level.INTERMEDIATE if number <= 6 else Level.ADVANCED
