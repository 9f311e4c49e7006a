"""A run while it goes on: state, stopwatch, what it waits for, its steps with their times, the cluster, the writers.

Owns: the wording, and what is left out where there is no room. Must not: import Textual, or look at a clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgreplterm.cluster import words
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.drill.progress_model import Progress, RunState, StepProgress, StepState
from pgreplterm.tui.drills.probe_strip import ProbeStrip, legend
from pgreplterm.tui.glyphs import Glyphs
from pgreplterm.tui.ink import BLANK, Ink, Row, Span, cell, row, wrap
from pgreplterm.tui.overview.table import state_span

STATES = {
    RunState.PLANNED: Ink.DIM,
    RunState.RUNNING: Ink.WARNING,
    RunState.PAUSED: Ink.WARNING,
    RunState.HEALING: Ink.CRITICAL,
    RunState.DONE: Ink.HEALTHY,
    RunState.FAILED: Ink.CRITICAL,
    RunState.INTERRUPTED: Ink.CRITICAL,
}
NODE = 38  # cells of one node in the small topology
FEWEST_STEPS = 5
STRIPS = 6  # rows of the writers' strip at most; two where the screen is short
SHORT = 24
FOUND = 3
WIDE = 100  # cells from which on names of steps need not be cut
SEEN = 2  # of what was observed in the running step, the newest


def run_rows(
    progress: Progress,
    what: str,
    glyphs: Glyphs,
    now: float,
    width: int,
    height: int,
    snapshot: ClusterSnapshot | None,
    strip: ProbeStrip | None,
) -> list[Row]:
    """At most height rows; the steps get what the rest leaves, in a window around the one under way."""
    top = [head_row(progress, what, glyphs, now), *_words(progress, width, height)]
    bottom = [] if snapshot is None else [BLANK, *nodes_rows(snapshot, glyphs, width)]
    if strip is not None and len(strip):
        room = max(min(height - len(top) - len(bottom) - FEWEST_STEPS - 2, STRIPS if height > SHORT else 2), 1)
        bottom += [legend(glyphs), *strip.rows(width, room, glyphs)]
    room = max(height - len(top) - len(bottom) - 1, FEWEST_STEPS)
    return [*top, BLANK, *_window(step_rows(progress, glyphs, now, width), room), *bottom][:height]


def head_row(progress: Progress, what: str, glyphs: Glyphs, now: float) -> Row:
    """State and stopwatch."""
    elapsed = (progress.ended or now) - (progress.started if progress.started is not None else now)
    glyph = {RunState.DONE: glyphs.done, RunState.RUNNING: glyphs.running}.get(progress.state, glyphs.broken)
    done = sum(step.state is StepState.DONE for step in progress.steps)
    stepwise = ", step by step" if (progress.request or {}).get("stepwise") else ""
    state = (f"{glyph} {progress.state}", STATES[progress.state])
    return row(
        (f" {words.printable(what)}  ", Ink.BOLD),
        state,
        (f"  {max(elapsed, 0.0):.1f} s", Ink.BOLD),
        (f"  {done} of {len(progress.steps)}{stepwise or ' steps'}", Ink.DIM),
    )


def _words(progress: Progress, width: int, height: int) -> list[Row]:
    """What it waits for, asks, takes back or failed with; in step-by-step mode why the step under way is taken."""
    most = max(height // 3, 4)
    if progress.failure:
        return [*_failure(progress, width)[: height // 2]]
    if progress.state is RunState.HEALING:
        return _healing(progress, width)[: height // 2]
    if progress.question is not None:
        question = progress.question
        rows = wrap(words.printable(question.text), width - 2, Ink.BOLD, indent=" ")[:most]
        numbered = enumerate(question.answers, start=1)
        return [
            BLANK,
            *rows,
            *(row((f" {number} ", Ink.KEY), answer) for number, answer in numbered),
            row(" ", ("a", Ink.KEY), " then the number answers"),
        ]
    if progress.paused_before is not None:
        keys = row(" ", ("Enter", Ink.KEY), " next step   ", ("Space", Ink.KEY), " go on   ", ("X", Ink.KEY), " abort")
        rows = wrap(_before(progress), width - 2, Ink.BOLD, indent=" ")
        why = wrap(progress.paused_why, width - 2, indent=" ")[:most] if progress.paused_why else []
        return [BLANK, *_last_found(progress, width), *rows, *why, keys]
    current = progress.current
    if current is not None and current.why and (progress.request or {}).get("stepwise"):
        return [BLANK, *wrap(current.why, width - 2, Ink.PLAIN, indent=" ")[:most]]
    return []


def _last_found(progress: Progress, width: int) -> list[Row]:
    """What the step before found, in full: its row has room for the beginning only."""
    done = [step for step in progress.steps if step.state is StepState.DONE and step.ended is not None]
    last = max(done, key=lambda step: step.ended or 0.0, default=None)
    if last is None or not last.detail:
        return []
    return wrap(f"{last.name}: {words.printable(last.detail)}", width - 2, Ink.DIM, indent=" ")[:FOUND]


def _before(progress: Progress) -> str:
    name = progress.paused_before
    will = next(
        (step.will for step in progress.steps if step.name == name and step.state is StepState.PLANNED and step.will),
        "",
    )
    return f"Paused before {name}" + (f": {will}" if will else "")


def _failure(progress: Progress, width: int) -> list[Row]:
    rows = wrap(words.printable(progress.failure or ""), width - 2, Ink.CRITICAL, indent=" ")
    if progress.state is RunState.INTERRUPTED:
        return [*rows, row(" ", ("X", Ink.KEY), " heals: what was done is taken back, or brought to its end")]
    rows += _undo_rows(progress)
    if all(step.started is None for step in progress.steps):
        return [*rows, row(" Nothing was done.")]
    if progress.healed is False:
        return [*rows, row((" The cluster is not whole. ", Ink.CRITICAL), ("X", Ink.KEY), " tries to heal it again")]
    return (
        [*rows, row((" What was done was taken back: the cluster is whole.", Ink.HEALTHY))] if progress.healed else rows
    )


def _healing(progress: Progress, width: int) -> list[Row]:
    rows = wrap(f"Taking back what was done: {words.printable(progress.reason)}", width - 2, Ink.WARNING, indent=" ")
    return [*rows, *_undo_rows(progress)]


def _undo_rows(progress: Progress) -> list[Row]:
    inks = {StepState.DONE: Ink.HEALTHY, StepState.FAILED: Ink.CRITICAL}
    return [
        row(
            " undo ",
            (f"{undo.state:<8}", inks.get(undo.state, Ink.WARNING)),
            f"{undo.sentence}  ",
            (undo.detail, Ink.DIM),
        )
        for undo in progress.undos
    ]


def step_rows(progress: Progress, glyphs: Glyphs, now: float, width: int) -> list[tuple[Row, bool]]:
    """A row each, and whether it is where the run is; under the running one what was seen in it."""
    rows: list[tuple[Row, bool]] = []
    current = progress.current
    name = 30 if width >= WIDE else 24
    for step in progress.steps:
        rows.append((_step_row(step, glyphs, now, name), step is current))
        if step is current:
            rows += [(row("     ", (words.printable(text), Ink.DIM)), False) for text in step.seen[-SEEN:]]
    if current is None and not progress.finished:
        place = next((number for number, step in enumerate(progress.steps) if step.state is StepState.PLANNED), -1)
        rows = [(line, number == place) for number, (line, _) in enumerate(rows)]
    return rows


def _step_row(step: StepProgress, glyphs: Glyphs, now: float, name: int) -> Row:
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
    indent = "  " if step.part else ""
    text = step.detail if step.state in (StepState.DONE, StepState.FAILED) else step.will
    name_ink = Ink.DIM if step.state is StepState.PLANNED else Ink.PLAIN
    detail: Span = (words.printable(text), Ink.CRITICAL if step.state is StepState.FAILED else Ink.DIM)
    return row(f" {indent}", (f"{mark} ", ink), (cell(step.name, name - len(indent)), name_ink), f"{time:>9}  ", detail)


def _window(rows: Sequence[tuple[Row, bool]], room: int) -> list[Row]:
    """So many rows, the one where the run is among them; what is left out is counted."""
    if len(rows) <= room:
        return [line for line, _ in rows]
    here = next((number for number, (_, current) in enumerate(rows) if current), len(rows) - 1)
    first = max(min(here - room // 2, len(rows) - room), 0)
    shown = [line for line, _ in rows[first : first + room]]
    if first:
        shown[0] = row((f"   {first + 1} before", Ink.DIM))
    if (left := len(rows) - first - room) > 0:
        shown[-1] = row((f"   {left + 1} more", Ink.DIM))
    return shown


def nodes_rows(snapshot: ClusterSnapshot, glyphs: Glyphs, width: int) -> list[Row]:
    """The cluster in short: a node a cell, as many cells a row as fit."""
    each = max(width // NODE, 1)
    cells = [_node_spans(snapshot, place, glyphs) for place in range(len(snapshot.nodes))]
    return [
        row(*(span for spans in cells[start : start + each] for span in spans)) for start in range(0, len(cells), each)
    ]


def _node_spans(snapshot: ClusterSnapshot, place: int, glyphs: Glyphs) -> tuple[Span, ...]:
    node = snapshot.nodes[place]
    link = snapshot.link_to(node.name)
    state, ink = state_span(node, glyphs, snapshot.taken_at)
    role = str(node.role) if node.failure is None else "?"
    timeline = "" if node.timeline is None else f"TL {node.timeline}"
    behind = "" if link is None or link.gaps.replay is None else words.size(link.gaps.replay)
    head = f" {cell(node.name, 7)} {cell(role, 7)} "
    return (head, Ink.PLAIN), (cell(state, 12), ink), (f" {timeline:<5}{cell(behind, 4, right=True)}", Ink.DIM)
