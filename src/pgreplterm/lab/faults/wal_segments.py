"""Segments of an upstream that one stopped standby still has to fetch, and nobody else needs.

Owns: finding such a segment, and why there can be none. Must not: change a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.lab import process, sql
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import advance, mending, standing
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.segment import segment_name

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

ARCHIVE_TIMEOUT = 30.0


def unfit(lab: Lab, target: str) -> str | None:
    """Why that node is no standby that would miss a segment, without a full stop; None when it is."""
    if (reason := mending.unfit(lab, target)) is not None:
        return reason
    if wal_folder(lab, mending.upstream_of(lab, target)).is_symlink():
        return f"pg_wal of {mending.upstream_of(lab, target)} lies on a file system of its own"
    return standing.refusal(
        lab,
        target,
        "SELECT 'it would take the segment from the archive (restore_command)'"
        " WHERE current_setting('restore_command') <> ''",
    )


def wal_folder(lab: Lab, node: str) -> Path:
    """The node's pg_wal."""
    return Path(lab.state.node(node).data_directory) / "pg_wal"


def flush_count(lab: Lab, primary: str) -> int:
    """Segments to write so that what was before them is nowhere but on disk: from 17 on a walsender reads buffers."""
    with lab.connection(primary) as link:
        buffers = sql.value(link, "SELECT pg_size_bytes(current_setting('wal_buffers'))")
    return 2 + int(buffers) // lab.state.segment_size


def too_much(lab: Lab, target: str, more: int) -> str | None:
    """Why flush_count and so many more segments are too much to write; None when they are not."""
    return advance.too_much(lab, flush_count(lab, standing.primary_of(lab, target)) + more)


def settled(lab: Lab, primary: str, upstream: str, target: str, within: LSN) -> Path:
    """The upstream's segment that holds that place, once nobody but the standby needs it. Raises LabError."""
    size = lab.state.segment_size
    advance.checkpoint(lab, primary, upstream)
    number = within.segment_number(size)
    redo, timeline = advance.redo(lab, upstream)
    if redo.segment_number(size) <= number:
        raise LabError(f"{upstream} would still need that segment if it crashed: try again")
    advance.await_others(lab, upstream, target, LSN((number + 1) * size))
    segment = wal_folder(lab, upstream) / segment_name(timeline, number, size)
    ready = segment.parent / "archive_status" / f"{segment.name}.ready"
    if not process.wait_until(lambda: not ready.exists(), ARCHIVE_TIMEOUT):
        raise LabError(f"{segment.name} of {upstream} has not been archived within {ARCHIVE_TIMEOUT:.0f} s")
    if not segment.exists():
        raise LabError(f"{upstream} has no {segment.name} in its pg_wal")
    return segment
