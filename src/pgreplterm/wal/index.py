"""The index of very many records: 32 bytes each, found by position, LSN or transaction.

Owns: building it from a run, and searching it. Must not: hold what can be read from the record again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.records import BlockRow, RecordIndex, RecordRow
from pgreplterm.wal.scan import advance, new_walker
from pgreplterm.wal.source import Run, WalSource
from pgreplterm.wal.walker import Break, Rows

_ROW = struct.Struct("<QQIIIBBBB")
ROW_SIZE: int = ffi.sizeof("walscan_index_row")


class IndexRow(NamedTuple):
    """A record's header and totals. Lengths in bytes; end is one past its last byte, before alignment."""

    lsn: int
    end: int
    total_length: int
    image_length: int
    xid: int
    rmgr: int
    info: int
    block_count: int
    image_count: int


class Index:
    """A run's records up to the first thing that is none; stopped is what that was, None if the bytes ran out."""

    def __init__(self, source: WalSource, run: Run) -> None:
        self._source, self._run = source, run
        self._rows = bytearray()
        self.stopped: Break | None = None

    def build(self) -> Iterator[int]:
        """Walk the run, yielding the number of records known so far. Raises WalError when a file cannot be read."""
        walker = new_walker(self._source, self._run.segments[0].start, collect=True)
        for rows in advance(self._source, self._run, walker, collect=True):
            self._append(rows)
            yield len(self)
        self.stopped = walker.stopped

    def _append(self, rows: Rows) -> None:
        before = len(self._rows)
        self._rows += bytes(rows.count * ROW_SIZE)
        with memoryview(self._rows) as view, view[before:] as fresh:
            into = ffi.from_buffer("walscan_index_row[]", fresh)
            lib.walscan_index_rows(ffi.from_buffer("walscan_record[]", rows.records), rows.count, into)
            ffi.release(into)

    def __len__(self) -> int:
        return len(self._rows) // ROW_SIZE

    def __getitem__(self, number: int) -> IndexRow:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return IndexRow._make(_ROW.unpack_from(self._rows, number * ROW_SIZE))

    def find(self, lsn: int) -> int:
        """The number of the last record that begins at or before lsn; 0 when none does."""
        with ffi.from_buffer("walscan_index_row[]", self._rows) as rows:
            return int(lib.walscan_find_lsn(rows, len(self), lsn))

    def of_xid(self, xid: int, first: int = 0) -> Iterator[int]:
        """The numbers of a transaction's records, from a record on."""
        while True:
            with ffi.from_buffer("walscan_index_row[]", self._rows) as rows:
                first = int(lib.walscan_find_xid(rows, len(self), first, xid))
            if first >= len(self):
                return
            yield first
            first += 1

    def record(self, number: int) -> tuple[RecordRow, tuple[BlockRow, ...]]:
        """The whole row of a record and its block references, read again from its segment. Raises WalError."""
        row = self[number]
        walker = new_walker(self._source, LSN(row.lsn), collect=True)
        for rows in advance(self._source, self._run, walker, collect=True):
            index = RecordIndex(rows)
            return index[0], index.blocks(index[0])
        raise IndexError(number)
