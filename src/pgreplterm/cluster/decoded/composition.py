"""What a stretch of WAL consists of: resource managers, relations, and full-page images.

Owns: one bounded walk over a range of LSNs, counted both ways at once. Must not: name relations or judge.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.wal.choice import Choice
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.parts import parts
from pgreplterm.wal.relations import RelationTotaliser, RelationTotals
from pgreplterm.wal.source import WalSource
from pgreplterm.wal.stat import Totaliser, Totals
from pgreplterm.wal.verification import RunWalk

# What one look reads at most: over SQL each megabyte is a round trip.
MOST = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class Composition:
    """The records that lie wholly between start and read_to, the most WAL first. read_to < end: no more was read."""

    start: LSN
    end: LSN
    read_to: LSN
    rmgrs: tuple[Totals, ...]
    relations: tuple[RelationTotals, ...]

    @property
    def records(self) -> int:
        """How many there are."""
        return sum(each.count for each in self.rmgrs)

    @property
    def bytes(self) -> int:
        """Records and images, without page headers and padding."""
        return sum(each.bytes for each in self.rmgrs)

    @property
    def image_bytes(self) -> int:
        """Full-page images, as stored."""
        return sum(each.image_bytes for each in self.rmgrs)


def compose(source: WalSource, start: LSN, end: LSN, most: int = MOST) -> Composition:
    """Count the records from start (a record's beginning) up to end, or as far as most bytes reach.

    Raises WalError when that WAL is not here or cannot be read.
    """
    read_to = LSN(min(end, start + most))
    by_rmgr, by_relation = Totaliser(), RelationTotaliser()
    if read_to > start:
        for part in parts(source, Choice(start=start, end=read_to)):
            for rows in RunWalk(source, part.run, collect=True, start=part.choice.start, end=part.choice.end):
                kept = part.choice.keep(rows)
                by_rmgr.add(kept)
                by_relation.add(kept)
    rmgrs = tuple(sorted(by_rmgr.by_rmgr(), key=lambda each: (-each.bytes, each.rmgr)))
    return Composition(start, end, read_to, rmgrs, by_relation.totals())
