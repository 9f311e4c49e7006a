"""Records as pg_waldump prints them, up to the record name and the block references.

Owns: the text and JSON of one record. Must not: read files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.records import HAS_IMAGE, IMAGE_APPLY, BlockRow, RecordIndex, RecordRow
from pgreplterm.wal.rmgr import FORK_NAMES, record_name, rmgr_name


def dump_lines(index: RecordIndex, major: int) -> Iterator[str]:
    """One line a record, in pg_waldump's format (src/bin/pg_waldump/pg_waldump.c, XLogDumpDisplayRecord)."""
    for row in index:
        text = record_line(row, major)
        yield text + "".join(map(block_text, index.blocks(row))) if row.block_count else text


def record_line(row: RecordRow, major: int) -> str:
    """The record's part of its line; the shorter length leaves its full-page images out."""
    own = row.total_length - row.image_length
    return (
        f"rmgr: {rmgr_name(row.rmgr):<11} len (rec/tot): {own:6}/{row.total_length:6}, tx: {row.xid:10}, "
        f"lsn: {row.lsn >> 32:X}/{row.lsn & 0xFFFFFFFF:08X}, prev {row.prev >> 32:X}/{row.prev & 0xFFFFFFFF:08X}, "
        f"desc: {record_name(major, row.rmgr, row.info)}"
    )


def block_text(block: BlockRow) -> str:
    """One block reference, as it follows the description."""
    fork = f" fork {FORK_NAMES[block.fork]}" if block.fork else ""
    image = ""
    if block.flags & HAS_IMAGE:
        image = " FPW" if block.image_info & IMAGE_APPLY else " FPW for WAL verification"
    return (
        f", blkref #{block.id}: rel {block.tablespace}/{block.database}/{block.relation}{fork} blk {block.block}{image}"
    )


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
