"""The typed door to the C walker.

Owns: the life of one C struct walscan, pushing bytes into it, and copying its rows out.
Must not: open files or explain errors to people.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.format import WalFormat
from pgreplterm.wal.lsn import LSN

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
class Rows:
    """Finished rows as bytes: arrays of C walscan_record and walscan_block; first_block counts within this batch."""

    records: bytes
    blocks: bytes

    @property
    def count(self) -> int:
        """How many records these are."""
        return len(self.records) // RECORD_SIZE

    def first(self, count: int) -> Rows:
        """The first count of them (fewer if there are fewer)."""
        return self if count >= self.count else Rows(self.records[: count * RECORD_SIZE], self.blocks)


class Walker:
    """One walk over consecutive pages.

    timeline is the lowest that the first page may be of; 0 when nothing is known of what lies before.
    With collect, rows are kept until ``take`` is called; without, the walk only counts.
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
    ) -> None:
        self.format = wal_format
        self._state = ffi.new("walscan *")
        self._rows = ffi.new("walscan_rows *")
        self._collected: list[Rows] = []
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
        if collect:
            self._records = ffi.new("walscan_record[]", ROOM)
            self._blocks = ffi.new("walscan_block[]", 2 * ROOM + _SPARE_BLOCKS)
            self._rows.records, self._rows.record_room = self._records, ROOM
            self._rows.blocks, self._rows.block_room = self._blocks, 2 * ROOM + _SPARE_BLOCKS

    def push(self, lsn: int, data: Any, length: int) -> bool:
        """Walk over length bytes at lsn (whole pages; data is a C buffer). False once the walk has stopped."""
        while True:
            status = lib.walscan_push(self._state, lsn, data, length, self._rows)
            if status != lib.WALSCAN_FULL:
                return bool(status == lib.WALSCAN_MORE)
            self._drain()

    def take(self) -> Rows:
        """The rows finished since the last call, as one batch whose block indexes are continuous."""
        self._drain()
        batches, self._collected = self._collected, []
        return join_rows(batches)

    def _drain(self) -> None:
        rows = self._rows
        if rows.record_count == 0:
            return
        self._collected.append(
            Rows(
                bytes(ffi.buffer(rows.records, rows.record_count * RECORD_SIZE)),
                bytes(ffi.buffer(rows.blocks, rows.block_count * BLOCK_SIZE)) if rows.block_count else b"",
            )
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
