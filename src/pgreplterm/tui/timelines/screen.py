"""The Timelines place: which line of history each node is on, and where lines part.

Owns: its one widget.
Must not: compare histories (``lanes``, and the cluster room below it, do).
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from pgreplterm.tui.desk import Desk
from pgreplterm.tui.ink import Row, row
from pgreplterm.tui.place import Place
from pgreplterm.tui.strips import Lines
from pgreplterm.tui.timelines.rows import timeline_rows


class TimelineLanes(Lines):
    """All of it in one widget of rows."""

    DEFAULT_CSS = "TimelineLanes { height: 1fr; }"

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def build(self, width: int) -> Sequence[Row]:
        """From the newest snapshot."""
        snapshot = self._desk.view.snapshot
        if snapshot is None:
            return [row(" Waiting for the first tick.")]
        return timeline_rows(snapshot, width, self._desk.glyphs)


class TimelinesPlace(Place):
    """Place 4."""

    mode = "timelines"

    def body(self) -> ComposeResult:
        """One widget."""
        yield TimelineLanes(self.desk)
