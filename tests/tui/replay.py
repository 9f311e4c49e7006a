"""Runs the real application on a scripted source, for the tests that need a real terminal.

python -m tests.tui.replay MODE: ``steady`` feeds the same cluster for ever, ``lag`` a growing gap, ``silent`` nothing,
``defect`` a few ticks and then an exception, ``crash`` an exception in the application itself.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from pgreplterm import tui
from pgreplterm.errors import PgReplTermError
from pgreplterm.tui.sources import Progress, Sampled, SourceEvent

from .snapshots import cluster

INTERVAL = 0.1


@dataclass
class Replay:
    """Ticks ten times a second."""

    mode: str
    title: str = "replay"
    interval: float = INTERVAL
    owned_lab: str | None = None
    directories: dict[str, Path] = field(default_factory=dict)

    async def events(self) -> AsyncIterator[SourceEvent]:
        """As the mode says."""
        yield Progress("nothing is built here")
        number = 0
        while True:
            if self.mode == "defect" and number > 3:
                raise RuntimeError("a defect in a poller")
            if self.mode != "silent":
                gap = number * 1_000_000 if self.mode == "lag" else 0
                yield Sampled(replace(cluster(gap), taken_at=time.time()))
            number += 1
            await asyncio.sleep(INTERVAL)

    def data_directory(self, node: str) -> Path | None:
        """Nobody's files."""
        return self.directories.get(node)


if __name__ == "__main__":
    if sys.argv[1] == "crash":
        from pgreplterm.tui.overview import table

        table.state_span = lambda *_: 1 / 0  # type: ignore[assignment, return-value]
    try:
        sys.exit(tui.run(Replay(sys.argv[1])))
    except PgReplTermError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
