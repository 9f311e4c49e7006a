"""Segments, records, fields and bytes as rows.

Owns: the columns of the four lists of the WAL place.
Must not: read files or import Textual.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pgreplterm.tui.ink import Ink, Row, Span, cell, row
from pgreplterm.tui.wal.anatomy import PER_ROW, Anatomy, HexRow, Place, Spot
from pgreplterm.tui.wal.library import Contents, Entry, OpenSegment
from pgreplterm.wal.dump import dump_line
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.rmgr import record_name, rmgr_name

HEX_WIDTH = 48  # sixteen bytes, a blank between two, one more in the middle
SEGMENT_HEADING = row((f" {'SEGMENT':<29}{'START':<18}{'HOLDS':<10} WAL ENDS HERE ON", Ink.BOLD))
RECORD_HEADING = row((f" {'LSN':<17} {'XID':>9} {'RMGR':<11} {'LEN':>6}  RECORD", Ink.BOLD))
FIELD_HEADING = row((f" {'OF':<9}{'FIELD':<22}{'AT':>6}{'LEN':>6}  VALUE", Ink.BOLD))


def segment_row(entry: Entry, nodes: Sequence[str]) -> Row:
    """Name, first LSN, contents, and which nodes' WAL ends in it."""
    segment = entry.segment
    ink = Ink.PLAIN if entry.contents is Contents.WAL else Ink.DIM
    name = f" {cell(segment.file_name, 29)}{cell(str(segment.start), 18)}{cell(str(entry.contents), 10)} "
    return row((name, ink), (" ".join(nodes), Ink.HEALTHY))


def record_row(opened: OpenSegment, number: int) -> Row:
    """What pg_waldump's line holds, in columns."""
    record = opened.index[number]
    major = opened.source.format.major
    name = record_name(major, record.rmgr, record.info)
    _, blkref, blocks = (
        dump_line(opened.index, number, major).partition(", blkref ") if record.block_count else ("",) * 3
    )
    xid = str(record.xid) if record.xid else "-"
    start = f" {cell(str(LSN(record.lsn)), 17)} {cell(xid, 9, right=True)} {cell(rmgr_name(record.rmgr), 11)} "
    return row(
        start, f"{record.total_length:>6}  ", (name, Ink.BOLD), ((blkref + blocks).replace(", blkref ", "  "), Ink.DIM)
    )


def field_row(spot: Spot) -> Row:
    """Which header, name, offset and length in bytes, value; what is told of all its bytes stands at none of them."""
    field = spot.field
    place = f"{field.offset:>6}{field.length:>6}  " if spot.places else f"{'-':>6}{'-':>6}  "
    return row((f" {cell(spot.group, 9)}", Ink.DIM), cell(field.name, 22), (place, Ink.DIM), field.value)


def hex_row(anatomy: Anatomy, line: HexRow, marked: Iterable[Place], at: int | None) -> Row:
    """File offset, hex and text of up to sixteen bytes, the marked ones in MARK, the one under the cursor in CURSOR."""
    chunk = anatomy.chunks[line.chunk]
    if not line.length:
        return row((f" {chunk.title}", Ink.BOLD), (f"   at {chunk.offset} in the file", Ink.DIM))
    lit = {
        byte
        for place in marked
        if place.chunk == line.chunk
        for byte in range(max(place.start, line.start), min(place.start + place.length, line.start + line.length))
    }
    inks = [
        Ink.CURSOR if byte - line.start == at else Ink.MARK if byte in lit else Ink.PLAIN
        for byte in range(line.start, line.start + line.length)
    ]
    data = chunk.data[line.start : line.start + line.length]
    spans: list[Span] = []
    for place, (byte, ink) in enumerate(zip(data, inks, strict=True)):
        after = inks[place + 1] if place + 1 < len(inks) else None
        gap = "" if place + 1 == PER_ROW else "  " if place + 1 == PER_ROW // 2 else " "
        spans += [(f"{byte:02X}", ink), (gap, ink if ink is after is Ink.MARK else Ink.PLAIN)]
    used = sum(len(text) for text, _ in spans)
    spans.append((" " * (HEX_WIDTH + 2 - used), Ink.PLAIN))
    spans += [(chr(byte) if 32 <= byte < 127 else ".", ink) for byte, ink in zip(data, inks, strict=True)]
    return row((f" {chunk.offset + line.start:08X}  ", Ink.DIM), *_merged(spans))


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Neighbours of one ink as one span: fewer escape sequences."""
    merged: list[Span] = []
    for text, ink in spans:
        if merged and merged[-1][1] is ink:
            merged[-1] = (merged[-1][0] + text, ink)
        else:
            merged.append((text, ink))
    return merged


def summary(opened: OpenSegment, shown: int) -> str:
    """How many records, how many are filtered out, how the segment ends."""
    some = f"{shown:,} of " if shown != opened.count else ""
    return f"{some}{opened.count:,} records; {opened.end}"
