"""WAL files opened for looking at: a folder's segments, one segment's records.

Owns: the blocking work, in plain functions that the place runs in threads, and its frozen results.
Must not: decode a record (``anatomy`` does, one at a time) or know a widget.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pgreplterm.wal import RecordIndex, Run, Segment, WalError, WalSource, open_source, scan_run
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page import read_page_header
from pgreplterm.wal.verification import verify_run


class Contents(StrEnum):
    """What a segment file holds, from its first page."""

    WAL = "WAL"
    RECYCLED = "recycled"  # an old segment under its future name, not written yet
    EMPTY = "empty"  # preallocated, never written
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Entry:
    """One segment file and what it holds."""

    segment: Segment
    contents: Contents


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of WAL, looked at once."""

    path: Path
    source: WalSource
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """The records that begin in one segment, and how the WAL goes on after the last of them."""

    source: WalSource
    segment: Segment
    index: RecordIndex
    count: int
    end: str


def open_shelf(path: Path) -> Shelf:
    """Look at a segment, a pg_wal folder or a data directory. Raises WalError."""
    source = open_source(path)
    entries = tuple(Entry(segment, _contents(segment)) for segment in source.segments)
    return Shelf(path, source, entries)


def open_segment(source: WalSource, segment: Segment) -> OpenSegment:
    """Index a segment; a record that crosses into the next belongs to the one it begins in. Raises WalError."""
    after = [other for other in source.segments if _follows(other, segment)]
    try:
        scan = scan_run(source, Run(segment.timeline, (segment, *after[:1])))
        report = verify_run(source, Run(segment.timeline, (segment,)))
    except OSError as error:
        raise WalError(f"{segment.where}: expected to read this segment; {error.strerror}.") from error
    end = segment.start + source.segment_size
    count = scan.index.find(end - 1) + 1 if len(scan.index) and scan.index[0].lsn < end else 0
    return OpenSegment(source, segment, scan.index, count, report.sentence)


def _follows(other: Segment, segment: Segment) -> bool:
    return other.timeline == segment.timeline and other.number == segment.number + 1


def _contents(segment: Segment) -> Contents:
    try:
        data = segment.read_at(0, 40)
    except (OSError, WalError):
        return Contents.UNREADABLE
    if not any(data):
        return Contents.EMPTY
    header = read_page_header(data)
    if header is None:
        return Contents.UNREADABLE
    return Contents.WAL if header.address == LSN(segment.start) else Contents.RECYCLED
