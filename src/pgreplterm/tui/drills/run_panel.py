"""Everything about the run that goes on, on one screen.

Owns: that widget. Must not: look at a file or a server: it is handed the strip and, of another lab, the snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pgreplterm.tui.desk import Desk
from pgreplterm.tui.drills.run_rows import run_rows
from pgreplterm.tui.ink import BLANK, Ink, Row, row, wrap
from pgreplterm.tui.strips import Lines

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.tui.drills.probe_strip import ProbeStrip


class RunPanel(Lines):
    """Everything about the run on one screen."""

    DEFAULT_CSS = "RunPanel { height: 1fr; }"

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self.strip: ProbeStrip | None = None
        self.other: ClusterSnapshot | None = None
        self.trouble = ""

    def build(self, width: int) -> Sequence[Row]:
        """As much as there is room for."""
        runner, height = self._desk.runner, self.size.height
        if runner.progress is None:
            return wrap("No drill has run here yet.", width - 2, Ink.DIM, indent=" ")
        trouble = wrap(self.trouble, width - 2, Ink.CRITICAL, indent=" ") if self.trouble else []
        snapshot = self._desk.view.snapshot if runner.lab == self._desk.owned_lab else self.other
        strip, glyphs, room = self.strip, self._desk.glyphs, height - len(trouble)
        if runner.healing:
            trouble = [row((" Healing ...", Ink.WARNING)), BLANK]
        return [
            *trouble,
            *run_rows(runner.progress, runner.what, glyphs, time.time(), width, room, snapshot, strip),
        ]
