"""Records as rows: one fixed-size row a record, read on demand.

Owns: the index of a scan and the typed view of one row.
Must not: decode payloads or keep an object per record.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from pgreplterm._walscan import lib
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.rmgr import FORK_NAMES
from pgreplterm.wal.walker import BLOCK_SIZE, RECORD_SIZE, Rows

_RECORD = struct.Struct("<QQQIIIIIIHBBBB2x")
_BLOCK = struct.Struct("<IIIIHHHHBBBB")

HAS_IMAGE: int = lib.WALSCAN_BLOCK_HAS_IMAGE
WILL_INIT: int = lib.WALSCAN_BLOCK_WILL_INIT
IMAGE_APPLY: int = lib.WALSCAN_IMAGE_APPLY


class RecordRow(NamedTuple):
    """A record's header and totals. Lengths in bytes; end is one past its last byte, before alignment."""

    lsn: int
    prev: int
    end: int
    total_length: int
    image_length: int
    main_length: int
    xid: int
    toplevel_xid: int
    first_block: int
    origin: int
    rmgr: int
    info: int
    block_count: int
    image_count: int


class BlockRow(NamedTuple):
    """One block reference. Lengths in bytes; image_info uses the bits of PostgreSQL 15 on for every major."""

    tablespace: int
    database: int
    relation: int
    block: int
    data_length: int
    image_length: int
    hole_offset: int
    hole_length: int
    id: int
    fork: int
    flags: int
    image_info: int


def block_json(block: BlockRow) -> dict[str, int | str]:
    """Which block a reference is to, as plain data."""
    return {
        "id": block.id,
        "tablespace": block.tablespace,
        "database": block.database,
        "relation": block.relation,
        "fork": FORK_NAMES[block.fork],
        "block": block.block,
    }


class RecordIndex:
    """All records of a scan. Indexing makes one row at a time; nothing else is unpacked."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._records = rows.records
        self._blocks = rows.blocks

    def __len__(self) -> int:
        return len(self._records) // RECORD_SIZE

    def __getitem__(self, number: int) -> RecordRow:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return RecordRow._make(_RECORD.unpack_from(self._records, number * RECORD_SIZE))

    def __iter__(self) -> Iterator[RecordRow]:
        return map(RecordRow._make, _RECORD.iter_unpack(self._records))

    def blocks(self, row: RecordRow) -> tuple[BlockRow, ...]:
        """The block references of a row of this index, by ascending id."""
        start = row.first_block * BLOCK_SIZE
        end = start + row.block_count * BLOCK_SIZE
        return tuple(map(BlockRow._make, _BLOCK.iter_unpack(self._blocks[start:end])))

    def find(self, lsn: int) -> int:
        """The number of the last record that begins at or before lsn; 0 when there is none before it."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if LSN(_RECORD.unpack_from(self._records, middle * RECORD_SIZE)[0]) <= lsn:
                low = middle + 1
            else:
                high = middle
        return max(low - 1, 0)
