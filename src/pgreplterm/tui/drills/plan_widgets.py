"""The two widgets of the plan page: the plan itself, and the line that says what Enter does.

Owns: what they show. Must not: ask, or start anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgreplterm.drill.request import Kind
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.drills.entries import Entry
from pgreplterm.tui.drills.past import PastRun
from pgreplterm.tui.drills.plan_rows import drill_rows, scenario_rows
from pgreplterm.tui.drills.planning import Plan
from pgreplterm.tui.ink import Ink, Row, row, wrap
from pgreplterm.tui.scroll import Scroll
from pgreplterm.tui.strips import Lines

ANSWER_ROWS = 2


class PlanRows(Scroll):
    """The plan, with the nodes as they are now."""

    def __init__(self, desk: Desk, entry: Entry, lab: str, last: PastRun | None) -> None:
        super().__init__()
        self._desk, self._entry, self._lab, self._last = desk, entry, lab, last
        self.plan: Plan | None = None
        self.mysql = False
        self.explain = False

    def build(self, width: int) -> Sequence[Row]:
        """All of it."""
        entry, lab, last = self._entry, self._lab, self._last
        if entry.kind is Kind.SCENARIO:
            return scenario_rows(entry, lab, last, width, mysql=self.mysql, explain=self.explain)
        return drill_rows(entry, lab, self.plan, self._desk.view.snapshot, last, width)


class Answer(Lines):
    """What Enter will do, or why it did not."""

    DEFAULT_CSS = f"Answer {{ height: {ANSWER_ROWS}; }}"

    def __init__(self) -> None:
        super().__init__()
        self._text, self._ink = "", Ink.PLAIN

    def build(self, width: int) -> Sequence[Row]:
        """At the bottom of the page."""
        return wrap(self._text, width - 1, self._ink, indent=" ")[:ANSWER_ROWS] or [row(" ")]

    def say(self, text: str, ink: Ink = Ink.PLAIN) -> None:
        """From now on that."""
        self._text, self._ink = text, ink
        self.rebuild()
