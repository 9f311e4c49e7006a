"""The Drills place: what can be rehearsed, the run in progress, the last result.

Owns: the list, the panel beside it and the stopwatch.
Must not: run a drill (``runner`` starts the process) or shorten the way to it (``plan`` asks for the name).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.timer import Timer

from pgreplterm.tui.chrome import Rule
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.drills.rows import DRILLS, run_rows
from pgreplterm.tui.ink import BLANK, Ink, Row, cell, row, wrap
from pgreplterm.tui.messages import OpenDrillPlan
from pgreplterm.tui.place import Place
from pgreplterm.tui.rowlist import RowList
from pgreplterm.tui.strips import Lines

STOPWATCH = 0.25  # seconds between two looks at the clock, only while a drill runs


class DrillList(RowList):
    """The drills there are; dim with the reason when none can be started."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def count(self) -> int:
        """How many drills there are."""
        return len(DRILLS)

    def line(self, index: int) -> Row:
        """Name, effect, and why it cannot be started."""
        drill = DRILLS[index]
        refusal = self._desk.drill_refusal()
        ink = Ink.PLAIN if refusal is None else Ink.DIM
        return row((f" {cell(drill.kind, 10)} {drill.effect}", ink))

    def heading(self) -> list[Row]:
        """How to start one, or why not."""
        refusal = self._desk.drill_refusal()
        text = "Enter or D shows the plan; nothing happens before the lab's name is typed."
        return [
            row((f" {refusal}", Ink.WARNING)) if refusal else row((f" {text}", Ink.DIM)),
            row((f" {cell('DRILL', 10)} EFFECT", Ink.BOLD)),
        ]


class DrillPanel(Lines):
    """The run in progress, or the last result."""

    DEFAULT_CSS = "DrillPanel { height: 1fr; }"

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def build(self, width: int) -> Sequence[Row]:
        """The run, and where its journal is."""
        progress = self._desk.runner.progress
        if progress is None:
            return wrap("No drill has run here yet.", width - 2, Ink.DIM, indent=" ")
        rows = run_rows(progress, self._desk.glyphs, time.time(), width)
        return [*rows, BLANK, row((f" journal {self._desk.runner.journal}", Ink.DIM))]


class DrillsPlace(Place):
    """Place 6."""

    mode = "drills"
    DEFAULT_CSS: ClassVar[str] = "DrillList { height: 4; }"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._stopwatch: Timer | None = None

    def body(self) -> ComposeResult:
        """List above, panel below."""
        yield DrillList(self.desk)
        yield Rule(self.desk, "run")
        yield DrillPanel(self.desk)

    def on_mount(self) -> None:
        """The stopwatch exists once and runs only with a drill."""
        self._stopwatch = self.set_interval(STOPWATCH, self._tick, pause=True)

    def show_view(self) -> None:
        """Also start or stop the stopwatch."""
        super().show_view()
        self.query_one(DrillList).refresh_changed()
        if self._stopwatch is not None:
            if self.desk.runner.running:
                self._stopwatch.resume()
            else:
                self._stopwatch.pause()

    def _tick(self) -> None:
        if self.is_current:
            self.query_one(DrillPanel).rebuild()

    def on_row_list_chosen(self) -> None:
        """Enter is the same as D."""
        self.post_message(OpenDrillPlan())
