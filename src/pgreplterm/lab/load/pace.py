"""When the next transaction is due.

Owns: the schedule of a held rate, and how far reality is behind it. Must not: sleep, or know what is scheduled.

Slots are fixed in time, not counted from the end of the last transaction, so a slow commit is made up for; only
arrears of more than a second (an outage, a rate that cannot be held) are given up, and counted.
"""

from __future__ import annotations

ARREARS = 1.0
"""Seconds of backlog that are made up for; older arrears are forgiven, not fired at the new primary."""

MEMORY = 10.0
"""Seconds for which forgiven arrears are held against a load."""


class Pace:
    """One schedule, shared by all clients. Instants are monotonic seconds."""

    def __init__(self, per_second: float, now: float) -> None:
        """The first slot is now."""
        self._gap = 1 / per_second
        self._due = now
        self._forgave_at: float | None = None
        self.forgiven = 0.0  # transactions that were due and never begun

    def claim(self, now: float) -> float:
        """Take the next slot; seconds until then, negative when it has passed."""
        if self.late(now) > ARREARS:
            self.forgiven += (self.late(now) - ARREARS) / self._gap
            self._forgave_at = now
            self._due = now - ARREARS
        due = self._due
        self._due += self._gap
        return due - now

    def late(self, now: float) -> float:
        """Seconds since the next slot was due that nobody has claimed."""
        return max(0.0, now - self._due)

    def holds(self, now: float) -> bool:
        """Whether every slot was used in time, within ARREARS, for the last MEMORY seconds."""
        remembered = self._forgave_at is not None and now - self._forgave_at < MEMORY
        return not remembered and self.late(now) <= ARREARS

    def missed(self, now: float) -> None:
        """A transaction was begun in time and came to nothing."""
        self._forgave_at = now
