"""The three lists of the chooser: drills, scenarios, past runs; and what is said about the row under the cursor.

Owns: which list is in front, its filter, its cursor.
Must not: start anything, or read a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pgreplterm.drill.request import Kind
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.drills import chooser_rows as rows_of
from pgreplterm.tui.drills.entries import Entry
from pgreplterm.tui.drills.past import PastRun, PastRuns
from pgreplterm.tui.ink import Ink, Row, Span, row, wrap
from pgreplterm.tui.rowlist import RowList
from pgreplterm.tui.strips import Lines


class Pane(StrEnum):
    """One list."""

    DRILLS = "drills"
    SCENARIOS = "scenarios"
    RUNS = "past runs"


class Chooser(RowList):
    """The list in front."""

    def __init__(self, desk: Desk, past: PastRuns) -> None:
        super().__init__()
        self._desk, self._past = desk, past
        self.pane = Pane.DRILLS
        self.words = ""
        self.drills: tuple[Entry, ...] = ()
        self.scenarios: tuple[Entry, ...] | None = None  # None: still being read
        self._cursors = dict.fromkeys(Pane, 0)

    @property
    def items(self) -> Sequence[Entry | PastRun]:
        """What the filter leaves of the list in front."""
        if self.pane is Pane.RUNS:
            return [each for each in self._past.all if _matches(each, self.words)]
        entries = self.drills if self.pane is Pane.DRILLS else self.scenarios or ()
        return [each for each in entries if each.matches(self.words)]

    @property
    def item(self) -> Entry | PastRun | None:
        """What is under the cursor."""
        items = self.items
        return items[min(self.cursor, len(items) - 1)] if items else None

    def counts(self) -> dict[Pane, int | None]:
        """How many each list has, None while it is being read."""
        scenarios = None if self.scenarios is None else len(self.scenarios)
        return {Pane.DRILLS: len(self.drills), Pane.SCENARIOS: scenarios, Pane.RUNS: len(self._past.all)}

    def turn(self, step: int) -> None:
        """To the next list, or the one before; each remembers its cursor."""
        self._cursors[self.pane] = self.cursor
        panes = list(Pane)
        self.pane = panes[(panes.index(self.pane) + step) % len(panes)]
        self.reset(self._cursors[self.pane])

    def filter(self, text: str) -> None:
        """Only rows that have all these words."""
        self.words = text
        self.reset()

    def count(self) -> int:
        """How many rows."""
        return len(self.items)

    def heading(self) -> list[Row]:
        """The column titles."""
        width = self.size.width
        heads = {Pane.DRILLS: rows_of.drill_heading, Pane.SCENARIOS: rows_of.scenario_heading}
        return [heads.get(self.pane, rows_of.past_heading)(width)]

    def line(self, index: int) -> Row:
        """One row."""
        items = self.items
        item = items[index] if index < len(items) else None
        if item is None:
            return ()
        if isinstance(item, PastRun):
            return rows_of.past_row(item, self.size.width)
        draw = rows_of.drill_row if item.kind is Kind.DRILL else rows_of.scenario_row
        return draw(item, self._past.last_of(item.kind, item.key), self.refusal(item), self.size.width)

    def refusal(self, entry: Entry) -> str | None:
        """Why it cannot be started now, or None."""
        return self._desk.drill_refusal() if entry.kind is Kind.DRILL else self._desk.scenario_refusal()


class About(Lines):
    """What is said about the row under the cursor."""

    DEFAULT_CSS = "About { height: 7; } .-tall About { height: 10; }"

    def __init__(self, chooser: Chooser, past: PastRuns) -> None:
        super().__init__()
        self._chooser, self._past = chooser, past

    def build(self, width: int) -> Sequence[Row]:
        """Its rows."""
        chooser = self._chooser
        item = chooser.item
        if item is None:
            return wrap(self._nothing(), width - 1, Ink.DIM, indent=" ")
        if isinstance(item, PastRun):
            return rows_of.about_past(item, width)
        return rows_of.about(item, self._past.last_of(item.kind, item.key), chooser.refusal(item), width)

    def _nothing(self) -> str:
        if self._chooser.words:
            return f"Nothing here has {self._chooser.words!r} in it."
        if self._chooser.pane is Pane.SCENARIOS:
            return "Reading the scenarios ..." if self._chooser.scenarios is None else "There are no scenarios."
        return "Nothing has run here yet."


class Panes(Lines):
    """The lists there are, the one in front reversed, and what runs."""

    def __init__(self, desk: Desk, chooser: Chooser) -> None:
        super().__init__()
        self._desk, self._chooser = desk, chooser

    def build(self, width: int) -> Sequence[Row]:  # noqa: ARG002
        """One row of lists, one of what runs."""
        spans: list[str | Span] = []
        for pane, count in self._chooser.counts().items():
            ink = Ink.CURSOR if pane is self._chooser.pane else Ink.PLAIN
            spans += [" ", (f"{pane} {'...' if count is None else count}", ink), " "]
        spans.append(("  Tab turns", Ink.DIM))
        if self._chooser.words:
            spans.append((f"   only: {self._chooser.words}", Ink.WARNING))
        return [row(*spans), self._run()]

    def _run(self) -> Row:
        runner = self._desk.runner
        progress = runner.progress
        if progress is None:
            return row((" Enter shows the plan; nothing happens before it was read.", Ink.DIM))
        step = progress.current
        where = f" in {step.name}" if step is not None and runner.running else ""
        word = "healing" if runner.healing else str(progress.state)
        ink = Ink.WARNING if runner.running or runner.wants_healing else Ink.DIM
        return row((f" {runner.what}: {word}{where}", ink), "   ", ("v", Ink.KEY), " shows it")


def _matches(past: PastRun, text: str) -> bool:
    shown = f"{past.name} {past.lab} {past.ended} {past.line}".casefold()
    return all(word in shown for word in text.casefold().split())
