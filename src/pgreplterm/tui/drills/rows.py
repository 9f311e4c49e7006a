"""A drill as rows: the plan before it, its steps while it runs, its report afterwards.

Owns: the wording and layout of those three.
Must not: import Textual, start anything, or fill a gap in a report with a zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgreplterm.cluster import words
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.drill.choose import bytes_at_risk, preflight
from pgreplterm.tui.drills.journal import DrillProgress, Step, StepState
from pgreplterm.tui.glyphs import Glyphs
from pgreplterm.tui.ink import BLANK, Ink, Row, Span, cell, row, wrap


@dataclass(frozen=True, slots=True)
class Drill:
    """One entry of the list: its name on the command line and what it does, in a line."""

    kind: str
    effect: str
    steps: tuple[str, ...]


FAILOVER = Drill(
    "failover",
    "kill the primary, promote the best standby",
    (
        "write through a prober",
        "SIGKILL {primary}",
        "wait until its loss is seen",
        "promote the furthest standby",
        "repoint the other standbys",
        "rejoin {primary}: rewind or rebuild",
        "compare what was acknowledged",
    ),
)
DRILLS = (FAILOVER,)

LABEL = 8


def now_rows(snapshot: ClusterSnapshot) -> list[Row]:
    """Every node as it is, one a row: role, timeline, position, distance behind."""
    rows: list[Row] = []
    for node in snapshot.nodes:
        position = node.sample.position if node.sample else None
        where = "?" if position is None else str(position)
        link = snapshot.link_to(node.name)
        timeline = node.timeline if node.timeline is not None else "?"
        facts = f"{cell(node.name, 11)} {node.role:<8} {node.state:<14}{f'TL {timeline}':<6}"
        facts += f"{where:<18}"
        behind = f" {words.size(link.gaps.flush)} behind" if link is not None else ""
        rows.append(row(_label("" if rows else "Now"), facts, behind))
    return rows


def plan_rows(drill: Drill, lab: str, snapshot: ClusterSnapshot, width: int) -> list[Row]:
    """What is, what will be done, what may be lost, and what must hold, before anything is done."""
    primary = snapshot.primaries[0].name if snapshot.primaries else "the primary"
    rows = [row((f" DRILL  {drill.kind}: {drill.effect}", Ink.BOLD), f"   lab {lab}"), BLANK, *now_rows(snapshot)]
    rows += [BLANK, *_step_pairs([step.format(primary=primary) for step in drill.steps], width), BLANK]
    for number, line in enumerate(wrap(risk(snapshot), width - LABEL - 1)):
        rows.append(row(_label("" if number else "Risk"), *line))
    for number, check in enumerate(preflight(snapshot)):
        mark = ("ok", Ink.HEALTHY) if check.allows else ("!!", Ink.CRITICAL)
        rows.append(row(_label("" if number else "Pre"), mark, f" {check.name}: {check.evidence}"))
    return rows


def _step_pairs(steps: list[str], width: int) -> list[Row]:
    """Two steps a row, so that a plan fits on 24 rows beside the nodes of a small cluster."""
    numbered = [f"{number} {step}" for number, step in enumerate(steps, start=1)]
    half = (width - LABEL) // 2
    return [
        row(_label("" if place else "Will"), cell(numbered[place], half), "".join(numbered[place + 1 : place + 2]))
        for place in range(0, len(numbered), 2)
    ]


def risk(snapshot: ClusterSnapshot) -> str:
    """What a failover now may lose: what the best standby lacks."""
    fails = "Writes fail from the kill until the promotion is done."
    lacks = bytes_at_risk(snapshot, snapshot.primaries[0].name) if snapshot.primaries else None
    if lacks is None:
        return f"How far the standbys are behind is unknown, and so is what would be lost. {fails}"
    if lacks == 0:
        return f"A standby has all that was written at the last tick; what is not on it at the kill is lost. {fails}"
    return f"The best standby lacks {words.size_in_words(lacks)}, which would be lost. {fails}"


def run_rows(progress: DrillProgress, glyphs: Glyphs, now: float, width: int) -> list[Row]:
    """A run: while it lasts its steps and a stopwatch; afterwards the report first, the steps below it."""
    elapsed = (progress.ended or now) - (progress.started if progress.started is not None else now)
    state = "running" if not progress.finished else "failed" if progress.failure else "done"
    ink = {"running": Ink.WARNING, "failed": Ink.CRITICAL, "done": Ink.HEALTHY}[state]
    rows = [row(" ", (state, ink), f"  {elapsed:.1f} s")]
    if progress.failure:
        rows += wrap(progress.failure, width - 2, Ink.CRITICAL, indent=" ")
    if progress.report is not None:
        return [*rows, *report_rows(progress.report), BLANK, *_durations(progress.steps, width)]
    rows += [BLANK, *(_step_row(step, glyphs, now) for step in progress.steps)]
    return [*rows, BLANK, *(row("   ", (text, Ink.DIM)) for text in progress.observations[-3:])]


def _durations(steps: Sequence[Step], width: int) -> list[Row]:
    """Three steps a row: how the time was spent."""
    each = max((width - 1) // 3, 24)
    texts = [f"{cell(step.name, 15)} {_seconds(step.seconds):>8}" for step in steps]
    lines = (texts[place : place + 3] for place in range(0, len(texts), 3))
    return [row((" " + "".join(cell(text, each) for text in line), Ink.DIM)) for line in lines]


def _step_row(step: Step, glyphs: Glyphs, now: float) -> Row:
    mark, ink = {
        StepState.PLANNED: (" ", Ink.DIM),
        StepState.RUNNING: (glyphs.running, Ink.WARNING),
        StepState.DONE: (glyphs.done, Ink.HEALTHY),
        StepState.FAILED: (glyphs.broken, Ink.CRITICAL),
    }[step.state]
    seconds = step.seconds
    if step.state is StepState.RUNNING and step.started is not None:
        seconds = max(now - step.started, 0.0)
    time = f"{seconds:.2f} s" if seconds is not None else ""
    name = step.name.replace("_", " ")
    plain = Ink.DIM if step.state is StepState.PLANNED else Ink.PLAIN
    return row(" ", (mark, ink), " ", (cell(name, 30), plain), cell(time, 9, right=True), "  ", (step.detail, Ink.DIM))


def report_rows(report: Mapping[str, Any]) -> list[Row]:
    """The result card; a figure that was not measured is ``?``, with no unit."""
    lost = report.get("lost")
    lost_ink = Ink.PLAIN if lost == 0 else Ink.CRITICAL if lost else Ink.WARNING
    before, after = _known(report.get("timeline_before")), _known(report.get("timeline_after"))
    rejoin = [_known(report.get("rejoin")), _seconds(report.get("rejoin_seconds"))]
    why = report.get("rejoin_reason")
    return [
        row((f" RESULT  {report.get('kind', 'drill')}", Ink.BOLD)),
        row(_wide("Timeline"), f"{before} -> {after}, forked at {_known(report.get('fork_lsn'))}"),
        row(_wide("Detection"), _seconds(report.get("detection_seconds"))),
        row(_wide("Promotion"), _seconds(report.get("promotion_seconds"))),
        row(
            _wide("Downtime"),
            (_seconds(report.get("downtime_seconds")), Ink.BOLD),
            ("  last acknowledged write to the next", Ink.DIM),
        ),
        row(
            _wide("Writes"),
            f"{_known(report.get('acked'))} acknowledged, ",
            (f"{_known(lost)} lost", lost_ink),
        ),
        row(_wide("Rejoin"), ", ".join(rejoin), (f"  {why}" if why else "", Ink.DIM)),
    ]


def _label(text: str) -> Span:
    return f" {text:<{LABEL - 1}}", Ink.DIM


def _wide(text: str) -> Span:
    return f" {text:<{2 * LABEL - 1}}", Ink.DIM


def _known(value: object) -> str:
    if value is None:
        return "?"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _seconds(value: object) -> str:
    if not isinstance(value, int | float):
        return "?"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"
