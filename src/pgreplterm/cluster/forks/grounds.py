"""What was read beside the ticks to tell one node's line of WAL from another's, as frozen values.

Owns: the beginning of a timeline, and what pg_rewind needs of the node it rewinds. Must not: read or judge.

``None`` always means unknown, never no.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.wal.lsn import LSN

# What pg_stat_activity, and of a replication connection pg_stat_replication, shows while any of it is read.
APPLICATION_NAME = "pgreplterm timelines"


@dataclass(frozen=True, slots=True)
class Beginning:
    """The CRC of a timeline's first record, which holds the microsecond of its promotion: two promotions at one LSN
    give one timeline id, one switchpoint, and two CRCs.
    """

    timeline: int
    switchpoint: LSN
    crc: int


@dataclass(frozen=True, slots=True)
class RewindGrounds:
    """What pg_rewind needs of the node it would rewind to fork_lsn.

    common_checkpoint is the last checkpoint before the fork. reaches_back: the WAL from there to the node's end is in
    its pg_wal; None where that could not be read, and then privilege says what would show it.
    """

    fork_lsn: LSN
    wal_log_hints: bool | None = None
    has_checksums: bool | None = None
    full_page_writes: bool | None = None
    common_checkpoint: LSN | None = None
    reaches_back: bool | None = None
    restores: bool | None = None  # restore_command is set
    privilege: str | None = None


@dataclass(frozen=True, slots=True)
class LineageEvidence:
    """All of it. hidden says why a beginning could not be read: a privilege that lacks, or a segment that is gone.

    oldest_wal is where the oldest segment of its line begins that it still has, read of a primary only.
    """

    beginnings: tuple[Beginning, ...] = ()
    hidden: str | None = None
    rewind: RewindGrounds | None = None
    oldest_wal: LSN | None = None

    def beginning(self, timeline: int) -> Beginning | None:
        """That of one timeline, if it could be read."""
        return next((one for one in self.beginnings if one.timeline == timeline), None)


NO_EVIDENCE = LineageEvidence()
