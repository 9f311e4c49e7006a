"""Synthetic WAL: any of the seven majors, any page size, any segment size, in a few pages of memory.

Owns: a second, independent writing of the format (page headers, record fragments, CRC), slow and plain.
Must not: import pgreplterm, or it would prove nothing. pg_waldump reads what this writes (test_builder.py).

Sources: src/include/access/xlog_internal.h, xlogrecord.h and xloginsert.c of each major.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MAXALIGN = 8
LONG_HEADER = 40
SHORT_HEADER = 24
RECORD_HEADER = 24

FIRST_IS_CONTRECORD = 0x0001
LONG_HEADER_FLAG = 0x0002
BKP_REMOVABLE = 0x0004  # to 18; the same bit says overwrite-contrecord from 19 on

RM_XLOG = 0
XLOG_SWITCH = 0x40
XLOG_NOOP = 0x20
XLOG_OVERWRITE_CONTRECORD = 0xD0
RM_LOGICAL_MESSAGE = 21


@dataclass(frozen=True)
class Layout:
    """What one major writes differently."""

    magic: int
    overwrite_flag: int = 0x0008
    removable_flag: int = BKP_REMOVABLE
    hole: int = 0x01
    apply: int = 0x02
    pglz: int = 0x04


LAYOUTS = {
    13: Layout(0xD106, apply=0x04, pglz=0x02),
    14: Layout(0xD10D, apply=0x04, pglz=0x02),
    15: Layout(0xD110),
    16: Layout(0xD113),
    17: Layout(0xD116),
    18: Layout(0xD118),
    19: Layout(0xD122, overwrite_flag=0x0004, removable_flag=0),
}


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(*pieces: bytes) -> int:
    """CRC-32C (Castagnoli) of the pieces joined, as src/include/port/pg_crc32c.h finishes it."""
    crc = 0xFFFFFFFF
    for piece in pieces:
        for byte in piece:
            crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@dataclass(frozen=True)
class Image:
    """A full-page image as stored: bytes, bimg_info, hole offset, and the hole length compressed images add."""

    stored: bytes
    info: int
    hole_offset: int = 0
    hole_length: int | None = None


@dataclass(frozen=True)
class Block:
    """One block reference. relation None writes SAME_REL."""

    number: int = 0
    relation: tuple[int, int, int] | None = (1663, 5, 16384)
    fork: int = 0
    data: bytes = b""
    image: Image | None = None
    flags: int = 0  # added to those the rest implies

    def header(self, block_id: int) -> bytes:
        """The reference's fragment header, block id first."""
        flags = self.fork | self.flags
        flags |= (0x10 if self.image else 0) | (0x20 if self.data else 0) | (0 if self.relation else 0x80)
        out = struct.pack("<BBH", block_id, flags, len(self.data))
        if self.image:
            out += struct.pack("<HHB", len(self.image.stored), self.image.hole_offset, self.image.info)
            if self.image.hole_length is not None:
                out += struct.pack("<H", self.image.hole_length)
        if self.relation:
            out += struct.pack("<III", *self.relation)
        return out + struct.pack("<I", self.number)

    def payload(self) -> bytes:
        """The image, then the data."""
        return (self.image.stored if self.image else b"") + self.data


@dataclass(frozen=True)
class Record:
    """A record without its place: ``bytes_at`` adds xl_prev and the CRC."""

    rmgr: int = RM_XLOG
    info: int = XLOG_NOOP
    xid: int = 0
    blocks: Sequence[Block] = ()
    origin: int | None = None
    toplevel_xid: int | None = None
    main: bytes = b""

    def body(self) -> bytes:
        """Everything after the 24-byte header."""
        heads = b"".join(block.header(number) for number, block in enumerate(self.blocks))
        if self.origin is not None:
            heads += struct.pack("<BH", 253, self.origin)
        if self.toplevel_xid is not None:
            heads += struct.pack("<BI", 252, self.toplevel_xid)
        if len(self.main) > 255:
            heads += struct.pack("<BI", 254, len(self.main))
        elif self.main:
            heads += struct.pack("<BB", 255, len(self.main))
        return heads + b"".join(block.payload() for block in self.blocks) + self.main

    def bytes_at(self, prev: int) -> bytes:
        """The whole record, valid after the record at prev."""
        body = self.body()
        return seal(struct.pack("<IIQBBxxI", RECORD_HEADER + len(body), self.xid, prev, self.info, self.rmgr, 0) + body)


def seal(record: bytes) -> bytes:
    """The record with its CRC made right: the body first, then the header up to the CRC."""
    return record[:20] + struct.pack("<I", crc32c(record[24:], record[:20])) + record[24:]


def noop_of(length: int) -> Record:
    """An XLOG NOOP of exactly that many bytes; a multiple of 8, 24 at least, always is possible."""
    room = length - RECORD_HEADER
    size = room - 2 if room <= 257 else room - 5
    return Record(main=bytes(n % 251 + 1 for n in range(max(size, 0))))


class Wal:
    """A stream being written. ``position`` is the next byte, ``prev`` the last record's LSN.

    Pages live in a dict, so that segments of 1 GB cost what was written in them.
    """

    def __init__(
        self,
        major: int = 18,
        *,
        start: int = 1 << 24,
        page_size: int = 8192,
        segment_size: int = 1 << 24,
        timeline: int = 1,
        system_id: int = 0x6B01235000000001,
    ) -> None:
        self.layout = LAYOUTS[major]
        self.page_size, self.segment_size = page_size, segment_size
        self.timeline, self.system_id = timeline, system_id
        self.position, self.prev = start, 0
        self.pages: dict[tuple[int, int], bytearray] = {}
        self.records: list[int] = []
        self.overwriting = False

    def append(self, record: Record | None = None) -> int:
        """Write a record (a NOOP by default) and return its LSN."""
        lsn = self.next_lsn()
        self._write((record or Record()).bytes_at(self.prev))
        self.prev = lsn
        self.records.append(lsn)
        return lsn

    def next_lsn(self) -> int:
        """Where the next record will begin; opens its page when that begins a page."""
        self.position += -self.position % MAXALIGN
        self._open_page(0)
        return self.position

    def fill_to(self, room: int) -> None:
        """Write NOOPs until exactly that many bytes (a multiple of 8) are left on the current page."""
        while 0 < (left := self._left_on_page() - room) < RECORD_HEADER or left < 0:
            self.append()
        if left:
            self.append(noop_of(left))

    def _left_on_page(self) -> int:
        return self.page_size - self.next_lsn() % self.page_size

    def switch(self) -> int:
        """An XLOG SWITCH: the rest of its segment stays zero, page headers included."""
        lsn = self.append(Record(info=XLOG_SWITCH))
        self.position += -self.position % self.segment_size
        return lsn

    def abort_record(self, record: Record) -> int:
        """Begin a record that crosses into the next page, as before a crash; go on at that page, overwriting it."""
        lsn = self.next_lsn()
        room = -self.position % self.page_size
        data = record.bytes_at(self.prev)
        assert len(data) > room
        self._put(data[:room])
        self.overwriting = True
        self.append(Record(info=XLOG_OVERWRITE_CONTRECORD, main=struct.pack("<QQ", lsn, 0)))
        return lsn

    def tear(self, record: Record, written: int) -> int:
        """The first ``written`` bytes of a record and nothing more; pages it never reached are not opened."""
        lsn = self.next_lsn()
        self._write(record.bytes_at(self.prev)[:written], announced=len(record.bytes_at(self.prev)))
        return lsn

    def branch(self, timeline: int) -> None:
        """Go on as a promoted server does: what this segment holds already is copied to the new timeline's file."""
        segment = self.position // self.segment_size
        for (owner, page), data in list(self.pages.items()):
            if owner == self.timeline and page // self.segment_size == segment:
                self.pages[timeline, page] = bytearray(data)
        self.timeline = timeline

    def poke(self, lsn: int, data: bytes) -> None:
        """Overwrite bytes of a written page of the current timeline."""
        page = self.pages[self.timeline, lsn - lsn % self.page_size]
        page[lsn % self.page_size : lsn % self.page_size + len(data)] = data

    def peek(self, lsn: int, length: int) -> bytes:
        """Bytes of a written page of the current timeline."""
        return bytes(self.pages[self.timeline, lsn - lsn % self.page_size][lsn % self.page_size :][:length])

    def segment_name(self, timeline: int, number: int) -> str:
        """The file name of a segment."""
        return f"{timeline:08X}" + "{:08X}{:08X}".format(*divmod(number, (1 << 32) // self.segment_size))

    def write(self, folder: Path) -> list[Path]:
        """Write every segment that has a page, sparse, and return the files in order of name."""
        folder.mkdir(parents=True, exist_ok=True)
        files: dict[Path, None] = {}
        for (timeline, page), data in sorted(self.pages.items()):
            path = folder / self.segment_name(timeline, page // self.segment_size)
            if path not in files:
                files[path] = None
                path.touch()
                with path.open("r+b") as segment:
                    segment.truncate(self.segment_size)
            with path.open("r+b") as segment:
                segment.seek(page % self.segment_size)
                segment.write(data)
        return list(files)

    def _write(self, data: bytes, announced: int | None = None) -> None:
        left = announced or len(data)
        while data:
            self._open_page(left)
            piece = data[: self.page_size - self.position % self.page_size]
            self._put(piece)
            data = data[len(piece) :]
            left -= len(piece)

    def _put(self, piece: bytes) -> None:
        page = self.position - self.position % self.page_size
        offset = self.position - page
        self.pages[self.timeline, page][offset : offset + len(piece)] = piece
        self.position += len(piece)

    def _open_page(self, remaining: int) -> None:
        if self.position % self.page_size:
            return
        is_long = self.position % self.segment_size == 0
        info = self.layout.removable_flag | (FIRST_IS_CONTRECORD if remaining else 0)
        info |= LONG_HEADER_FLAG if is_long else 0
        if self.overwriting:
            info |= self.layout.overwrite_flag
            self.overwriting = False
        header = struct.pack("<HHIQI4x", self.layout.magic, info, self.timeline, self.position, remaining)
        if is_long:
            header += struct.pack("<QII", self.system_id, self.segment_size, self.page_size)
        page = bytearray(self.page_size)
        page[: len(header)] = header
        self.pages[self.timeline, self.position] = page
        self.position += len(header)
