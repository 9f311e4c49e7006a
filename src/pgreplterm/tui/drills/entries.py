"""What can be run: the drills and the scenarios, as the chooser and the plan page need them.

Owns: that value, and making it from a drill or a scenario.
Must not: import Textual, or run anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.drill.request import Kind

if TYPE_CHECKING:
    from pgreplterm.drill.procedure import Option, Procedure
    from pgreplterm.drill.scenario.model import Scenario


@dataclass(frozen=True, slots=True)
class Entry:
    """One of them. name is what a Request calls it (a scenario's file), label what a list does.

    steps are (name, explanation) of a scenario; those of a drill depend on the cluster. trouble is why it cannot be
    used at all.
    """

    kind: Kind
    name: str
    label: str
    effect: str
    radius: str = ""
    duration: str = ""
    reversibility: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)
    level: str = ""
    teaches: str = ""
    mysql: str = ""
    summary: str = ""
    backends: tuple[str, ...] = ()
    steps: tuple[tuple[str, str], ...] = ()
    trouble: str = ""

    @property
    def key(self) -> str:
        """By which its past runs are known."""
        return Path(self.name).stem

    def matches(self, text: str) -> bool:
        """Whether every word of the text is in what the lists show of it."""
        shown = " ".join((self.label, self.effect, self.level, self.radius, self.teaches)).casefold()
        return all(word in shown for word in text.casefold().split())


def drill_entry(procedure: type[Procedure]) -> Entry:
    """A drill."""
    return Entry(
        Kind.DRILL,
        procedure.kind,
        procedure.kind,
        procedure.effect,
        procedure.radius,
        procedure.duration,
        procedure.reversibility,
        procedure.options,
    )


def scenario_entry(scenario: Scenario) -> Entry:
    """A scenario."""
    return Entry(
        Kind.SCENARIO,
        str(scenario.path),
        scenario.label,
        scenario.title,
        radius="a lab of its own; nothing else is touched",
        duration=minutes_in_words(scenario.minutes),
        reversibility="its lab is removed at the end",
        level=str(scenario.level),
        teaches=scenario.teaches,
        mysql=scenario.mysql,
        summary=scenario.summary,
        backends=scenario.backends,
        steps=tuple((step.name, step.explain) for step in scenario.steps),
    )


def minutes_in_words(minutes: float) -> str:
    """``30 s``, ``2 min``."""
    return f"{minutes * 60:.0f} s" if minutes < 1 else f"{minutes:g} min"


def drills() -> tuple[Entry, ...]:
    """All drills, in their order."""
    from pgreplterm.drill.procedures import ALL

    return tuple(map(drill_entry, ALL))


def scenarios() -> tuple[Entry, ...]:
    """All scenarios, in their order; a file that is none is listed with what is wrong. Not for the event loop."""
    from pgreplterm.drill.scenario import catalogue

    return tuple(
        Entry(Kind.SCENARIO, str(each.path), each.path.name, "cannot be read", trouble=each.problem or "")
        if each.scenario is None
        else scenario_entry(each.scenario)
        for each in catalogue.entries()
    )
