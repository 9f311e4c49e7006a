"""Waiting for a client to have been served.

Owns: following the prober's journal until a server has acknowledged enough writes. Must not: judge them.
"""

from __future__ import annotations

import time
from pathlib import Path

from pgreplterm.errors import DrillFailed
from pgreplterm.lab.journal import Lines, Outcome

_LOOK_EVERY = 0.005  # seconds; the prober writes a line every few milliseconds


def await_acks(journal: Path, port: int, count: int, within: float) -> None:
    """Return once the server on that port has acknowledged count writes. Raises DrillFailed after within seconds."""
    deadline = time.monotonic() + within
    acknowledged = 0
    found = Lines()
    with journal.open(encoding="utf-8") as lines:
        while acknowledged < count:
            if time.monotonic() > deadline:
                raise DrillFailed(
                    f"expected {count} acknowledged writes on port {port} within {within:.0f} s, found {acknowledged}."
                )
            attempts = found.feed(lines.read())
            acknowledged += sum(each.outcome is Outcome.OK and each.port == port for each in attempts)
            time.sleep(_LOOK_EVERY)
