"""What every place is handed when it is made: the state, the glyphs, the permissions.

Owns: the one value that screens share, so that none of them reaches into the application.
Must not: import Textual.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.tui.drills.runner import DrillRunner
from pgreplterm.tui.glyphs import Glyphs
from pgreplterm.tui.replay import Player
from pgreplterm.tui.sources import ClusterSource
from pgreplterm.tui.view import ClusterView


@dataclass
class Desk:
    """Shared by all places; only the application changes it."""

    source: ClusterSource
    view: ClusterView
    glyphs: Glyphs
    lab: str | None
    drills_armed: bool
    runner: DrillRunner
    wal_path: Path | None = None
    clock: Callable[[], float] = time.monotonic
    paused: bool = False

    @property
    def player(self) -> Player | None:
        """What moves through the recording, when the source is one."""
        return self.source if isinstance(self.source, Player) else None

    @property
    def owned_lab(self) -> str | None:
        """The lab drills may run on: the source's own, and the one that was named when one was."""
        owned = self.source.owned_lab
        return owned if self.lab in (None, owned) else None

    def drill_refusal(self) -> str | None:
        """Why no drill can be started now, or None when one can."""
        if self.owned_lab is None:
            return "drills run only on a lab this program created"
        if not self.drills_armed:
            return "drills are not armed; start with --drills"
        if self.runner.running:
            return "a drill is running"
        if self.view.snapshot is None:
            return "the cluster has not been sampled yet"
        return None

    def scenario_refusal(self) -> str | None:
        """Why no scenario can be started now, or None; it makes a lab of its own, so the watched cluster is free."""
        if self.player is not None:
            return "a recording is shown; scenarios run beside a live cluster"
        return "a drill is running" if self.runner.running else None
