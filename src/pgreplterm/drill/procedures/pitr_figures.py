"""What a point-in-time recovery measured, as figures with how each was.

Owns: their keys, labels and wording. Must not: measure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.rescued import Rescued
from pgreplterm.lab.backups import Backup
from pgreplterm.lab.recovering import Recovered


@dataclass
class Measured:
    """What is known so far. commits and rows are those past the target."""

    name: str
    target: str
    segment_size: int
    backup: Backup | None
    done: Recovered | None = None
    commits: int | None = None
    rows: int | None = None
    rescued: Rescued | None = None


def figures(seen: Measured) -> tuple[Figure, ...]:
    """In the order they are read."""
    return (*_recovery(seen), *_rows(seen))


def _recovery(seen: Measured) -> Iterator[Figure]:
    done, name = seen.done, seen.name
    yield Figure("target", "Target", seen.target, "", "as it was asked for")
    yield Figure("backup", "From", seen.backup.name if seen.backup else None, "", "base backup")
    yield Figure("copy_seconds", "Copy", done.copy_seconds if done else None, "s", "the backup into the new node")
    seconds = done.recovery_seconds if done else None
    yield Figure("recovery_seconds", "Recovery", seconds, "s", f"start of {name} to its target reached")
    segments = done.segments if done else None
    yield Figure(
        "restored_segments", "From the archive", segments, "segments", f"'restored log file' in the log of {name}"
    )
    restored = done.segments * seen.segment_size if done else None
    yield Figure("restored_bytes", "WAL replayed from", restored, "bytes", "those segments, each of full size")
    yield Figure("replayed_to_lsn", "Replayed to", done.replayed_to if done else None, "", "pg_last_wal_replay_lsn()")
    last = done.last_commit_at if done else None
    written = None if last is None else datetime.fromtimestamp(last, UTC).isoformat(sep=" ", timespec="microseconds")
    yield Figure("last_commit_time", "Last commit it has", written, "", "pg_last_xact_replay_timestamp()")
    yield Figure(
        "stopped", "Stopped", (done.stopped or None) if done else None, "", f"'recovery stopping' in the log of {name}"
    )
    yield Figure("timeline_after", "Timeline", done.timeline if done else None, "", f"of {name}")
    how = f"the archive past {done.replayed_to if done else 'the target'}, decoded, without this drill's own commit"
    yield Figure("commits_after_target", "Commits after it", seen.commits, "commits", how)
    yield Figure("rows_after_target", "Rows after it", seen.rows, "rows", how)


def _rows(seen: Measured) -> Iterator[Figure]:
    found = seen.rescued
    if found is None:
        return
    how = f"whole rows of {found.table}, compared by their text"
    yield Figure("rows_in_recovered", f"Rows on {seen.name}", found.recovered, "rows", how)
    yield Figure("rows_in_primary", "Rows on the primary", found.present, "rows", how)
    yield Figure("rows_recovered", "Rows recovered", found.rescued, "rows", f"{how}: only on {seen.name}")
    yield Figure("rows_missing", "Rows it lacks", found.later, "rows", f"{how}: only on the primary")
