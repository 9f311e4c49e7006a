"""The Events place: everything noticed, newest last.

Owns: the list and following its end.
Must not: keep events of its own.
"""

from __future__ import annotations

from textual.app import ComposeResult

from pgreplterm.tui.desk import Desk
from pgreplterm.tui.events.rows import event_row
from pgreplterm.tui.ink import Row
from pgreplterm.tui.place import Place
from pgreplterm.tui.rowlist import RowList


class EventList(RowList):
    """All kept events; the cursor follows the newest while it is on the last row."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._known = 0

    def count(self) -> int:
        """How many events are kept."""
        return len(self._desk.view.events)

    def line(self, index: int) -> Row:
        """One event."""
        return event_row(self._desk.view.events[index], self._desk.glyphs)

    def catch_up(self) -> None:
        """New events may have come in."""
        following, self._known = self.cursor >= self._known - 1, self.count()
        if following:
            self.move_to(self._known - 1)
        self.refresh_changed()


class EventsPlace(Place):
    """Place 7."""

    mode = "events"

    def body(self) -> ComposeResult:
        """One list."""
        yield EventList(self.desk)

    def show_view(self) -> None:
        """Follow the newest."""
        super().show_view()
        self.query_one(EventList).catch_up()
