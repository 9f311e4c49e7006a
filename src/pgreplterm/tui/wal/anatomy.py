"""One record laid open: its fields, those of its pages, and the bytes they stand in.

Owns: the order of bytes in the dump (pages and record in file order) and the map between fields and bytes.
Must not: name or decode a field (the WAL room does), or validate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgreplterm.tui.wal.library import OpenSegment
from pgreplterm.wal import RecordRow, Segment
from pgreplterm.wal.bytes import RecordBytes, read_record_bytes
from pgreplterm.wal.dump import describe
from pgreplterm.wal.fields import Field, page_fields, record_fields
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page import LONG_HEADER, read_page_header

PER_ROW = 16


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive bytes of one file. lsn is that of the first; offset is in the file's bytes."""

    title: str
    lsn: LSN
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes of a chunk: number of the chunk, first byte, how many."""

    chunk: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Spot:
    """A field with the part of the record or page it belongs to and every place its bytes stand in."""

    group: str
    field: Field
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class HexRow:
    """One line of the dump: a chunk's title (length 0), or up to sixteen of its bytes."""

    chunk: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A record and its pages, ready to be drawn."""

    record: RecordRow
    chunks: tuple[Chunk, ...]
    spots: tuple[Spot, ...]
    rows: tuple[HexRow, ...]
    missing: int

    def spot_at(self, chunk: int, byte: int) -> int | None:
        """The number of the smallest field that holds that byte, or None between fields."""
        holding = [
            (spot.field.length, number)
            for number, spot in enumerate(self.spots)
            for place in spot.places
            if place.chunk == chunk and place.start <= byte < place.start + place.length
        ]
        return min(holding)[1] if holding else None

    def row_of(self, place: Place) -> int:
        """The dump line in which that place begins."""
        for number, line in enumerate(self.rows):
            if line.chunk == place.chunk and line.start <= place.start < line.start + line.length:
                return number
        return 0


def lay_open(opened: OpenSegment, number: int) -> Anatomy:
    """Read and decode one record of an open segment. Raises OSError and WalError."""
    record = opened.index[number]
    source, major = opened.source, opened.source.format.major
    body = read_record_bytes(source, opened.segment.timeline, record.lsn, record.total_length)
    chunks = tuple(_chunks(opened, body))
    parts = [number for number, chunk in enumerate(chunks) if chunk.title.startswith("record")]
    told = "" if body.missing else describe(opened.index, number, major, body.data)
    spots = [Spot("record", Field("description", 0, 0, told), ())] if told else []
    spots += [Spot("record", field, tuple(_in_parts(field, body, parts))) for field in record_fields(body.data, major)]
    for place, chunk in enumerate(chunks):
        if place not in parts:
            group = chunk.title.partition(" ")[0]
            spots += [
                Spot(group, field, (Place(place, field.offset, field.length),))
                for field in page_fields(chunk.data, major)
            ]
    return Anatomy(record, chunks, tuple(spots), tuple(_hex_rows(chunks)), body.missing)


def _chunks(opened: OpenSegment, body: RecordBytes) -> Iterator[Chunk]:
    """The segment's first page header, then before each part of the record the header of its page."""
    shown: set[LSN] = set()
    first = _header_chunk(opened.segment, 0, opened.segment.start, "segment")
    if first is not None:
        shown.add(first.lsn)
        yield first
    done = 0
    for part in body.parts:
        size = opened.source.page_size
        page = part.offset // size * size
        start = LSN(part.lsn - (part.offset - page))
        header = _header_chunk(part.segment, page, start, "page") if start not in shown else None
        if header is not None:
            shown.add(start)
            yield header
        title = f"record {part.lsn}" if not done else f"record, continued at {part.lsn}"
        yield Chunk(title, part.lsn, part.offset, body.data[done : done + part.length])
        done += part.length


def _header_chunk(segment: Segment, offset: int, lsn: LSN, kind: str) -> Chunk | None:
    data = segment.read_at(offset, LONG_HEADER)
    header = read_page_header(data)
    if header is None:
        return None
    return Chunk(f"{kind} header {lsn}", lsn, offset, data[: header.header_length])


def _in_parts(field: Field, body: RecordBytes, numbers: list[int]) -> Iterator[Place]:
    """Where a field of the record stands, which is two places when it lies across a page boundary."""
    before = 0
    for part, number in zip(body.parts, numbers, strict=True):
        start = max(field.offset, before)
        end = min(field.offset + field.length, before + part.length)
        if start < end:
            yield Place(number, start - before, end - start)
        before += part.length


def _hex_rows(chunks: tuple[Chunk, ...]) -> Iterator[HexRow]:
    for number, chunk in enumerate(chunks):
        yield HexRow(number, 0, 0)
        for start in range(0, len(chunk.data), PER_ROW):
            yield HexRow(number, start, min(PER_ROW, len(chunk.data) - start))
