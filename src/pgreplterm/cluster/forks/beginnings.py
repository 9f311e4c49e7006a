"""The first record of a timeline, found in the bytes of a segment.

Owns: where that record lies, and its CRC out of a few pages. Pure. Must not: fetch the bytes.

A promotion writes an END_OF_RECOVERY or a checkpoint record first, with the time in it. In the file of the child's
first segment everything before is a copy of the parent's, so nothing there but the page's address says whose it is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pgreplterm.cluster.forks.grounds import Beginning
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page import read_page_header
from pgreplterm.wal.segment import segment_name
from pgreplterm.wal.timeline import TimelineHistory

PAGE_SIZE = 8192  # of every server that was not built otherwise; of those no page is taken for what it is not
PAGES = 2 * PAGE_SIZE  # what is asked for: a record's header may go on in the next page
NEWEST = 4  # timelines of a lineage that are looked at: one in common proves all before it
_HEADER = struct.Struct("<IIQBBxxI")  # XLogRecord


@dataclass(frozen=True, slots=True)
class Place:
    """Where the beginning of a timeline lies: a segment of pg_wal, and the offset in it of the page to read from."""

    timeline: int
    switchpoint: LSN
    segment: str
    offset: int

    @property
    def page(self) -> LSN:
        """The LSN of that page."""
        return LSN(self.switchpoint - self.switchpoint % PAGE_SIZE)


def places(history: TimelineHistory, segment_size: int) -> list[Place]:
    """The beginnings to look at in a lineage, newest first."""
    line = [*(step.timeline for step in history.ancestors), history.timeline][1:]
    found = []
    for timeline, step in zip(line, history.ancestors, strict=True):
        name = segment_name(timeline, step.switchpoint.segment_number(segment_size), segment_size)
        offset = step.switchpoint.segment_offset(segment_size)
        found.append(Place(timeline, step.switchpoint, name, offset - offset % PAGE_SIZE))
    return found[: -NEWEST - 1 : -1]


def beginning(place: Place, pages: bytes) -> Beginning | None:
    """The beginning in the bytes from place.offset on; None when they are not that timeline's, or too few."""
    taken, at = b"", place.switchpoint - place.page
    while len(taken) < _HEADER.size:
        base = at - at % PAGE_SIZE
        header = read_page_header(pages[base:])
        if header is None or header.address != place.page + base:
            return None
        start = max(at, base + header.header_length)
        piece = pages[start : min(base + PAGE_SIZE, start + _HEADER.size - len(taken))]
        if not piece:
            return None
        taken, at = taken + piece, base + PAGE_SIZE
    length, _, _, _, _, crc = _HEADER.unpack(taken)
    return Beginning(place.timeline, place.switchpoint, crc) if length >= _HEADER.size else None
