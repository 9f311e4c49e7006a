"""The recording that every drill makes of itself.

Owns: its place, its marks (what the drill narrates), and that its failure is no failure of the drill.
Must not: sample (the drill's own watch does), or know the steps.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.cluster.words import printable
from pgreplterm.drill.narration import narration
from pgreplterm.errors import PgReplTermError
from pgreplterm.recording.writer import Writer

INTERVAL = 0.08
"""Seconds between samples while something runs: with a late tick now and then it is still ten in a second."""


class Film:
    """A recording under way; ``error`` says why there is none, or why it ended early."""

    def __init__(self, path: Path, lab: str) -> None:
        self.path = path
        self.error: str | None = None
        self._writer: Writer | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = Writer(path, title=lab, interval=INTERVAL)
        except (PgReplTermError, OSError) as error:
            self.error = str(error)

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end = "the drill is done" if error is None else f"the drill failed: {error or type(error).__name__}"
        self.mark(end, time.time())
        self.close()

    @property
    def name(self) -> str | None:
        """Where it is, for the report; None when there is none."""
        return str(self.path) if self._writer is not None else None

    def see(self, snapshot: ClusterSnapshot) -> None:
        """Record a tick; called in the watch's thread."""
        if self._writer is not None and self.error is None:
            try:
                self._writer.add(snapshot)
            except PgReplTermError as error:
                self.error = str(error)

    def mark(self, line: str | None, at: float) -> None:
        """Mark what was just narrated, if anything was."""
        if line and self._writer is not None and self.error is None:
            try:
                self._writer.mark(printable(line.strip()), at)
            except PgReplTermError as error:
                self.error = str(error)

    def hear(self, event: Mapping[str, Any]) -> None:
        """Mark what a line of the journal tells, if it tells anything to somebody who looks on."""
        self.mark(narration(event), event["t"])

    def event(self) -> dict[str, Any]:
        """What the journal says of it."""
        return {"path": self.name, "detail": self.error}

    def close(self) -> None:
        """No more ticks."""
        if self._writer is not None:
            try:
                self._writer.close()
            except PgReplTermError as error:
                self.error = str(error)
