"""A second opinion for majors without a pg_waldump at hand: one segment, read as plainly as Python can.

Owns: page by page, record by record, with the CRC of every byte. Knows nothing of block references.
Must not: import pgreplterm, be fast, or read on after the first thing that is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from .builder import FIRST_IS_CONTRECORD, LONG_HEADER, SHORT_HEADER, crc32c

_PAGE = struct.Struct("<HHIQI")
_RECORD = struct.Struct("<IIQBBxxI")


class PlainRecord(NamedTuple):
    """The fields of a record header, and where it stands."""

    lsn: int
    prev: int
    length: int
    xid: int
    rmgr: int
    info: int


class _Pages:
    """The bytes of a segment without its page headers; ``position`` is an offset into the segment."""

    def __init__(self, segment: bytes, page_size: int) -> None:
        self.segment, self.page_size, self.position = segment, page_size, 0
        self.magic, _, _, self.start, _ = _PAGE.unpack_from(segment)

    def enter_page(self) -> int:
        """Step over the header at the front of a page; the bytes it says are continued."""
        magic, info, _, address, remaining = _PAGE.unpack_from(self.segment, self.position)
        if magic != self.magic or address != self.start + self.position:
            raise EOFError
        self.position += LONG_HEADER if self.position == 0 else SHORT_HEADER
        return remaining if info & FIRST_IS_CONTRECORD else 0

    def take(self, count: int) -> bytes:
        """The next bytes of the stream. Raises EOFError where the segment or its valid pages end."""
        out = b""
        while len(out) < count:
            if self.position == len(self.segment):
                raise EOFError
            if self.position % self.page_size == 0:
                self.enter_page()
            step = min(count - len(out), self.page_size - self.position % self.page_size)
            out += self.segment[self.position : self.position + step]
            self.position += step
        return out


def plain_records(segment: bytes, page_size: int = 8192) -> Iterator[PlainRecord]:
    """The records that lie wholly in this segment. Raises ValueError at a wrong CRC or a break in the chain."""
    pages = _Pages(segment, page_size)
    pages.take(pages.enter_page())
    prev = None
    while True:
        pages.position += -pages.position % 8
        try:
            if pages.position % page_size == 0:
                pages.enter_page()
            lsn = pages.start + pages.position
            head = pages.take(24)
            length, xid, back, info, rmgr, crc = _RECORD.unpack(head)
            body = pages.take(length - 24) if length else b""
        except (EOFError, struct.error):
            return
        if not length:
            return
        if crc32c(body, head[:20]) != crc or prev not in (None, back):
            raise ValueError(f"{lsn:X}: CRC {crc:08X} or previous record {back:X} is wrong")
        yield PlainRecord(lsn, back, length, xid, rmgr, info)
        prev = lsn
