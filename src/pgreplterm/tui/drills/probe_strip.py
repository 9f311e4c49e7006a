"""What writers were told, a cell for each tenth of a second.

Owns: cutting attempts into cells, and the rows they are drawn in: from left to right and never moving, so that a tick
costs the new cells only. Pure.
Must not: guess. A moment in which no attempt ended is a blank, which is neither ok nor an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from pgreplterm.lab.journal import Attempt, Outcome
from pgreplterm.tui.glyphs import Glyphs
from pgreplterm.tui.ink import Ink, Row, Span, row

CELL = 0.1  # seconds
LABEL = 10
ROUND = 10  # a row begins at a whole second


class Told(IntEnum):
    """The worst that happened in a cell, worst last."""

    NOTHING = 0
    OK = 1
    SLOW = 2  # an answer that took a cell or longer
    ERROR = 3
    UNKNOWN = 4  # the answer was lost: it may be committed, or not


class ProbeStrip:
    """The cells since start (seconds since the epoch)."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._cells: list[Told] = []

    def add(self, attempts: Iterable[Attempt]) -> None:
        """More of them, in any order; what began before the start counts from there."""
        for attempt in attempts:
            took = max(attempt.ended_at - attempt.sent_at, 0.0)
            first = int(max(attempt.sent_epoch - self._start, 0.0) / CELL)
            last = int((attempt.sent_epoch + took - self._start) / CELL)
            if last < 0:
                continue
            told = _told(attempt.outcome, took)
            self._cells += [Told.NOTHING] * (last + 1 - len(self._cells))
            for place in range(last if told is Told.OK else first, last + 1):
                self._cells[place] = max(self._cells[place], told)

    def __len__(self) -> int:
        return len(self._cells)

    def rows(self, width: int, most: int, glyphs: Glyphs) -> list[Row]:
        """The newest rows, at most that many; each begins with the second it starts at."""
        each = max((width - LABEL - 1) // ROUND, 1) * ROUND
        count = -(-len(self._cells) // each)
        begins = range(max(count - most, 0) * each, count * each, each)
        return [self._row(begin, self._cells[begin : begin + each], glyphs) for begin in begins]

    def _row(self, begin: int, cells: list[Told], glyphs: Glyphs) -> Row:
        spans: list[Span] = [(f" {f'+{begin * CELL:.0f} s':>{LABEL - 2}} ", Ink.DIM)]
        for told in cells:
            glyph, ink = _look(told, glyphs)
            if spans[-1][1] is ink and len(spans) > 1:
                spans[-1] = (spans[-1][0] + glyph, ink)
            else:
                spans.append((glyph, ink))
        return tuple(spans)


def legend(glyphs: Glyphs) -> Row:
    """What the glyphs mean."""
    parts: list[str | Span] = [(" writes, a cell per 100 ms: ", Ink.DIM)]
    for told in (Told.OK, Told.SLOW, Told.ERROR, Told.UNKNOWN):
        parts += [_look(told, glyphs), (f" {told.name.lower()}  ", Ink.DIM)]
    return row(*parts, ("blank: no answer", Ink.DIM))


def _told(outcome: Outcome, took: float) -> Told:
    if outcome is Outcome.OK:
        return Told.SLOW if took >= CELL else Told.OK
    return Told.ERROR if outcome is Outcome.ERROR else Told.UNKNOWN


def _look(told: Told, glyphs: Glyphs) -> Span:
    return {
        Told.NOTHING: (" ", Ink.PLAIN),
        Told.OK: (glyphs.served, Ink.HEALTHY),
        Told.SLOW: ("~", Ink.WARNING),
        Told.ERROR: ("x", Ink.CRITICAL),
        Told.UNKNOWN: ("?", Ink.WARNING),
    }[told]
