"""The lists of drills, scenarios and past runs as rows, and what is said about the one under the cursor.

Owns: columns and wording. Must not: import Textual, or decide whether anything may run.
"""

from __future__ import annotations

import time

from pgreplterm.drill.report.model import Outcome
from pgreplterm.drill.request import Kind
from pgreplterm.tui.drills.entries import Entry
from pgreplterm.tui.drills.past import PastRun
from pgreplterm.tui.ink import Ink, Row, Span, cell, row, wrap

LABEL = 9
LAST = 18
WIDE = 100  # cells from which on there is room for more
ENDINGS = {
    Outcome.PASSED.value: Ink.HEALTHY,
    Outcome.FAILED.value: Ink.CRITICAL,
    Outcome.INCONCLUSIVE.value: Ink.WARNING,
    "interrupted": Ink.CRITICAL,
    "broken": Ink.CRITICAL,
    "running": Ink.WARNING,
}


def drill_heading(width: int) -> Row:
    """The column titles of the drills."""
    return _columns(width, "DRILL", "EFFECT", "TAKES", ("LAST RESULT", Ink.BOLD), Ink.BOLD)


def drill_row(entry: Entry, last: PastRun | None, refusal: str | None, width: int) -> Row:
    """One drill; dim when it cannot be started."""
    ink = Ink.PLAIN if refusal is None and not entry.trouble else Ink.DIM
    return _columns(width, entry.label, entry.effect, entry.duration, ending(last, time.time()), ink)


def scenario_heading(width: int) -> Row:
    """The column titles of the scenarios."""
    return _wide(width, "SCENARIO", "LEVEL", "TAKES", ("LAST RESULT", Ink.BOLD), Ink.BOLD)


def scenario_row(entry: Entry, last: PastRun | None, refusal: str | None, width: int) -> Row:
    """One scenario: number and title; dim when it cannot be run."""
    ink = Ink.PLAIN if refusal is None and not entry.trouble else Ink.DIM
    number = entry.label.partition(" ")[0] if entry.label[:2].isdigit() else "  "
    text = f"{number} {entry.effect}"
    return _wide(width, text, entry.level, entry.duration, ending(last, time.time()), ink)


def past_heading(width: int) -> Row:
    """The column titles of the past runs."""
    began = cell("BEGAN", len(_instant(0.0, width)))
    return row((cell(f" {began} {'WHAT':<20}{'LAB':<12}{'ENDED':<13}RESULT", width), Ink.BOLD))


def past_row(past: PastRun, width: int) -> Row:
    """One past run, newest first in its list."""
    head = f" {_instant(past.began, width)} {cell(past.name, 19)} {cell(past.lab, 11)} "
    return row(head, (cell(past.ended, 12), ENDINGS.get(past.ended, Ink.PLAIN)), f" {past.line}")


def _instant(at: float, width: int) -> str:
    """Of this machine's clock; without the year and the seconds where there is little room."""
    return time.strftime("%Y-%m-%d %H:%M:%S" if width >= WIDE else "%m-%d %H:%M", time.localtime(at))


def about(entry: Entry, last: PastRun | None, refusal: str | None, width: int) -> list[Row]:
    """What is said about a drill or a scenario under the list."""
    rows = wrap(f"Not now: {refusal}.", width - 1, Ink.WARNING, indent=" ") if refusal else []
    rows += wrap(entry.trouble, width - 1, Ink.CRITICAL, indent=" ") if entry.trouble else []
    if entry.kind is Kind.DRILL:
        rows += _fact("Does", entry.effect, width)
    else:
        rows += _fact("Shows", entry.summary or entry.effect, width)
        rows += _fact("Teaches", entry.teaches, width)
    rows += _fact("Radius", f"{entry.radius}; takes {entry.duration}" if entry.duration else entry.radius, width)
    rows += _fact("Undo", entry.reversibility, width)
    return rows + _fact("Last", last_in_words(last), width)


def about_past(past: PastRun, width: int) -> list[Row]:
    """What is said about a past run under the list."""
    return [*_fact("Result", f"{past.ended}: {past.line}", width), *_fact("Files", str(past.run.folder), width)]


def last_in_words(last: PastRun | None) -> str:
    """The last result in a clause."""
    if last is None:
        return "never run here"
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(last.began))
    return f"{last.ended} {when}" + (f": {last.line}" if last.line else "")


def ending(last: PastRun | None, now: float) -> Span:
    """How it ended and when, for a narrow column; the day, or the time of today."""
    if last is None:
        return "-", Ink.DIM
    day = time.strftime("%Y-%m-%d", time.localtime(last.began))
    today = day == time.strftime("%Y-%m-%d", time.localtime(now))
    when = time.strftime("%H:%M", time.localtime(last.began)) if today else day[5:]
    return f"{last.ended} {when}", ENDINGS.get(last.ended, Ink.PLAIN)


def _columns(width: int, name: str, effect: str, takes: str, last: Span, ink: Ink) -> Row:
    """Below 60 columns only what it is and does."""
    if width < 60:
        return row((f" {cell(name, 13)} {effect}", ink))
    most = 24 if width >= WIDE else 9
    room = width - 14 - most - 1 - LAST - 2
    return row((f" {cell(name, 13)} {cell(effect, room)} {cell(takes, most)} ", ink), (cell(last[0], LAST), last[1]))


def _wide(width: int, text: str, level: str, takes: str, last: Span, ink: Ink) -> Row:
    if width < 60:
        return row((f" {text}", ink))
    room = width - 13 - 8 - LAST - 2
    return row((f" {cell(text, room)} {cell(level, 12)} {cell(takes, 7)} ", ink), (cell(last[0], LAST), last[1]))


def _fact(name: str, text: str, width: int) -> list[Row]:
    if not text:
        return []
    lines = wrap(text, width - LABEL - 1)
    return [row((f" {'' if number else name:<{LABEL - 1}}", Ink.DIM), *line) for number, line in enumerate(lines)]
