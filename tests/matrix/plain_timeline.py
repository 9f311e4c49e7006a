"""A second opinion for the major whose pg_waldump is not at hand: a whole timeline, read as plainly as Python can.

Owns: taking the page headers out of consecutive segments, and the records out of what is left, the CRC of every byte
checked. Must not: import pgreplterm, be fast, or read on behind the first thing that is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from tests.wal.builder import FIRST_IS_CONTRECORD, LONG_HEADER, SHORT_HEADER, crc32c
from tests.wal.plain_reader import PlainRecord

_PAGE_ADDRESS = struct.Struct("<HHIQI")
_RECORD = struct.Struct("<IIQBBxxI")
_FIRST_IS_OVERWRITE_CONTRECORD = 0x08  # until 18
_XLOG, _SWITCH = 0, 0x40


class _Stream:
    """The bytes between the page headers, and the LSN of each. All headers are multiples of 8, so alignment stays."""

    def __init__(self, segments: list[Path], page_size: int) -> None:
        first = segments[0].read_bytes()
        self.page_size, self.segment_size = page_size, len(first)
        self.magic: int
        self.start: int
        self.magic, info, _, self.start, remaining = _PAGE_ADDRESS.unpack_from(first)
        self.first_record: int = remaining + -remaining % 8 if info & FIRST_IS_CONTRECORD else 0
        self.given_up: list[int] = []  # where a page says that the record before it was never finished
        self.data = b"".join(self._without_headers(path.read_bytes(), n) for n, path in enumerate(segments))

    def _without_headers(self, segment: bytes, number: int) -> bytes:
        pieces = []
        for page in range(0, self.segment_size, self.page_size):
            magic, info, _, address, _ = _PAGE_ADDRESS.unpack_from(segment, page)
            lsn = self.start + number * self.segment_size + page
            valid = magic == self.magic and address == lsn
            if valid and info & _FIRST_IS_OVERWRITE_CONTRECORD:
                self.given_up.append(self.offset(lsn))
            header = SHORT_HEADER if page else LONG_HEADER
            body = segment[page + header : page + self.page_size]
            pieces.append(body if valid else bytes(len(body)))
        return b"".join(pieces)

    @property
    def _in_segment(self) -> int:
        pages = self.segment_size // self.page_size
        return self.segment_size - LONG_HEADER - (pages - 1) * SHORT_HEADER

    def offset(self, page: int) -> int:
        """Where the bytes of the page at that LSN begin."""
        segment, rest = divmod(page - self.start, self.segment_size)
        before = rest - LONG_HEADER - (rest // self.page_size - 1) * SHORT_HEADER if rest else 0
        return segment * self._in_segment + before

    def lsn(self, offset: int) -> int:
        """The LSN of the byte at that offset."""
        segment, rest = divmod(offset, self._in_segment)
        page = 0
        if rest >= self.page_size - LONG_HEADER:
            page, rest = divmod(rest - (self.page_size - LONG_HEADER), self.page_size - SHORT_HEADER)
            page += 1
        header = SHORT_HEADER if page else LONG_HEADER
        return self.start + segment * self.segment_size + page * self.page_size + header + rest

    def next_segment(self, offset: int) -> int:
        """Where the segment behind that offset begins."""
        return (offset // self._in_segment + 1) * self._in_segment


def plain_timeline(segments: list[Path], page_size: int = 8192) -> Iterator[PlainRecord]:
    """Every record that begins in a timeline's consecutive segments. Ends at the first zero length.

    Raises ValueError at a wrong CRC or a break in the chain.
    """
    stream = _Stream(segments, page_size)
    at, prev = stream.first_record, None
    while at + _RECORD.size <= len(stream.data):
        length, xid, back, info, rmgr, crc = _RECORD.unpack_from(stream.data, at)
        if not length:
            return
        over = next((page for page in stream.given_up if at < page < at + length), None)
        if over is not None:
            at = over
            continue
        record, lsn = stream.data[at : at + length], stream.lsn(at)
        if crc32c(record[24:], record[:20]) != crc or prev not in (None, back):
            raise ValueError(f"{lsn:X}: CRC {crc:08X} or previous record {back:X} is wrong")
        yield PlainRecord(lsn, back, length, xid, rmgr, info)
        switched = rmgr == _XLOG and info & 0xF0 == _SWITCH
        at = stream.next_segment(at) if switched else at + length + -length % 8
        prev = lsn
