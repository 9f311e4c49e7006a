"""The calculators of the course: how large max_wal_size should be, what an absent standby costs, WAL for each day.

Owns: the formulas, as pure functions of what is known. Bytes and seconds throughout; None is unknown, and what follows
from an unknown is unknown, too. Must not: measure, or format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

HOUR = 3600.0
DAY = 86400.0
AWAY = (1 * HOUR, 4 * HOUR, 24 * HOUR)
NO_LIMIT = -1
"""max_slot_wal_keep_size without a limit, as the setting itself has it."""


@dataclass(frozen=True, slots=True)
class WalSize:
    """max_wal_size for a peak load. now is what it is set to, replay_rate what recovery replays in a second."""

    tps: float
    wal_per_transaction: float
    checkpoint_timeout: float
    margin: float = 4.0
    completion_target: float = 0.9
    replay_rate: float | None = None
    now: int | None = None

    @property
    def rate(self) -> float:
        """WAL a second at the peak."""
        return self.tps * self.wal_per_transaction

    @property
    def per_checkpoint(self) -> float:
        """WAL from the start of one checkpoint to the start of the next one, at that rate."""
        return self.rate * self.checkpoint_timeout

    @property
    def wanted(self) -> float:
        """The size to set: that, with the margin."""
        return self.per_checkpoint * self.margin

    @property
    def least(self) -> float:
        """Below this, WAL forces checkpoints before their time.

        The server begins one after max_wal_size / (1 + checkpoint_completion_target) of WAL (xlog.c,
        CalculateCheckpointSegments, since 11), because while that one runs more WAL comes.
        """
        return self.per_checkpoint * (1 + self.completion_target)

    @property
    def forces_checkpoints(self) -> bool:
        """Whether even the size to set is too small for that."""
        return self.margin < 1 + self.completion_target

    @property
    def forced_every(self) -> float | None:
        """Seconds between two checkpoints that WAL forces, with what is set now."""
        if self.now is None or not self.rate:
            return None
        return self.now / (1 + self.completion_target) / self.rate

    @property
    def to_replay(self) -> float:
        """The most that a crash leaves to be replayed with the size to set.

        Recovery begins where the last finished checkpoint began; the worst moment is just before the next one ends.
        """
        return min(self.least, self.wanted)

    @property
    def recovery_seconds(self) -> float | None:
        """How long that takes."""
        return _over(self.to_replay, self.replay_rate)

    @property
    def to_replay_now(self) -> float | None:
        """The same with what is set now."""
        return None if self.now is None else min(self.least, float(self.now))


class Fate(StrEnum):
    """What becomes of a slot, or of a disk."""

    KEPT = "kept"
    LOST = "lost"
    FITS = "fits"
    FULL = "full"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Absence:
    """A standby away for so many seconds. written is the WAL of that time, held what its slot keeps of it on disk."""

    seconds: float
    written: float | None
    held: float | None
    slot: Fate
    disk: Fate


@dataclass(frozen=True, slots=True)
class Retention:
    """What a slot keeps for a standby that had everything when it went away.

    rate is the WAL written in a second, free what the disk of pg_wal has left, limit max_slot_wal_keep_size.
    """

    rate: float | None
    free: int | None = None
    limit: int | None = None

    @property
    def limited(self) -> bool | None:
        """Whether the slot has a limit; None when that is not known."""
        return None if self.limit is None else self.limit != NO_LIMIT

    @property
    def seconds_until_lost(self) -> float | None:
        """From then on the next checkpoint may remove what the slot needs. None: never, or not known (``limited``)."""
        return _over(float(self.limit or 0), self.rate) if self.limited else None

    @property
    def seconds_until_full(self) -> float | None:
        """When the disk has no room left, if the slot is not lost before. None: never, or not known."""
        if self.free is None or self.saved_by_limit:
            return None
        return _over(float(self.free), self.rate)

    @property
    def saved_by_limit(self) -> bool | None:
        """Whether the slot is lost before the disk is full: the primary goes on. None: not known."""
        if self.limited is False:
            return False
        if self.limit is None or self.free is None:
            return None
        return self.limit < self.free

    def away(self, seconds: float) -> Absence:
        """What that long an absence costs."""
        written = None if self.rate is None else self.rate * seconds
        return Absence(seconds, written, self._held(written), self._slot(written), self._disk(written))

    def _held(self, written: float | None) -> float | None:
        if written is None or self.limit is None:
            return None
        return min(written, float(self.limit)) if self.limited else written

    def _slot(self, written: float | None) -> Fate:
        if self.limited is False:
            return Fate.KEPT
        if written is None or self.limit is None:
            return Fate.UNKNOWN
        return Fate.LOST if written > self.limit else Fate.KEPT

    def _disk(self, written: float | None) -> Fate:
        """A slot of unknown limit holds at most what was written."""
        if written is None or self.free is None:
            return Fate.UNKNOWN
        if written <= self.free or (self.limited and (self.limit or 0) < self.free):
            return Fate.FITS
        return Fate.UNKNOWN if self.limit is None else Fate.FULL


@dataclass(frozen=True, slots=True)
class DayOfRows:
    """So many rows a day: their WAL a day and a second, and what a slot keeps for each absence."""

    rows: float
    wal: float | None
    rate: float | None
    away: tuple[float | None, ...]


def capacity(
    bytes_per_row: float | None, rows_per_day: Sequence[float], away: Sequence[float] = AWAY
) -> tuple[DayOfRows, ...]:
    """WAL for each number of rows a day, spread evenly over it."""
    return tuple(_day(bytes_per_row, rows, away) for rows in rows_per_day)


def _day(bytes_per_row: float | None, rows: float, away: Sequence[float]) -> DayOfRows:
    wal = None if bytes_per_row is None else bytes_per_row * rows
    rate = None if wal is None else wal / DAY
    return DayOfRows(rows, wal, rate, tuple(None if rate is None else rate * seconds for seconds in away))


def _over(amount: float, rate: float | None) -> float | None:
    return None if not rate else amount / rate
