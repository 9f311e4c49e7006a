"""The result card: what a run measured, what was expected of it, and how it compares.

Owns: which figures stand out, and the layout. Must not: import Textual, measure, or fill a gap with a zero.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pgreplterm.cluster.words import printable
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.report.compare import HEADINGS, Comparison, cells, title
from pgreplterm.drill.report.model import Expectation, Outcome, Report, StepTime
from pgreplterm.drill.report.words import circumstances, figure_in_words, heading, holds_in_words
from pgreplterm.drill.runs import Run
from pgreplterm.tui.glyphs import Glyphs
from pgreplterm.tui.ink import BLANK, Ink, Row, cell, row, wrap

VALUE = 16
WIDE = 100  # cells from which on labels need not be cut
OUTCOMES = {Outcome.PASSED: Ink.HEALTHY, Outcome.FAILED: Ink.CRITICAL, Outcome.INCONCLUSIVE: Ink.WARNING}
VERDICTS = {Verdict.OK: Ink.HEALTHY, Verdict.WARNING: Ink.WARNING, Verdict.REFUSAL: Ink.CRITICAL}
MUST_BE_NOTHING = ("lost", "lost_ids", "ids_unexpected", "ids_duplicate")
HEAD = (
    "downtime_seconds",
    "detection_seconds",
    "decision_seconds",
    "promotion_seconds",
    "first_write_seconds",
    "unserved_seconds",
    "acknowledged",
    "lost",
    "predicted_commits",
    "predicted_rows",
    "lost_bytes",
    "at_risk_bytes",
    "peak_lag_bytes",
)


def result_rows(
    report: Report, comparison: Comparison | None, run: Run | None, glyphs: Glyphs, width: int
) -> list[Row]:
    """The card, the most important first."""
    mark = glyphs.done if report.outcome is Outcome.PASSED else glyphs.broken
    rows = [row((f" RESULT  {heading(report)}  ", Ink.BOLD), (f"{mark} {report.outcome}", OUTCOMES[report.outcome]))]
    rows += wrap(printable(report.summary), width - 2, indent=" ") if report.summary else []
    rows += wrap(printable(report.reason), width - 2, Ink.CRITICAL, indent=" ") if report.reason else []
    rows += wrap(circumstances(report), width - 2, Ink.DIM, indent=" ")
    rows += _section(_expectation_rows(report.expectations, width))
    head, rest = _split(report)
    rows += _section([line for figure in head for line in _figure_rows(figure, width)])
    rows += _section([line for figure in rest for line in _figure_rows(figure, width)])
    rows += _section(_check_rows(report.checks, width), "AFTERWARDS, ALL NODES COMPARED")
    rows += _section(_comparison_rows(comparison, width))
    rows += _section(_step_rows(report.steps, width), "STEPS")
    rows += _section(_file_rows(report, run, width), "FILES")
    return rows + _section(_how_rows([*head, *rest], width), "HOW EACH FIGURE WAS MEASURED")


def failed_rows(what: str, reason: str, width: int) -> list[Row]:
    """The card of a run that left no report."""
    return [row((f" RESULT  {what}  ", Ink.BOLD), ("no report", Ink.CRITICAL)), *wrap(reason, width - 2, indent=" ")]


def _split(report: Report) -> tuple[list[Figure], list[Figure]]:
    """Those that are read first, in that order, then those something is expected of; and the others as they come."""
    keys = dict.fromkeys((*HEAD, *(each.figure for each in report.expectations)))
    head = [figure for key in keys if (figure := report.figure(key)) is not None]
    return head, [figure for figure in report.figures if figure not in head]


def _figure_rows(figure: Figure, width: int) -> list[Row]:
    """Value in bold, and how it was measured as far as there is room; a long value is shown in full."""
    text, how = figure_in_words(figure), printable(figure.how)
    ink = Ink.BOLD if figure.key in HEAD else Ink.PLAIN
    if figure.value is None:
        ink = Ink.WARNING
    if figure.key in MUST_BE_NOTHING and figure.value not in (None, 0, ()):
        ink = Ink.CRITICAL
    label = f" {cell(figure.label, _label(width) - 1)}"
    if len(text) < VALUE:
        return [row(label, (f"{text:<{VALUE}}", ink), (cell(how, max(width - _label(width) - VALUE, 1)), Ink.DIM))]
    lines = wrap(text, width - _label(width) - 1, ink)
    return [row(" " * _label(width) if number else label, *line) for number, line in enumerate(lines)]


def _how_rows(figures: Sequence[Figure], width: int) -> list[Row]:
    """Those for which there was no room, in full."""
    rows: list[Row] = []
    for figure in figures:
        how = printable(figure.how)
        if how and (len(how) > width - _label(width) - VALUE or len(figure_in_words(figure)) >= VALUE):
            lines = wrap(how, width - _label(width) - 1, Ink.DIM)
            label = f" {cell(figure.label, _label(width) - 1)}"
            rows += [row(" " * _label(width) if number else label, *line) for number, line in enumerate(lines)]
    return rows


def _expectation_rows(expectations: Sequence[Expectation], width: int) -> list[Row]:
    rows: list[Row] = []
    inks = {True: Ink.HEALTHY, False: Ink.CRITICAL, None: Ink.WARNING}
    for each in expectations:
        lines = wrap(printable(each.text), width - 19)
        word = holds_in_words(each)
        rows += [row((f" {'' if number else word:<17}", inks[each.holds]), *line) for number, line in enumerate(lines)]
    return rows


def _check_rows(checks: Sequence[Check], width: int) -> list[Row]:
    rows: list[Row] = []
    for check in checks:
        lines = wrap(printable(f"{check.name}: {check.evidence}"), width - 11)
        rows += [
            row((f" {'' if number else check.verdict:<9}", VERDICTS[check.verdict]), *line)
            for number, line in enumerate(lines)
        ]
    return rows


def _comparison_rows(comparison: Comparison | None, width: int) -> list[Row]:
    """A line a figure: this run, the one before, the median, the change."""
    if comparison is None:
        return []
    if not comparison.runs:
        return [row((f" {title(comparison)}", Ink.DIM))]
    narrow = max((width - _label(width) - 1) // 4, 9)
    lines = [tuple(HEADINGS), *(cells(each) for each in comparison.rows)]
    rows = [row((f" {title(comparison)}", Ink.BOLD))]
    for number, (name, *values) in enumerate(lines):
        text = f" {cell(name, _label(width) - 1)}" + "".join(f"{cell(value, narrow - 1)} " for value in values)
        rows.append(row((text, Ink.PLAIN if number else Ink.DIM)))
    return rows


def _step_rows(steps: Sequence[StepTime], width: int) -> list[Row]:
    rows = []
    for step in steps:
        name = f"{step.part} {step.name}".strip() if step.part else step.name
        detail = step.detail if step.outcome == "done" else f"{step.outcome}: {step.detail}"
        ink = Ink.DIM if step.outcome == "done" else Ink.CRITICAL
        rows.append(row(f" {cell(name, _label(width) - 1)}{step.seconds:>8.3f} s  ", (printable(detail), ink)))
    return rows


def _file_rows(report: Report, run: Run | None, width: int) -> list[Row]:
    rows: list[Row] = []
    if run is not None:
        rows += wrap(f"report.html, .md and .json: {run.folder}", width - 2, indent=" ")
    for name, path in report.files.items():
        if name != "recording":
            rows += wrap(f"{name}: {printable(path)}", width - 2, Ink.DIM, indent=" ")
    if recording := report.files.get("recording"):
        rows += wrap(f"pgreplterm replay {shlex.quote(printable(recording))}", width - 2, Ink.KEY, indent=" ")
    return rows


def _label(width: int) -> int:
    """Cells of the first column."""
    return 36 if width >= WIDE else 28


def _section(rows: list[Row], name: str = "") -> list[Row]:
    if not rows:
        return []
    return [BLANK, *([row((f" {name}", Ink.BOLD))] if name else []), *rows]
