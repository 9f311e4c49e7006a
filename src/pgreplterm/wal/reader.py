"""Records as objects, for programs: ``for record in wal.read(source)``.

Owns: the typed view of one record that outlives the walk it came from, and the iterators over them.
Must not: decode anything before it is asked for. Commands that only print use rows, which are faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.choice import Choice
from pgreplterm.wal.dump import Printer
from pgreplterm.wal.follow import follow
from pgreplterm.wal.growing import Tail
from pgreplterm.wal.image import PageImage, images_of
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.parts import parts
from pgreplterm.wal.records import BlockRow, RecordIndex, RecordRow
from pgreplterm.wal.rmgr import record_name, rmgr_name
from pgreplterm.wal.source import Run, WalSource
from pgreplterm.wal.times import endings, time_of
from pgreplterm.wal.verification import RunWalk
from pgreplterm.wal.walker import RECORD_SIZE, Pages, Rows, show_pages

EVERYTHING = Choice()
TRANSACTION = 1  # the resource manager of commits and aborts


@dataclass(frozen=True, slots=True)
class Record:
    """One WAL record, checked: its CRC is right and it follows the record before it.

    row holds the numbers of its header. What a record says of itself is decoded when it is asked for, from the pages
    it was read with: as long as a record is kept, so are those, up to a megabyte that its neighbours share.
    """

    row: RecordRow
    _number: int
    _batch: Batch

    @property
    def lsn(self) -> LSN:
        """Its first byte."""
        return LSN(self.row.lsn)

    @property
    def prev(self) -> LSN:
        """The record before it (xl_prev)."""
        return LSN(self.row.prev)

    @property
    def end(self) -> LSN:
        """One past its last byte, before alignment."""
        return LSN(self.row.end)

    @property
    def length(self) -> int:
        """Bytes, headers and images included (xl_tot_len)."""
        return self.row.total_length

    @property
    def timeline(self) -> int:
        """The timeline of the run it was read from."""
        return self._batch.timeline

    @property
    def xid(self) -> int:
        """The transaction that wrote it; 0 when none did."""
        return self.row.xid

    @property
    def toplevel_xid(self) -> int | None:
        """The transaction above, where the record says so (wal_level=logical)."""
        return self.row.toplevel_xid or None

    @property
    def origin(self) -> int | None:
        """The replication origin, where the record says so."""
        return self.row.origin or None

    @property
    def rmgr(self) -> str:
        """Its resource manager's name."""
        return rmgr_name(self.row.rmgr)

    @property
    def name(self) -> str:
        """What pg_waldump of that major calls it, such as ``INSERT+INIT``."""
        return record_name(self._batch.source.format.major, self.row.rmgr, self.row.info)

    @property
    def blocks(self) -> tuple[BlockRow, ...]:
        """Its block references, by ascending id."""
        return self._batch.index.blocks(self.row)

    @property
    def description(self) -> str:
        """What pg_waldump prints behind the name; bytes that are no UTF-8 as ``\\xNN``."""
        batch = self._batch
        return str(batch.printer.description(batch.rows, self._number), "utf-8", "backslashreplace").rstrip()

    @property
    def time(self) -> datetime | None:
        """When the transaction that it commits or aborts ended, in UTC; None for any other record."""
        found = next(endings(self._rows), None) if self.row.rmgr == TRANSACTION else None
        return None if found is None else time_of(found.time)

    @property
    def data(self) -> bytes:
        """All its bytes, without the headers of the pages that it crosses."""
        rows, room = self._rows, self.row.total_length
        scratch, pages = ffi.new("uint8_t[]", room), show_pages(rows.pages)
        found = lib.walscan_record_bytes(pages.c, ffi.from_buffer("walscan_record[]", rows.records), scratch, room)
        return bytes(ffi.buffer(found, room))

    @property
    def images(self) -> tuple[PageImage, ...]:
        """Its full-page images as the pages they restore. Raises WalError where a reader cannot restore one."""
        if not self.row.image_count:
            return ()
        return tuple(images_of(self.row, self.blocks, self.data, self._batch.source.block_size, self.timeline))

    @property
    def _rows(self) -> Rows:
        at = self._number * RECORD_SIZE
        return replace(self._batch.rows, records=self._batch.rows.records[at : at + RECORD_SIZE])

    def __str__(self) -> str:
        """pg_waldump's line."""
        pieces = self._batch.printer.text(self._rows)
        return "".join(str(piece, "utf-8", "backslashreplace") for piece in pieces).rstrip("\n")


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that outlive the walk, and what their records are read with."""

    source: WalSource
    timeline: int
    printer: Printer
    rows: Rows
    index: RecordIndex


class Records:
    """Makes records of the rows that walks over one source yield; rows of one chunk share a copy of its pages."""

    def __init__(self, source: WalSource) -> None:
        self._source, self._printer = source, Printer(source.format.major, source.block_size)
        self._walked: Pages | None = None
        self._copied: Pages | None = None

    def of(self, rows: Rows, run: Run) -> Iterator[Record]:
        """The rows' records, which stay valid. rows are of a walk that has not gone on."""
        kept = Rows(bytes(rows.records), bytes(rows.blocks), self._copy(rows.pages))
        batch = Batch(self._source, run.timeline, self._printer, kept, RecordIndex(kept))
        return (Record(row, number, batch) for number, row in enumerate(batch.index))

    def _copy(self, pages: Pages | None) -> Pages | None:
        if pages is not self._walked or pages is None:
            self._walked = pages
            self._copied = None if pages is None else replace(pages, data=_copied(pages))
        return self._copied


def _copied(pages: Pages) -> object:
    """The pages' bytes as C takes them, valid as long as the object lives."""
    return ffi.from_buffer("uint8_t[]", bytes(ffi.buffer(pages.data, pages.length)))


def read(source: WalSource, choice: Choice = EVERYTHING) -> Iterator[Record]:
    """The chosen records of each run of the source, in the order of the WAL, and on behind damage.

    How each run ended, and what was unreadable, is for ``verify`` to say. Raises WalError when a file cannot be read,
    or when the choice's bounds leave nothing.
    """
    records = Records(source)
    for part in parts(source, choice):
        bounded = part.choice
        for rows in RunWalk(source, part.run, collect=True, start=bounded.start, end=bounded.end):
            yield from records.of(bounded.keep(rows), part.run)


def tail(source: WalSource, choice: Choice = EVERYTHING, *, latest: bool = False) -> Iterator[Record]:
    """As ``read``, and then each further record of the last run as soon as a server has written all of it.

    Ends only where the choice does, and waits for ever otherwise. With latest it goes on behind a promotion, on the
    new timeline. Raises WalError when a segment is removed before it was read to its end.
    """
    if latest and source.lineage is None:
        source = follow(source)
    *before, last = parts(source, choice)
    records = Records(source)
    for part in before:
        for rows in RunWalk(source, part.run, collect=True, start=part.choice.start, end=part.choice.end):
            yield from records.of(part.choice.keep(rows), part.run)
    growing = Tail(source, last.run, start=last.choice.start, end=last.choice.end, latest=latest)
    for rows in growing:
        yield from records.of(last.choice.keep(rows), growing.run)
