"""The bytes of one record, put together from the pages it lies on.

Owns: the map between a record's own bytes and the places in files where they stand.
Must not: decode them.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page import read_page_header
from pgreplterm.wal.source import Segment, WalSource


@dataclass(frozen=True, slots=True)
class Part:
    """length bytes of a record in one segment. offset is in the segment's bytes, lsn in the stream."""

    segment: Segment
    offset: int
    lsn: LSN
    length: int


@dataclass(frozen=True, slots=True)
class RecordBytes:
    """A record as far as its segments are here; missing is how many bytes are not."""

    data: bytes
    parts: tuple[Part, ...]
    missing: int


def read_record_bytes(source: WalSource, timeline: int, lsn: int, length: int) -> RecordBytes:
    """Collect length bytes of the record at lsn, skipping the page headers in between.

    timeline picks the file where two timelines hold the same segment number. Raises OSError and WalError.
    """
    data = bytearray()
    parts: list[Part] = []
    position = lsn
    while len(data) < length:
        segment = _segment_at(source, timeline, position)
        if segment is None:
            break
        offset = position - segment.start
        if offset % source.page_size == 0:
            header = read_page_header(segment.read_at(offset, 40))
            if header is None:
                break
            offset += header.header_length
        take = min(length - len(data), source.page_size - offset % source.page_size)
        piece = segment.read_at(offset, take)
        data += piece
        parts.append(Part(segment, offset, LSN(segment.start + offset), len(piece)))
        if len(piece) < take:
            break
        position = segment.start + offset + take
    return RecordBytes(bytes(data), tuple(parts), length - len(data))


def _segment_at(source: WalSource, timeline: int, lsn: int) -> Segment | None:
    """The file that holds lsn: of this timeline, or of the next one that began inside the record's segment."""
    holding = [each for each in source.segments if each.start <= lsn < each.start + source.segment_size]
    return next(
        (each for each in holding if each.timeline == timeline),
        next((each for each in holding if each.timeline > timeline), None),
    )
