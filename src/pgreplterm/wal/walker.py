"""The typed door to the C walker.

Owns: the life of one C struct walscan, pushing bytes into it, and copying its rows out.
Must not: open files or explain errors to people.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.format import WalFormat
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page import LONG_HEADER, SHORT_HEADER

ROOM = 8192
_SPARE_BLOCKS = 33


class Code(IntEnum):
    """walscan_code of csrc/walscan.h."""

    NO_ERROR = lib.WALSCAN_NO_ERROR
    PAGE_MAGIC = lib.WALSCAN_PAGE_MAGIC
    PAGE_FLAGS = lib.WALSCAN_PAGE_FLAGS
    PAGE_NOT_LONG = lib.WALSCAN_PAGE_NOT_LONG
    PAGE_SYSTEM_ID = lib.WALSCAN_PAGE_SYSTEM_ID
    PAGE_SEGMENT_SIZE = lib.WALSCAN_PAGE_SEGMENT_SIZE
    PAGE_SIZE = lib.WALSCAN_PAGE_SIZE
    PAGE_ADDRESS = lib.WALSCAN_PAGE_ADDRESS
    PAGE_TIMELINE = lib.WALSCAN_PAGE_TIMELINE
    CONTRECORD_UNEXPECTED = lib.WALSCAN_CONTRECORD_UNEXPECTED
    CONTRECORD_MISSING = lib.WALSCAN_CONTRECORD_MISSING
    CONTRECORD_LENGTH = lib.WALSCAN_CONTRECORD_LENGTH
    RECORD_LENGTH = lib.WALSCAN_RECORD_LENGTH
    RECORD_RMGR = lib.WALSCAN_RECORD_RMGR
    RECORD_PREV = lib.WALSCAN_RECORD_PREV
    RECORD_CRC = lib.WALSCAN_RECORD_CRC
    FRAGMENT_ID = lib.WALSCAN_FRAGMENT_ID
    FRAGMENT_LENGTH = lib.WALSCAN_FRAGMENT_LENGTH
    BLOCK_FORK = lib.WALSCAN_BLOCK_FORK
    BLOCK_DATA = lib.WALSCAN_BLOCK_DATA
    BLOCK_IMAGE = lib.WALSCAN_BLOCK_IMAGE
    BLOCK_SAME_REL = lib.WALSCAN_BLOCK_SAME_REL


@dataclass(frozen=True, slots=True)
class Break:
    """Where and why the walker stopped. record is the first LSN not accepted as a record."""

    code: Code
    lsn: LSN
    record: LSN
    expected: int
    found: int


@dataclass(frozen=True, slots=True)
class Pages:
    """The bytes that rows were read from: whole pages at lsn, length bytes in C memory, and those right before them."""

    lsn: LSN
    data: Any
    length: int
    before: bytes
    page_size: int


@dataclass(frozen=True, slots=True)
class ShownPages:
    """Pages as C takes them, valid as long as this object lives."""

    c: Any
    held: Any


def show_pages(pages: Pages | None) -> ShownPages:
    """The pages for a C function; none at all for rows without."""
    shown = ffi.new("walscan_pages *")
    if pages is None:
        return ShownPages(shown, None)
    before = ffi.from_buffer("uint8_t[]", pages.before)
    shown.lsn, shown.bytes, shown.length = pages.lsn, pages.data, pages.length
    shown.before, shown.before_length, shown.page_size = before, len(pages.before), pages.page_size
    return ShownPages(shown, before)


@dataclass(frozen=True, slots=True)
class Rows:
    """Finished rows: arrays of C walscan_record and walscan_block; first_block counts within this batch.

    Rows with pages belong to a walk that goes on: they and their pages are valid until the next are asked for.
    """

    records: bytes | memoryview
    blocks: bytes | memoryview
    pages: Pages | None = None

    @property
    def count(self) -> int:
        """How many records these are."""
        return len(self.records) // RECORD_SIZE

    def first(self, count: int) -> Rows:
        """The first count of them (fewer if there are fewer)."""
        return self if count >= self.count else replace(self, records=self.records[: count * RECORD_SIZE])

    def kept(self) -> Rows:
        """A copy that stays valid, without the pages."""
        return Rows(bytes(self.records), bytes(self.blocks))


@dataclass(frozen=True, slots=True)
class Walked:
    """A stretch of WAL, walked from its start without knowing what lies before it: the records that begin in it.

    first_prev is the xl_prev of the first of them: whether that is right shows where the stretches meet. The rest is
    the walker's state behind the last one, and what it counted.
    """

    start: LSN
    first: int
    first_prev: int
    first_timeline: int
    position: int
    previous: int
    aborted: int
    skip_to: int
    timeline: int
    records: int
    record_bytes: int
    images: int
    image_bytes: int


_COUNTED = ("records", "record_bytes", "images", "image_bytes")
_CARRIED = ("position", "previous", "aborted", "skip_to", "timeline", *_COUNTED)


class Walker:
    """One walk over consecutive pages.

    timeline is the lowest that the first page may be of; 0 when nothing is known of what lies before.
    With collect, ``rows_of`` yields rows; without, the walk only counts, by kind of record if there are totals (a C
    array of WALSCAN_TOTALS walscan_total).
    """

    def __init__(
        self,
        wal_format: WalFormat,
        page_size: int,
        segment_size: int,
        start: LSN,
        *,
        block_size: int = 8192,
        system_identifier: int = 0,
        timeline: int = 0,
        collect: bool = False,
        totals: Any = None,
    ) -> None:
        self.format = wal_format
        self._state = ffi.new("walscan *")
        self._rows = ffi.new("walscan_rows *")
        started = lib.walscan_start(
            self._state,
            wal_format.handle,
            page_size,
            segment_size,
            system_identifier,
            start,
            lib.WALSCAN_CRC_BEST,
        )
        if not started:
            raise ValueError(f"cannot walk from {start}: page size {page_size}, segment size {segment_size}")
        self._state.block_size = block_size
        self._state.timeline = timeline
        if totals is not None:
            self._totals = self._state.totals = totals
        if collect:
            self._records = ffi.new("walscan_record[]", ROOM)
            self._blocks = ffi.new("walscan_block[]", 2 * ROOM + _SPARE_BLOCKS)
            self._rows.records, self._rows.record_room = self._records, ROOM
            self._rows.blocks, self._rows.block_room = self._blocks, 2 * ROOM + _SPARE_BLOCKS

    def push(self, lsn: int, data: Any, length: int) -> bool:
        """Count over length bytes at lsn (whole pages; data is a C buffer). False once the walk has ended."""
        assert self._rows.records == ffi.NULL, "rows would be lost: use rows_of"
        return bool(lib.walscan_push(self._state, lsn, data, length, self._rows) == lib.WALSCAN_MORE)

    def push_file(self, file: int, lsn: int, length: int, buffer: Any) -> tuple[int, bool]:
        """Count over the next length bytes of an open file (a descriptor), which are whole pages at lsn.

        Reads through the buffer (a C array of whole pages), no further than the walk goes. How many bytes were read,
        and whether the file ended there. Raises OSError.
        """
        assert self._rows.records == ffi.NULL, "rows would be lost: use rows_of"
        ended = ffi.new("int *")
        got = lib.walscan_push_file(self._state, file, lsn, length, buffer, ffi.sizeof(buffer), ended)
        if got < 0:
            raise OSError(ffi.errno, os.strerror(ffi.errno))
        return int(got), bool(ended[0])

    def limit(self, lsn: int) -> None:
        """Leave the records that begin at lsn (a page boundary) or behind it alone; 0 lifts the limit."""
        self._state.limit = lsn

    @property
    def reached(self) -> bool:
        """Every record that begins before the limit is done."""
        state = self._state
        return bool(state.limit and not state.partial and max(state.position, state.skip_to) >= state.limit)

    @property
    def following(self) -> LSN:
        """Where the next record belongs: behind a switched segment's rest, before a page header that stands there."""
        return LSN(max(self._state.position, self._state.skip_to))

    def walked(self, start: LSN) -> Walked | None:
        """What a walk that began at start without knowing what lies before it found; None if that is no record.

        Where it stopped in the middle of a record, it goes no further than to that record; the timeline is that of
        the last page even so.
        """
        state = self._state
        if not state.first:
            return None
        carried = {name: int(getattr(state, name)) for name in _CARRIED}
        carried["position"] = int(state.partial or state.position)
        return Walked(start, state.first, state.first_prev, state.first_timeline, **carried)

    def leap(self, walked: Walked) -> bool:
        """Go on behind a stretch that was walked apart, as if it had been walked here.

        False, and nothing done, unless this walk has come exactly to where that one began.
        """
        state = self._state
        if not self._meets(walked):
            return False
        behind = ffi.new("walscan *", state[0])
        for name in _CARRIED:
            before = getattr(state, name) if name in _COUNTED else 0
            setattr(behind, name, before + getattr(walked, name))
        behind.aborted = walked.aborted or state.aborted
        if not state.first:
            behind.first, behind.first_prev, behind.first_timeline = (
                walked.first,
                walked.first_prev,
                walked.first_timeline,
            )
        behind.seeking = behind.continuation = 0
        ffi.memmove(state, behind, ffi.sizeof("walscan"))  # at once: an interrupt finds this done, or not begun
        return True

    def _meets(self, walked: Walked) -> bool:
        state = self._state
        if self.stopped is not None or state.partial or state.timeline > walked.first_timeline:
            return False
        if not state.previous:
            return bool(state.seeking and state.position == walked.start)
        following = self.following
        if following % state.page_size == 0:
            following += LONG_HEADER if following % state.segment_size == 0 else SHORT_HEADER
        return bool(following == walked.first and state.previous == walked.first_prev)

    def rows_of(self, lsn: int, data: Any, length: int) -> Iterator[Rows]:
        """Walk over those bytes, yielding the rows that they finish in batches; afterwards ``stopped`` tells more.

        Each batch lies in the walker's own memory and is valid until the next is asked for.
        """
        rows, status = self._rows, lib.WALSCAN_FULL
        while status == lib.WALSCAN_FULL:
            status = lib.walscan_push(self._state, lsn, data, length, rows)
            if rows.record_count:
                yield Rows(
                    memoryview(ffi.buffer(rows.records, rows.record_count * RECORD_SIZE)),
                    memoryview(ffi.buffer(rows.blocks, rows.block_count * BLOCK_SIZE)),
                )
            rows.record_count = rows.block_count = 0

    @property
    def stopped(self) -> Break | None:
        """Why the walk stopped, or None while it goes on."""
        error = self._state.error
        if error.code == Code.NO_ERROR:
            return None
        return Break(Code(error.code), LSN(error.lsn), LSN(error.record), error.expected, error.found)

    @property
    def position(self) -> LSN:
        """The next byte wanted."""
        return LSN(self._state.position)

    @property
    def timeline(self) -> int:
        """The timeline of the last page walked."""
        return int(self._state.timeline)

    @property
    def first(self) -> LSN | None:
        """The first record accepted."""
        return LSN(self._state.first) or None

    @property
    def last(self) -> LSN | None:
        """The last record accepted."""
        return LSN(self._state.previous) or None

    @property
    def partial(self) -> LSN | None:
        """The record that crossed into pages not pushed yet."""
        return LSN(self._state.partial) or None

    @property
    def partial_missing(self) -> int:
        """How many bytes of the partial record are still to come."""
        return int(self._state.partial_length - self._state.partial_have)

    @property
    def partial_checksum(self) -> int:
        """A number that changes with any byte of the partial record so far: CRC-32 of its header over its own CRC."""
        state = self._state
        have = min(state.partial_have, lib.WALSCAN_RECORD_HEADER) if state.partial else 0
        return zlib.crc32(ffi.buffer(state.head)[:have], state.partial_crc) if have else 0

    def follow(self, last: LSN | None) -> None:
        """Have the next record follow last, as if that had been walked here; None for the first one of its run."""
        self._state.previous = last or 0
        self._state.seeking = 0

    @property
    def switched(self) -> bool:
        """The last record was XLOG_SWITCH: the rest of its segment holds no records."""
        return bool(self._state.skip_to and self._state.skip_to >= self._state.position)

    @property
    def aborted(self) -> LSN | None:
        """The last record given up to an overwrite-contrecord."""
        return LSN(self._state.aborted) or None

    @property
    def records(self) -> int:
        """Records accepted."""
        return int(self._state.records)

    @property
    def record_bytes(self) -> int:
        """The sum of their lengths, in bytes."""
        return int(self._state.record_bytes)

    @property
    def images(self) -> int:
        """Full-page images in them."""
        return int(self._state.images)

    @property
    def image_bytes(self) -> int:
        """The sum of the images' lengths as stored, in bytes."""
        return int(self._state.image_bytes)


RECORD_SIZE: int = ffi.sizeof("walscan_record")
BLOCK_SIZE: int = ffi.sizeof("walscan_block")


def join_rows(batches: list[Rows]) -> Rows:
    """Batches as one; first_block is made to count through all of them."""
    if len(batches) <= 1:
        return batches[0] if batches else Rows(b"", b"")
    records = bytearray()
    blocks_before = 0
    for batch in batches:
        piece = bytearray(batch.records)
        if blocks_before:
            lib.walscan_shift_blocks(
                ffi.from_buffer("walscan_record[]", piece), len(piece) // RECORD_SIZE, blocks_before
            )
        records += piece
        blocks_before += len(batch.blocks) // BLOCK_SIZE
    return Rows(bytes(records), b"".join(batch.blocks for batch in batches))
