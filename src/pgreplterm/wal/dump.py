"""Records as pg_waldump prints them.

Owns: handing rows to the C library for their lines and descriptions, and the JSON of one record.
Must not: read files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.records import HAS_IMAGE, IMAGE_APPLY, BlockRow, RecordIndex, block_json
from pgreplterm.wal.walker import RECORD_SIZE, Pages, Rows, show_pages

if TYPE_CHECKING:
    from pgreplterm.wal.reader import Record

_ROOM = 1 << 20
_SCRATCH = 1 << 16


class Printer:
    """Writes rows as that major's pg_waldump does. Its buffers are reused, and grow to the longest line met.

    With details each block reference has its own line (--bkp-details). block_size is the cluster's BLCKSZ.
    """

    def __init__(self, major: int, block_size: int = 8192, *, details: bool = False) -> None:
        self._printer = ffi.new("walscan_printer *")
        self._printer.major, self._printer.block_size, self._printer.block_details = major, block_size, details
        self._grow(_ROOM, _SCRATCH)
        self._shown: Rows | None = None

    def text(self, rows: Rows) -> Iterator[memoryview]:
        """The rows' lines, a newline behind each, in pieces of up to 1 MB, or of one longer record.

        Rows without pages have no description. Descriptions hold the server's bytes, in its encoding. Each piece is
        valid until the next is asked for.
        """
        records, blocks = self._show(rows)
        done = 0
        while done < rows.count:
            wrote = lib.walscan_lines(self._printer, records + done, rows.count - done, blocks)
            done += wrote
            if wrote:
                yield memoryview(self._out)[: self._printer.used]
            else:
                self._grow(2 * len(self._out), max(self._printer.scratch_room, records[done].total_length))

    def description(self, rows: Rows, number: int) -> bytes:
        """What stands behind the name in the line of one of the rows, in the server's encoding."""
        records, blocks = self._show(rows)
        record = records + number
        while not lib.walscan_description(self._printer, record, blocks):
            self._grow(2 * len(self._out), max(self._printer.scratch_room, record.total_length))
        return bytes(self._out[: self._printer.used])

    def _show(self, rows: Rows) -> tuple[Any, Any]:
        """The rows' records and blocks as C takes them, and their pages in the printer."""
        if rows is not self._shown:
            self._pages = show_pages(rows.pages)
            self._printer.pages = self._pages.c[0]
            self._arrays = (
                ffi.from_buffer("walscan_record[]", rows.records),
                ffi.from_buffer("walscan_block[]", rows.blocks),
            )
            self._shown = rows
        return self._arrays

    def _grow(self, room: int, scratch: int) -> None:
        self._out, self._scratch = bytearray(room), bytearray(scratch)
        self._printer.out, self._printer.room = ffi.from_buffer("char[]", self._out), room
        self._printer.scratch, self._printer.scratch_room = ffi.from_buffer("uint8_t[]", self._scratch), scratch


def dump_lines(index: RecordIndex, major: int) -> Iterator[str]:
    """One line a record, up to its name and with its block references, without descriptions and newlines."""
    for piece in Printer(major).text(index.rows):
        yield from str(piece, "ascii").splitlines()


def dump_line(index: RecordIndex, number: int, major: int, data: bytes = b"") -> str:
    """The line of one record of an index; data is the record's bytes, without page headers, for its description."""
    at = number * RECORD_SIZE
    row = Rows(index.rows.records[at : at + RECORD_SIZE], index.rows.blocks)
    if data:
        lsn = LSN(index[number].lsn)
        row = replace(row, pages=Pages(lsn, ffi.from_buffer("uint8_t[]", data), len(data), b"", 0))
    return "".join(str(piece, "utf-8", "replace") for piece in Printer(major).text(row)).rstrip("\n")


def describe(index: RecordIndex, number: int, major: int, data: bytes) -> str:
    """The description of one record of an index; data is its bytes, without page headers."""
    at = number * RECORD_SIZE
    pages = Pages(LSN(index[number].lsn), ffi.from_buffer("uint8_t[]", data), len(data), b"", 0)
    row = Rows(index.rows.records[at : at + RECORD_SIZE], index.rows.blocks, pages)
    return Printer(major).description(row, 0).decode("utf-8", "backslashreplace")


def record_json(record: Record) -> dict[str, Any]:
    """The record as plain data. Lengths in bytes, LSNs as text, times in ISO 8601 and UTC.

    A description's bytes that are no UTF-8 are shown as ``\\xNN``.
    """
    time = record.time
    return {
        "lsn": str(record.lsn),
        "prev": str(record.prev),
        "rmgr": record.rmgr,
        "record": record.name,
        "description": record.description,
        "xid": record.xid,
        "toplevel_xid": record.toplevel_xid,
        "origin": record.origin,
        "time": None if time is None else f"{time:%Y-%m-%dT%H:%M:%S.%fZ}",
        "length": record.length,
        "image_length": record.row.image_length,
        "main_length": record.row.main_length,
        "blocks": [_block_json(block) for block in record.blocks],
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
    return {**block_json(block), "data_length": block.data_length, "image": image}
