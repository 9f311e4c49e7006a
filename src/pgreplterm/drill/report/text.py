"""A report for a terminal or a pipe.

Owns: its lines and their order. Must not: read files, or colour.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence

from pgreplterm.cluster.words import printable
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.report.columns import columns, folded, stacked
from pgreplterm.drill.report.compare import Comparison, comparison_lines
from pgreplterm.drill.report.curve_words import extent
from pgreplterm.drill.report.model import Outcome, Report
from pgreplterm.drill.report.topology import branches
from pgreplterm.drill.report.words import (
    NOT_MEASURED,
    VERDICTS,
    circumstances,
    figure_in_words,
    heading,
    holds_in_words,
    known_or_not,
    offset,
    seconds_in_words,
    value_in_words,
)

FILE_LABELS = {"recording": "Recorded", "journal": "Journal", "diverged": "Diverged", "log": "Log"}
_ROOM = 40
"""Characters beside label and value from which on the rest of a figure stands there."""

Section = Callable[[Report, int | None], list[str]]


def as_text(report: Report, width: int | None = 80, comparison: Comparison | None = None) -> str:
    """The whole report, the outcome first; width None: lines are as long as they are."""
    blocks = [_head(report, width)]
    for title, section in _SECTIONS:
        if lines := section(report, width):
            blocks.append([title, *lines])
    if comparison is not None:
        blocks.insert(2, comparison_lines(comparison, width))
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _head(report: Report, width: int | None) -> list[str]:
    said = f"{str(report.outcome).upper()}: {heading(report)}"
    lines = folded(said, width, 2) + folded(circumstances(report), width)
    if report.summary:
        lines += folded(printable(report.summary), width)
    if report.outcome is not Outcome.PASSED:
        lines += folded(f"Why: {printable(report.reason) or 'no reason is given'}", width, 2)
    return lines


def _figures(report: Report, width: int | None) -> list[str]:
    rows = [(printable(each.label), figure_in_words(each), printable(each.how)) for each in report.figures]
    return columns(rows, width) if _leaves_room(rows, width) else stacked(rows, width)


def _leaves_room(rows: Sequence[tuple[str, str, str]], width: int | None) -> bool:
    """Whether how each was measured has room beside it."""
    taken = sum(max((len(row[place]) for row in rows), default=0) for place in (0, 1))
    return width is None or width - taken >= _ROOM


def _expectations(report: Report, width: int | None) -> list[str]:
    units = {each.key: each.unit for each in report.figures}
    rows = [
        (
            holds_in_words(each),
            f"{printable(each.text)} (found: {value_in_words(each.found, units.get(each.figure, ''))})",
        )
        for each in report.expectations
    ]
    return columns(rows, width)


def _checks(report: Report, width: int | None) -> list[str]:
    return columns([_check(each) for each in report.checks], width)


def _preflight(report: Report, width: int | None) -> list[str]:
    """Counted; what was not ok is told."""
    if not report.preflight:
        return []
    counts = [(name, sum(each.verdict is verdict for each in report.preflight)) for verdict, name in VERDICTS.items()]
    said = ", ".join(f"{count} {name}" for name, count in counts if count)
    loud = [_check(each) for each in report.preflight if each.verdict is not Verdict.OK]
    return [f"  {said}", *columns(loud, width)]


def _check(check: Check) -> tuple[str, str, str]:
    remedy = f". {printable(check.remedy)}" if check.remedy else ""
    return VERDICTS[check.verdict], printable(check.name), printable(check.evidence) + remedy


def _steps(report: Report, width: int | None) -> list[str]:
    return columns(list(_step_rows(report)), width)


def _step_rows(report: Report) -> Iterator[tuple[str, str, str]]:
    for step in report.steps:
        name = f"{step.part}: {step.name}" if step.part else step.name
        outcome = "" if step.outcome == "done" else f"{step.outcome.upper()}: "
        told = ": ".join(printable(part) for part in (name, step.detail) if part)
        yield offset(report, step.began_at), seconds_in_words(step.seconds), outcome + told


def _curves(report: Report, width: int | None) -> list[str]:
    rows = []
    for curve in report.curves:
        seen = extent(curve)
        if seen.most is None or seen.peak_at is None:
            told = NOT_MEASURED
        else:
            at = f"at {offset(report, seen.peak_at)}"
            told = f"peak {value_in_words(seen.most, curve.unit)} {at}, last {known_or_not(seen.last, curve.unit)}"
        rows.append((printable(curve.label or curve.key), f"{told}; {seen.known} samples, {seen.unknown} unknown"))
    return columns(rows, width)


def _topology(report: Report, width: int | None) -> list[str]:
    lines: list[str] = []
    for name, snapshot in (("before", report.before), ("after", report.after)):
        rows = [line for each in branches(snapshot) for line in folded(f"    {each.line}", width, 8)]
        lines += [f"  {name}", *rows] if rows else []
    return lines


def _files(report: Report, width: int | None) -> list[str]:  # noqa: ARG001
    """Not folded: a path is there to be copied."""
    return [f"  {label}: {told}" for label, told in file_lines(report.files.items())]


def file_lines(files: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What was kept, by what it is; a recording as the command that replays it."""
    return [
        (
            FILE_LABELS.get(key, printable(key)),
            f"pgreplterm replay {shlex.quote(printable(path))}" if key == "recording" else printable(path),
        )
        for key, path in files
    ]


_SECTIONS: tuple[tuple[str, Section], ...] = (
    ("Figures", _figures),
    ("Expected", _expectations),
    ("Consistency", _checks),
    ("Curves", _curves),
    ("Steps", _steps),
    ("Preflight", _preflight),
    ("Topology", _topology),
    ("Files", _files),
)
