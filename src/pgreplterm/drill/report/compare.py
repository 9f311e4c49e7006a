"""A report beside the last ones of the same kind: this run, the previous one, the median, the change.

Owns: which runs compare, and those values. Must not: read files (``store``).

Runs compare when kind, name, backend, major and the lab's shape are the same; nodes may have other names, since a
switchover swaps them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from pgreplterm.cluster.words import NOT_APPLICABLE, UNKNOWN, printable
from pgreplterm.drill.figures import Figure, FigureValue
from pgreplterm.drill.report.columns import columns
from pgreplterm.drill.report.model import Report
from pgreplterm.drill.report.topology import shape
from pgreplterm.drill.report.words import INSTANT, value_in_words, when

LAST = 10
HEADINGS = ("figure", "this run", "previous", "median", "change")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. previous is the run before; middle the median of the earlier ones that measured it, which are known.

    change is this run against that median, as a part of it (0.1: a tenth more); None where there is none to name.
    """

    figure: Figure
    previous: FigureValue
    middle: float | None
    known: int
    change: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """runs is how many earlier ones there are; previous_at is epoch seconds, None without any."""

    rows: tuple[Row, ...]
    runs: int
    previous_at: float | None


def alike(report: Report, other: Report) -> bool:
    """Whether other is an earlier run that measures the same thing."""
    return other.started_at < report.started_at and _what(other) == _what(report)


def compare(report: Report, earlier: Iterable[Report], last: int = LAST) -> Comparison:
    """Against the newest of the runs that are alike, at most last of them."""
    found = sorted((each for each in earlier if alike(report, each)), key=lambda each: each.started_at, reverse=True)
    chosen = found[:last]
    return Comparison(
        rows=tuple(_row(figure, chosen) for figure in report.figures if _compares(figure)),
        runs=len(chosen),
        previous_at=chosen[0].started_at if chosen else None,
    )


def comparison_lines(comparison: Comparison, width: int | None) -> list[str]:
    """As text; nothing when there is nothing to compare with."""
    if not comparison.runs:
        return []
    rows = [HEADINGS, *(cells(row) for row in comparison.rows)]
    return [title(comparison), *columns(rows, width)]


def title(comparison: Comparison) -> str:
    """With what it is compared."""
    if comparison.previous_at is None:
        return "Compared: there is no earlier run like it"
    runs = "the last run" if comparison.runs == 1 else f"the last {comparison.runs} runs"
    return f"Compared with {runs} like it, the newest of {when(comparison.previous_at)}"


def cells(row: Row) -> tuple[str, str, str, str, str]:
    """One figure's line, by HEADINGS; a list of ids is its length."""
    unit = row.figure.unit
    middle = NOT_APPLICABLE if row.middle is None else f"{value_in_words(row.middle, unit)} of {row.known}"
    return (
        printable(row.figure.label),
        value_in_words(_quantity(row.figure.value), unit),
        UNKNOWN if row.previous is None else value_in_words(_quantity(row.previous), unit),
        middle,
        change_in_words(row),
    )


def change_in_words(row: Row) -> str:
    """``+12 %``, ``same``, ``was 0``; ``-`` without a median."""
    now = _quantity(row.figure.value)
    if row.middle is None or now is None:
        return NOT_APPLICABLE
    if now == row.middle:
        return "same"
    return "was 0" if row.change is None else f"{row.change * 100:+.0f} %"


def _row(figure: Figure, earlier: Sequence[Report]) -> Row:
    found = [None if (other := each.figure(figure.key)) is None else other.value for each in earlier]
    numbers = [value for value in map(_quantity, found) if value is not None]
    middle = median(numbers) if numbers else None
    now = _quantity(figure.value)
    change = None if not middle or now is None else (now - middle) / abs(middle)
    return Row(figure, found[0] if found else None, middle, len(numbers), change)


def _compares(figure: Figure) -> bool:
    """A moment is never that of another run, and a timeline only ever grows."""
    return figure.unit != INSTANT and not figure.key.startswith("timeline") and _quantity(figure.value) is not None


def _quantity(value: FigureValue) -> float | None:
    """What can be compared as a number: of a list of ids how many there are."""
    if isinstance(value, tuple):
        return len(value)
    return None if isinstance(value, bool | str) else value


def _what(report: Report) -> tuple[str | None, ...]:
    major = report.server_version.split(".")[0]
    return report.kind, report.name, report.backend, major, shape(report.before)
