"""The WAL of one server as one line: the source that a range of LSNs is read from.

Owns: opening a watched server's pg_wal and choosing the timelines on the way to the one it is on.
Must not: read records.
"""

from __future__ import annotations

from pathlib import Path

from pgreplterm.cluster.connecting.connect import Target
from pgreplterm.cluster.decoded.wal_files import ServerFiles
from pgreplterm.wal.follow import follow
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.source import WalSource, open_source, open_store


def wal_of(target: Target, timeline: int | None) -> WalSource:
    """The pg_wal of that server, read along the line to timeline.

    Raises CannotConnect, NoPrivilege, and WalError, which says which privilege lacks.
    """
    return one_line(open_store(ServerFiles(target)), timeline)


def wal_at(path: Path | str, timeline: int | None) -> WalSource:
    """The same of a data directory, a pg_wal folder, or an archive. Raises WalError."""
    return one_line(open_source(path), timeline)


def one_line(source: WalSource, timeline: int | None) -> WalSource:
    """The source along the line to that timeline; None is the newest one that is here. Raises WalError."""
    present = {segment.timeline for segment in (*source.segments, *source.aside)}
    if timeline is None or len(present) > 1 or timeline not in present:
        return follow(source, timeline)
    return source


def oldest(source: WalSource, before: LSN) -> LSN | None:
    """Where the WAL begins that leads up to an LSN without a gap; None when the byte before it is not here."""
    for run in source.runs:
        first, last = run.segments[0], run.segments[-1]
        if first.start <= before and before - 1 < last.start + source.segment_size:
            return first.start
    return None
