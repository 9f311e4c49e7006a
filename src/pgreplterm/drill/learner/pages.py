"""A learner's progress as text, as Markdown, and as plain data; the closing page once all ten are done.

Owns: those forms. Must not: read the log, or conclude anything (``summary``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from pgreplterm.cluster.words import NOT_APPLICABLE, printable
from pgreplterm.drill.learner.lines import as_document as entry_document
from pgreplterm.drill.learner.model import COURSE, Finished, Level
from pgreplterm.drill.learner.summary import Measured, Progress, Standing, measured
from pgreplterm.drill.report.columns import columns, folded
from pgreplterm.drill.report.markdown import escaped, table
from pgreplterm.drill.report.words import figure_in_words, seconds_in_words, when

_COURSE_LEVELS = (Level.BEGINNER, Level.INTERMEDIATE, Level.ADVANCED)
NOTHING_YET = "not yet"


def as_text(progress: Progress, width: int | None = 80) -> str:
    """For a terminal."""
    blocks = ["\n".join(folded(headline(progress), width))]
    for level in Level:
        if rows := [_row(each) for each in progress.of(level)]:
            blocks.append("\n".join([level.capitalize(), *columns(rows, width, widest=40)]))
    if notes := list(_notes(progress.standings, width)):
        blocks.append("\n".join(["Notes", *notes]))
    if progress.complete:
        blocks.append("\n\n".join(closing_page(progress, width)))
    return "\n\n".join(blocks)


def headline(progress: Progress) -> str:
    """``5 of 10 done: beginner 3 of 3, intermediate 2 of 3, advanced 0 of 4``."""
    parts = [f"{level} {sum(each.done for each in found)} of {len(found)}" for level, found in _levels(progress)]
    return f"{progress.done} of {len(COURSE)} done: {', '.join(parts)}"


def closing_page(progress: Progress, width: int | None = 80) -> Iterator[str]:
    """All ten are done: what was measured, what was noted, what each taught."""
    at = progress.completed_at
    yield "\n".join(folded(f"The course is complete{'' if at is None else f', since {when(at)}'}.", width))
    for each in progress.course:
        lines = [label(each), *folded(f"  Taught: {printable(each.teaches)}", width, 4)]
        lines += columns([_figure_words(figure) for figure in measured(each)], width)
        lines += _notes([each], width)
        yield "\n".join(lines)


def as_markdown(progress: Progress) -> str:
    """To keep, or to hand in."""
    blocks = ["# Replication course: progress", f"{escaped(headline(progress))}."]
    at = progress.completed_at
    if at is not None:
        blocks.append(f"**The course is complete**, since {when(at)}.")
    for level in Level:
        if found := progress.of(level):
            blocks.append(f"## {level.capitalize()}")
            blocks.append(
                table(("scenario", "outcome", "last run", "took", "runs", "passed"), [_cells(each) for each in found])
            )
    for each in progress.standings:
        if each.runs or each.notes:
            blocks += _detail(each)
    return "\n\n".join(blocks) + "\n"


def as_document(progress: Progress) -> dict[str, Any]:
    """As plain data; instants are epoch seconds."""
    return {
        "done": progress.done,
        "of": len(COURSE),
        "complete": progress.complete,
        "completed_at": progress.completed_at,
        "levels": {
            str(level): {"done": sum(each.done for each in found), "of": len(found)}
            for level, found in _levels(progress)
        },
        "scenarios": [
            {
                "number": each.number,
                "name": each.name or None,
                "title": each.title,
                "level": str(level),
                "teaches": each.teaches,
                "done": each.done,
                "runs": [entry_document(run) for run in each.runs],
                "notes": [{"at": note.at, "text": note.text} for note in each.notes],
            }
            for level in Level
            for each in progress.of(level)
        ],
    }


def label(standing: Standing) -> str:
    """``05 Network interruption``; beyond the ten the title, or the name alone."""
    title = printable(standing.title or standing.name)
    return title if standing.number is None else f"{standing.number:02} {title}"


def _levels(progress: Progress) -> list[tuple[Level, tuple[Standing, ...]]]:
    return [(level, progress.of(level)) for level in _COURSE_LEVELS]


def _row(standing: Standing) -> tuple[str, str, str]:
    last = standing.last
    if last is None:
        return label(standing), NOTHING_YET, ""
    runs = "1 run" if len(standing.runs) == 1 else f"{len(standing.runs)} runs"
    return (
        label(standing),
        str(last.outcome),
        f"{_day(last.finished_at)}, took {seconds_in_words(last.seconds)}, {runs}",
    )


def _cells(standing: Standing) -> tuple[str, ...]:
    last = standing.last
    if last is None:
        return label(standing), NOTHING_YET, NOT_APPLICABLE, NOT_APPLICABLE, "0", "0"
    took = seconds_in_words(last.seconds)
    return (
        label(standing),
        str(last.outcome),
        when(last.finished_at),
        took,
        str(len(standing.runs)),
        str(len(standing.passed)),
    )


def _detail(standing: Standing) -> Iterator[str]:
    yield f"## {escaped(label(standing))}"
    if standing.teaches:
        yield f"What it teaches: {escaped(standing.teaches)}"
    if standing.last is not None:
        yield f"{escaped(_circumstances(standing.last, standing.best))}"
    if rows := [(*_figure_row(each), each.last.how) for each in measured(standing)]:
        yield table(("figure", "last", "best", "how it was measured"), rows)
    if standing.notes:
        yield "\n".join(f"- {_day(note.at)}: {escaped(note.text)}" for note in standing.notes)


def _circumstances(last: Finished, best: Finished | None) -> str:
    quickest = "" if best is None else f"; the quickest took {seconds_in_words(best.seconds)}"
    server = f"PostgreSQL {last.server_version or 'of an unknown version'}"
    return f"Last run {when(last.finished_at)} ({last.backend or 'unknown backend'}, {server}){quickest}."


def _figure_row(found: Measured) -> tuple[str, str, str]:
    told = NOT_APPLICABLE if found.best is None else figure_in_words(found.best)
    return printable(found.last.label), figure_in_words(found.last), told


def _figure_words(found: Measured) -> tuple[str, str, str]:
    name, last, best = _figure_row(found)
    return name, last, "" if best == NOT_APPLICABLE else f"best {best}"


def _notes(standings: Sequence[Standing], width: int | None) -> Iterator[str]:
    for each in standings:
        for note in each.notes:
            yield from folded(f"  {label(each)}, {_day(note.at)}: {printable(note.text)}", width, 4)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
