"""What the tasks of one load tell each other.

Owns: the primary's clock as its heartbeats tell it, the newest row that was acknowledged, and the last trouble.
Must not: connect or count.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from pgreplterm.lab.load.meter import Meter
from pgreplterm.lab.load.plan import Plan


class Clock:
    """The primary's clock, read between two heartbeats with our own. Instants are epoch seconds of the primary."""

    def __init__(self) -> None:
        """A clock that nobody has told yet."""
        self._beat: tuple[float, float] | None = None

    def told(self, epoch: float, at: float) -> None:
        """The primary said epoch at that monotonic instant of ours."""
        self._beat = epoch, at

    def read(self, at: float) -> float | None:
        """What it shows at a monotonic instant of ours; None before the first heartbeat."""
        return None if self._beat is None else self._beat[0] + (at - self._beat[1])


@dataclass(slots=True)
class Shared:
    """One load's state; first is set once a transaction was acknowledged, stop ends every task."""

    directory: Path
    plan: Plan
    meter: Meter
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    first: asyncio.Event = field(default_factory=asyncio.Event)
    clock: Clock = field(default_factory=Clock)
    port: int | None = None  # of the server that acknowledged last
    newest_id: int | None = None  # acknowledged by the server on that port
    waiting: int = 0  # clients whose commit waits for synchronous replication
    problem: str = ""  # the last error; empty once a transaction is acknowledged

    def acknowledged(self, port: int, newest_id: int | None) -> None:
        """A server has said that a transaction is committed. Another server has another newest row."""
        if newest_id is not None and self.newest_id is not None and port == self.port:
            newest_id = max(newest_id, self.newest_id)
        self.port, self.newest_id = port, newest_id
        self.problem = ""
        self.first.set()
