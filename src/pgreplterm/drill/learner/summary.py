"""What follows from a learner's log: what is done, level by level, and the best and the last of each.

Owns: those conclusions, as pure functions of the entries. Must not: read files, or format.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.learner.model import COURSE, Entry, Finished, Level, Note, level_of


@dataclass(frozen=True, slots=True)
class Standing:
    """One scenario: its runs oldest first, and the notes on it. number is None beyond the ten."""

    number: int | None
    name: str
    title: str
    teaches: str
    runs: tuple[Finished, ...]
    notes: tuple[Note, ...]

    @property
    def passed(self) -> tuple[Finished, ...]:
        """The runs that count."""
        return tuple(run for run in self.runs if run.passed)

    @property
    def done(self) -> bool:
        """Whether it passed once."""
        return bool(self.passed)

    @property
    def last(self) -> Finished | None:
        """The newest run that passed, or else the newest."""
        return max(self.passed or self.runs, key=lambda run: run.finished_at, default=None)

    @property
    def best(self) -> Finished | None:
        """The one that passed in the shortest time."""
        return min(self.passed, key=lambda run: run.seconds, default=None)


@dataclass(frozen=True, slots=True)
class Progress:
    """Every scenario of the course, done or not, and beyond it those that were run or have a note."""

    standings: tuple[Standing, ...]

    def of(self, level: Level) -> tuple[Standing, ...]:
        """Those of one level."""
        return tuple(each for each in self.standings if level_of(each.number) is level)

    @property
    def course(self) -> tuple[Standing, ...]:
        """The ten."""
        return tuple(each for each in self.standings if level_of(each.number) is not Level.BEYOND)

    @property
    def done(self) -> int:
        """How many of the ten are."""
        return sum(each.done for each in self.course)

    @property
    def complete(self) -> bool:
        """Whether all ten are."""
        return self.done == len(COURSE)

    @property
    def completed_at(self) -> float | None:
        """When the last of the ten passed for the first time, in epoch seconds; None while one has not."""
        firsts = [min(run.finished_at for run in each.passed) for each in self.course if each.done]
        return max(firsts) if len(firsts) == len(COURSE) else None


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure over the runs that passed: the newest, and the best where one can tell which is better."""

    last: Figure
    best: Figure | None


def progress(entries: Iterable[Entry]) -> Progress:
    """What the log says."""
    everything = tuple(entries)
    numbers: list[int | None] = [lesson.number for lesson in COURSE]
    course = [_standing(number, "", everything) for number in numbers]
    others = sorted({each.name for each in everything if level_of(each.number) is Level.BEYOND})
    return Progress((*course, *(_standing(None, name, everything) for name in others)))


def measured(standing: Standing) -> tuple[Measured, ...]:
    """Every figure of its newest run."""
    last = standing.last
    if last is None:
        return ()
    return tuple(Measured(figure, _best(key, standing.passed)) for key, figure in last.figures.items())


def _best(key: str, runs: Sequence[Finished]) -> Figure | None:
    """Of seconds the least is best, of a rate the greatest; of anything else nobody can tell."""
    found = [run.figures[key] for run in runs if key in run.figures]
    known = [each for each in found if _number(each) is not None]
    if not known:
        return None
    if known[-1].unit == "s":
        return min(known, key=lambda each: _number(each) or 0.0)
    return max(known, key=lambda each: _number(each) or 0.0) if known[-1].unit.endswith("/s") else None


def _number(figure: Figure) -> float | None:
    value = figure.value
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _standing(number: int | None, name: str, entries: Sequence[Entry]) -> Standing:
    own = [each for each in entries if _is_of(each, number, name)]
    runs = sorted((each for each in own if isinstance(each, Finished)), key=lambda run: run.finished_at)
    lesson = next((each for each in COURSE if each.number == number), None)
    newest = runs[-1] if runs else None
    return Standing(
        number=number,
        name=name or next((each.name for each in reversed(own) if each.name), ""),
        title=(newest.title if newest else "") or (lesson.title if lesson else ""),
        teaches=(newest.teaches if newest else "") or (lesson.teaches if lesson else ""),
        runs=tuple(runs),
        notes=tuple(sorted((each for each in own if isinstance(each, Note)), key=lambda note: note.at)),
    )


def _is_of(entry: Entry, number: int | None, name: str) -> bool:
    if number is None:
        return level_of(entry.number) is Level.BEYOND and entry.name == name
    return entry.number == number
