"""A report as one HTML file that needs nothing but itself: no script, no other file, no network.

Owns: its sections. Must not: read a run's files, or let what a server said become markup (``markup`` escapes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.figures import Curve, Figure
from pgreplterm.drill.report import compare
from pgreplterm.drill.report.chart import chart, numbered
from pgreplterm.drill.report.compare import Comparison
from pgreplterm.drill.report.curve_words import at_times, extent
from pgreplterm.drill.report.markup import badge, safe, section, table, tag
from pgreplterm.drill.report.model import Expectation, Outcome, Report, StepTime
from pgreplterm.drill.report.text import file_lines
from pgreplterm.drill.report.topology import Branch, branches
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

_OUTCOMES = {Outcome.PASSED: "good", Outcome.FAILED: "bad", Outcome.INCONCLUSIVE: "open"}
_CHECKED = {Verdict.OK: "good", Verdict.WARNING: "open", Verdict.REFUSAL: "bad"}
_HOLDS = {True: "good", False: "bad", None: "open"}
_SAMPLES = 21
_LONG = 24
"""Characters from which a value may be folded."""


def as_html(report: Report, comparison: Comparison | None = None) -> str:
    """The whole page."""
    style = files("pgreplterm.drill.report").joinpath("report.css").read_text(encoding="utf-8")
    title = safe(f"{heading(report)}: {report.outcome}")
    head = [
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        tag("title", title),
        tag("style", f"\n{style}"),
    ]
    sections = [
        _opening(report),
        _expectations(report),
        _curves(report),
        _figures(report),
        _compared(comparison),
        _checks("Consistency of all nodes", "The comparison of every node after the run", report.checks),
        _steps(report),
        _topology(report),
        _checks("Preflight", "What was looked at before the first step", report.preflight),
        _files(report),
    ]
    body = tag("main", "\n".join(each for each in sections if each))
    page = tag("html", "\n".join(["<head>", *head, "</head>", tag("body", f"\n{body}\n")]), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def _opening(report: Report) -> str:
    kind = _OUTCOMES[report.outcome]
    parts = [tag("h1", badge(kind, str(report.outcome)) + safe(heading(report)))]
    if report.summary:
        parts.append(tag("p", safe(report.summary)))
    parts.append(tag("p", safe(circumstances(report)), class_="soft"))
    if report.outcome is not Outcome.PASSED:
        parts.append(tag("p", safe(report.reason or "no reason is given"), class_=f"reason {kind}"))
    return tag("header", "\n".join(parts))


def _figures(report: Report) -> str:
    rows = [(safe(each.label), _value(each), safe(each.how)) for each in report.figures]
    return section("Figures", table("What was measured, and how", ("Figure", "Value", "How"), rows)) if rows else ""


def _value(figure: Figure) -> str:
    words = figure_in_words(figure)
    if words == NOT_MEASURED:
        return tag("span", words, class_="unknown")
    kind = "value long" if len(words) > _LONG else "value"
    return tag("span", safe(words), class_=kind, title=exact(figure) or None)


def _compared(comparison: Comparison | None) -> str:
    if comparison is None or not comparison.runs:
        return ""
    rows = [tuple(safe(cell) for cell in compare.cells(row)) for row in comparison.rows]
    headings = [each.capitalize() for each in compare.HEADINGS]
    return section("Compared", table(compare.title(comparison), headings, rows, numeric=(1, 2, 3, 4)))


def _expectations(report: Report) -> str:
    units = {each.key: each.unit for each in report.figures}
    rows = [_expectation(each, units.get(each.figure, "")) for each in report.expectations]
    caption = "What the scenario expects of its figures"
    return section("Expected", table(caption, ("Expectation", "Verdict", "Found"), rows)) if rows else ""


def _expectation(each: Expectation, unit: str) -> tuple[str, str, str]:
    return safe(each.text), badge(_HOLDS[each.holds], holds_in_words(each)), safe(value_in_words(each.found, unit))


def _checks(title: str, caption: str, checks: Sequence[Check]) -> str:
    rows = [
        (safe(each.name), badge(_CHECKED[each.verdict], VERDICTS[each.verdict]), safe(_evidence(each)))
        for each in checks
    ]
    return section(title, table(caption, ("Check", "Verdict", "Evidence"), rows)) if rows else ""


def _evidence(check: Check) -> str:
    return f"{check.evidence}. {check.remedy}" if check.remedy else check.evidence


def _curves(report: Report) -> str:
    drawn = chart(report)
    if not drawn:
        return section("Marks", _marks(report))
    caption = tag("figcaption", "A gap is a stretch in which the value was not known. Upright lines are the marks.")
    headings = ("Curve", "Least", "Peak", "Peak at", "Last", "Samples", "Unknown")
    extents = table("The curves in figures", headings, [_extent(report, each) for each in report.curves], range(1, 7))
    return section("Curves", tag("figure", f"{drawn}\n{caption}"), extents, _samples(report), _marks(report))


def _extent(report: Report, curve: Curve) -> tuple[str, ...]:
    seen = extent(curve)
    if seen.least is None or seen.most is None or seen.peak_at is None:
        shown = [NOT_MEASURED] * 4
    else:
        least, most = (value_in_words(each, curve.unit) for each in (seen.least, seen.most))
        shown = [least, most, offset(report, seen.peak_at), known_or_not(seen.last, curve.unit)]
    return tuple(safe(each) for each in (curve.label or curve.key, *shown, str(seen.known), str(seen.unknown)))


def _samples(report: Report) -> str:
    """What the picture shows, as a table, for whoever cannot see it."""
    span = max(report.ended_at - report.started_at, 0.0)
    instants = [report.started_at + span * number / (_SAMPLES - 1) for number in range(_SAMPLES)]
    columns = [at_times(curve, instants) for curve in report.curves]
    rows = [
        (
            offset(report, instant),
            *(
                safe("?" if column[place] is None else value_in_words(column[place], curve.unit))
                for curve, column in zip(report.curves, columns, strict=True)
            ),
        )
        for place, instant in enumerate(instants)
    ]
    headings = ("Time", *(curve.label or curve.key for curve in report.curves))
    values = table("The value at that time; ? is not known", headings, rows, range(len(headings)))
    return tag("details", tag("summary", "The curves as a table") + values)


def _marks(report: Report) -> str:
    if not report.marks:
        return ""
    numbers = numbered(report.marks)
    rows = [
        (f"{number}. {safe(mark.text)}" if numbers else safe(mark.text), safe(mark.kind), offset(report, mark.at))
        for number, mark in enumerate(report.marks, start=1)
    ]
    return table("The marks", ("Mark", "Kind", "At"), rows, (2,))


def _steps(report: Report) -> str:
    rows = [_step(report, each) for each in report.steps]
    headings = ("Step", "Began", "Took", "When in the run", "What it found")
    return section("Steps", table("In the order they were taken", headings, rows, (1, 2))) if rows else ""


def _step(report: Report, step: StepTime) -> tuple[str, ...]:
    name = safe(f"{step.part}: {step.name}" if step.part else step.name)
    outcome = "" if step.outcome == "done" else badge("bad" if step.outcome == "failed" else "open", step.outcome) + " "
    began, took = offset(report, step.began_at), seconds_in_words(step.seconds)
    return name, began, took, _span(report, step), outcome + safe(step.detail)


def _span(report: Report, step: StepTime) -> str:
    """Where in the run it lay, as a bar; the columns beside it say the same."""
    whole = max(report.ended_at - report.started_at, 1e-6)
    start = min(99.5, max(0.0, 100 * (step.began_at - report.started_at) / whole))
    width = min(100 - start, max(0.5, 100 * step.seconds / whole))
    kind = step.outcome if step.outcome in ("failed", "undone") else None
    bar = tag("rect", x=start, y=1, width=width, height=10, class_=kind)
    return tag("svg", bar, viewBox="0 0 100 12", preserveAspectRatio="none", class_="span", aria_hidden="true")


def _topology(report: Report) -> str:
    trees = [_tree("Before", report.before), _tree("After", report.after)]
    shown = "\n".join(each for each in trees if each)
    return section("Topology", tag("div", shown, class_="pair")) if shown else ""


def _tree(title: str, snapshot: Mapping[str, Any] | None) -> str:
    known = branches(snapshot)
    return tag("div", tag("h3", title) + _nested(known, "tree")) if known else ""


def _nested(tree: Sequence[Branch], class_: str | None = None) -> str:
    """Those at the depth of the first, each with what is below it."""
    starts = [place for place, each in enumerate(tree) if each.depth == tree[0].depth]
    items = []
    for start, end in zip(starts, [*starts[1:], len(tree)], strict=True):
        top, below = tree[start], tree[start + 1 : end]
        words = f"{tag('strong', safe(top.name))} {tag('span', safe(top.words), class_='soft')}"
        items.append(tag("li", words + (_nested(below) if below else "")))
    return tag("ul", "".join(items), class_=class_)


def _files(report: Report) -> str:
    rows = [(safe(label), tag("code", safe(told))) for label, told in file_lines(report.files.items())]
    return section("Files", table("What was kept", ("What", "Where"), rows)) if rows else ""
