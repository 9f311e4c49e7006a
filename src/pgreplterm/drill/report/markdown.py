"""A report for an audit folder, as Markdown.

Owns: its sections and the escaping of what servers said. Must not: read files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pgreplterm.cluster.words import printable
from pgreplterm.drill.check import Check
from pgreplterm.drill.figures import Curve, Figure
from pgreplterm.drill.report import compare
from pgreplterm.drill.report.compare import Comparison
from pgreplterm.drill.report.curve_words import at_times, extent
from pgreplterm.drill.report.model import Outcome, Report
from pgreplterm.drill.report.text import file_lines
from pgreplterm.drill.report.topology import branches
from pgreplterm.drill.report.words import (
    NOT_MEASURED,
    VERDICTS,
    circumstances,
    exact,
    figure_in_words,
    heading,
    holds_in_words,
    known_or_not,
    offset,
    seconds_in_words,
    value_in_words,
)

_SPECIAL = re.compile(r"([\\`*\[\]|~#])")
_BARS = " ▁▂▃▄▅▆▇█"
_COLUMNS = 60


def as_markdown(report: Report, comparison: Comparison | None = None) -> str:
    """The whole report."""
    blocks = [*_head(report), *_figures(report), *_compared(comparison), *_expectations(report)]
    blocks += [*_checks("Consistency of all nodes", report.checks), *_curves(report), *_steps(report)]
    blocks += [*_marks(report), *_checks("Preflight", report.preflight), *_topology(report), *_files(report)]
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Text that stays text within a table: no markup, no HTML, one line."""
    return _SPECIAL.sub(r"\\\1", printable(text).replace("&", "&amp;").replace("<", "&lt;"))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table; rows are escaped here. right names columns set to the right."""
    rule = ["---:" if place in right else "---" for place in range(len(headings))]
    lines = [headings, rule, *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    """As a code span, whatever backquotes it has."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{printable(text)}{pad}{fence}"


def fenced(lines: Sequence[str]) -> str:
    """A block set as it is."""
    return "\n".join(["~~~~text", *(line.replace("~~~~", "~~~ ~") for line in lines), "~~~~"])


def _head(report: Report) -> Iterator[str]:
    yield f"# {escaped(heading(report))}: {report.outcome}"
    yield f"{escaped(circumstances(report))}."
    if report.summary:
        yield f"{escaped(report.summary)}."
    if report.outcome is not Outcome.PASSED:
        yield f"**Why {report.outcome}:** {escaped(report.reason) or 'no reason is given'}"


def _figures(report: Report) -> Iterator[str]:
    if report.figures:
        yield "## Figures"
        rows = [(each.label, _value(each), each.how, each.key) for each in report.figures]
        yield table(("figure", "value", "how it was measured", "key"), rows)


def _value(figure: Figure) -> str:
    bytes_in_full = exact(figure)
    return f"{figure_in_words(figure)} ({bytes_in_full})" if bytes_in_full else figure_in_words(figure)


def _compared(comparison: Comparison | None) -> Iterator[str]:
    if comparison is not None and comparison.runs:
        yield f"## {compare.title(comparison)}"
        yield table(compare.HEADINGS, [compare.cells(row) for row in comparison.rows])


def _expectations(report: Report) -> Iterator[str]:
    if report.expectations:
        units = {each.key: each.unit for each in report.figures}
        yield "## Expected"
        rows = [
            (each.text, holds_in_words(each), value_in_words(each.found, units.get(each.figure, "")))
            for each in report.expectations
        ]
        yield table(("expectation", "verdict", "found"), rows)


def _checks(title: str, checks: Sequence[Check]) -> Iterator[str]:
    if checks:
        yield f"## {title}"
        rows = [(each.name, VERDICTS[each.verdict], each.evidence, each.remedy) for each in checks]
        yield table(("check", "verdict", "evidence", "remedy"), rows)


def _curves(report: Report) -> Iterator[str]:
    if not report.curves:
        return
    yield "## Curves"
    yield table(
        ("curve", "least", "peak", "peak at", "last", "samples", "unknown"),
        [_curve(report, each) for each in report.curves],
    )
    width = max(len(printable(each.label or each.key)) for each in report.curves)
    yield fenced([_chart(report, each, width) for each in report.curves])
    took = seconds_in_words(max(0.0, report.ended_at - report.started_at))
    yield f"Each line is the whole run, {took}, from left to right, up to its own peak; `?` where nothing was known."


def _curve(report: Report, curve: Curve) -> tuple[str, ...]:
    seen = extent(curve)
    if seen.least is None or seen.most is None or seen.peak_at is None:
        shown = [NOT_MEASURED] * 4
    else:
        shown = [
            value_in_words(seen.least, curve.unit),
            value_in_words(seen.most, curve.unit),
            offset(report, seen.peak_at),
            known_or_not(seen.last, curve.unit),
        ]
    return (curve.label or curve.key, *shown, str(seen.known), str(seen.unknown))


def _chart(report: Report, curve: Curve, width: int) -> str:
    span = max(report.ended_at - report.started_at, 1e-9)
    edges = [report.started_at + span * (column + 1) / _COLUMNS for column in range(_COLUMNS)]
    highest: list[float | None] = list(at_times(curve, edges))
    for at, value in curve.points:
        column = min(_COLUMNS - 1, max(0, int((at - report.started_at) / span * _COLUMNS)))
        if value is not None and (highest[column] is None or value > (highest[column] or 0)):
            highest[column] = value
    top = max((value for value in highest if value is not None), default=0.0) or 1.0
    bars = "".join("?" if value is None else _bar(value / top) for value in highest)
    return f"{printable(curve.label or curve.key):<{width}}  {bars}"


def _bar(part: float) -> str:
    """A little above zero is seen to be above zero."""
    last = len(_BARS) - 1
    return _BARS[max(1 if part > 0 else 0, min(last, round(part * last)))]


def _steps(report: Report) -> Iterator[str]:
    if report.steps:
        yield "## Steps"
        rows = [
            (
                offset(report, each.began_at),
                seconds_in_words(each.seconds),
                f"{each.part}: {each.name}" if each.part else each.name,
                each.outcome,
                each.detail,
            )
            for each in report.steps
        ]
        yield table(("began", "took", "step", "outcome", "what it found"), rows, right=(0, 1))


def _marks(report: Report) -> Iterator[str]:
    if report.marks:
        yield "## Marks"
        yield table(("at", "kind", "what"), [(offset(report, each.at), each.kind, each.text) for each in report.marks])


def _topology(report: Report) -> Iterator[str]:
    for name, snapshot in (("before", report.before), ("after", report.after)):
        if tree := branches(snapshot):
            yield f"## Topology {name}"
            yield fenced([each.line for each in tree])


def _files(report: Report) -> Iterator[str]:
    if report.files:
        yield "## Files"
        lines = [f"- {escaped(label)}: {code(told)}" for label, told in file_lines(report.files.items())]
        yield "\n".join(lines)
