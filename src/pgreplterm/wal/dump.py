"""Records as pg_waldump prints them, up to the record name and the block references.

Owns: handing rows to the C library for their lines, and the JSON of one record. Must not: read files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.records import HAS_IMAGE, IMAGE_APPLY, BlockRow, RecordIndex, RecordRow
from pgreplterm.wal.rmgr import FORK_NAMES, record_name, rmgr_name
from pgreplterm.wal.walker import RECORD_SIZE, Rows

_ROOM = 1 << 20
_LONGEST_LINE = 4096


def dump_text(rows: Rows, major: int, room: int = _ROOM) -> Iterator[memoryview]:
    """Rows as pg_waldump's lines, ASCII with newlines, in pieces of up to room bytes (4096 at least).

    Each piece is valid until the next is asked for.
    """
    buffer = bytearray(room)
    view, out, used = memoryview(buffer), ffi.from_buffer("char[]", buffer), ffi.new("size_t *")
    records = ffi.from_buffer("walscan_record[]", rows.records)
    blocks = ffi.from_buffer("walscan_block[]", rows.blocks)
    count, done = rows.count, 0
    while done < count:
        done += lib.walscan_lines(major, records + done, count - done, blocks, out, room, used)
        yield view[: used[0]]


def dump_lines(index: RecordIndex, major: int) -> Iterator[str]:
    """One line a record, without its newline."""
    for piece in dump_text(index.rows, major):
        yield from str(piece, "ascii").splitlines()


def dump_line(index: RecordIndex, number: int, major: int) -> str:
    """The line of one record of an index."""
    at = number * RECORD_SIZE
    row = Rows(index.rows.records[at : at + RECORD_SIZE], index.rows.blocks)
    return "".join(str(piece, "ascii") for piece in dump_text(row, major, _LONGEST_LINE)).rstrip("\n")


def record_json(index: RecordIndex, row: RecordRow, major: int) -> dict[str, Any]:
    """The record as plain data. Lengths in bytes, LSNs as text."""
    return {
        "lsn": str(LSN(row.lsn)),
        "prev": str(LSN(row.prev)),
        "rmgr": rmgr_name(row.rmgr),
        "record": record_name(major, row.rmgr, row.info),
        "xid": row.xid,
        "toplevel_xid": row.toplevel_xid or None,
        "origin": row.origin or None,
        "length": row.total_length,
        "image_length": row.image_length,
        "main_length": row.main_length,
        "blocks": [_block_json(block) for block in index.blocks(row)],
    }


def _block_json(block: BlockRow) -> dict[str, Any]:
    image = None
    if block.flags & HAS_IMAGE:
        image = {
            "length": block.image_length,
            "hole_offset": block.hole_offset,
            "hole_length": block.hole_length,
            "apply": bool(block.image_info & IMAGE_APPLY),
        }
    return {
        "id": block.id,
        "tablespace": block.tablespace,
        "database": block.database,
        "relation": block.relation,
        "fork": FORK_NAMES[block.fork],
        "block": block.block,
        "data_length": block.data_length,
        "image": image,
    }
