"""The tables that transactions and their rows are counted into.

Owns: the C struct walscan_changes with its memory, and its entries as values. Must not: read files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import Any

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.walker import Rows, show_pages

_TRANSACTION = struct.Struct("<I12xI4xIBB202sQQQqQ")  # what is told of the C structs
_CHANGE = struct.Struct("<4xIII8xIx??x5Q")
_BEGIN, _ENDED_END, _DATABASE_FIRST = 6, 8, itemgetter(1, 0, 2)  # fields of them
_PLACES = 1024
_SCRATCH = 1 << 16
_EPOCH = 946_684_800  # 2000-01-01 00:00 UTC
_YEARS = (-62_135_596_800, 253_402_300_799)  # what a calendar goes to: 0001 to 9999


class Outcome(StrEnum):
    """What became of a transaction by the end of what was read."""

    COMMIT = "commit"  # COMMIT PREPARED, too
    ABORT = "abort"  # ROLLBACK PREPARED, too
    PREPARED = "prepared"  # PREPARE TRANSACTION, and nothing behind it
    OPEN = "open"


_OUTCOMES = {
    lib.WALSCAN_OPEN: Outcome.OPEN,
    lib.WALSCAN_PREPARED: Outcome.PREPARED,
    lib.WALSCAN_COMMITTED: Outcome.COMMIT,
    lib.WALSCAN_ABORTED: Outcome.ABORT,
}


@dataclass(frozen=True, slots=True)
class RelationChanges:
    """Rows of one relation file (relation is its relfilenode), and its WAL: bytes without images, and images as stored.

    Indexes and TOAST tables are relations of their own; an index has bytes and no rows. truncated: a TRUNCATE record
    names it. WAL has such records only where wal_level is logical, and they name the table's oid, not its file:
    tablespace is 0 in such a row. dropped: the commit removes this file, for TRUNCATE, DROP, or a rewrite of the table
    (VACUUM FULL, CLUSTER, some ALTER TABLE).
    """

    tablespace: int
    database: int
    relation: int
    inserted: int
    updated: int
    deleted: int
    truncated: bool
    record_bytes: int
    image_bytes: int
    dropped: bool = False

    @property
    def rows(self) -> int:
        """Rows inserted, updated and deleted."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True)
class Transaction:
    """A toplevel transaction; what its subtransactions did is part of it, unless they were rolled back.

    begin is its first record in the range: it may have begun before. commit_lsn is the commit record's first byte, and
    commit_end the LSN behind it, which a synchronous commit waits for; both, and committed_at (Unix seconds), are None
    of what did not commit. bytes is all its WAL in the range, rolled-back subtransactions included where the WAL says
    whose they were; where it does not, they stand as transactions of their own, aborted. gid is a prepared
    transaction's name, None where the WAL that was read does not say it. relations are in order of their ids.
    """

    xid: int
    outcome: Outcome
    begin: LSN
    commit_lsn: LSN | None
    commit_end: LSN | None
    committed_at: float | None
    relations: tuple[RelationChanges, ...]
    bytes: int
    gid: str | None = None

    @property
    def rows(self) -> int:
        """Rows inserted, updated and deleted in all relations."""
        return sum(each.rows for each in self.relations)


class ChangeTable:
    """Counts rows of a walk; afterwards ``ended`` and ``unfinished`` list transactions, ``relations`` their sum.

    limit is how many ended transactions are kept; end 0 is no end.
    """

    def __init__(self, major: int, start: LSN, end: LSN | None, limit: int) -> None:
        self._state = ffi.new("walscan_changes *")
        self._state.major, self._state.start, self._state.end = major, start, end or 0
        self._state.limit = limit
        self._transactions = ffi.new("walscan_transaction[]", _PLACES)
        self._changes = ffi.new("walscan_change[]", _PLACES)
        self._state.transactions, self._state.transaction_places = self._transactions, _PLACES
        self._state.changes, self._state.change_places = self._changes, _PLACES
        self._enlarge_scratch(_SCRATCH)

    def add(self, rows: Rows) -> None:
        """Count these rows, which come with their pages."""
        records = ffi.from_buffer("walscan_record[]", rows.records)
        blocks = ffi.from_buffer("walscan_block[]", rows.blocks)
        pages = show_pages(rows.pages)
        done = 0
        while done < rows.count:
            done += lib.walscan_add_changes(self._state, records + done, rows.count - done, blocks, pages.c)
            if done < rows.count:
                self._enlarge()

    def _enlarge(self) -> None:
        state = self._state
        if state.wants == lib.WALSCAN_WANTS_TRANSACTIONS:
            places = _enough(state.transaction_places, state.wants_room)
            larger = ffi.new("walscan_transaction[]", places)
            lib.walscan_move_transactions(state, larger, places)
            self._transactions = larger
        elif state.wants == lib.WALSCAN_WANTS_CHANGES:
            places = _enough(state.change_places, state.wants_room)
            larger = ffi.new("walscan_change[]", places)
            lib.walscan_move_changes(state, larger, places)
            self._changes = larger
        else:
            self._enlarge_scratch(state.wants_room)

    def _enlarge_scratch(self, room: int) -> None:
        self._scratch = ffi.new("uint8_t[]", room)
        self._state.scratch, self._state.scratch_room = self._scratch, room

    def __getattr__(self, name: str) -> int:
        """A count of the C struct: commits, aborts, kept, record_bytes, other_bytes, unread."""
        if name not in ("commits", "aborts", "kept", "record_bytes", "other_bytes", "unread"):
            raise AttributeError(name)
        return int(getattr(self._state, name))

    @property
    def commit_times(self) -> tuple[float | None, float | None]:
        """The oldest and the newest time of a commit, in Unix seconds; None before the first."""
        if not self._state.commits:
            return None, None
        return _seconds(self._state.oldest), _seconds(self._state.newest)

    def ended(self, behind: int = 0) -> Iterator[Transaction | None]:
        """The ended transactions that were kept, in the order of their ends; None for each that ended by that LSN."""
        held, at = _held(self._transactions), self._state.first_ended
        while at:
            fields = _TRANSACTION.unpack_from(held, at * _TRANSACTION.size)
            if fields[3] != lib.WALSCAN_FOLDED:
                yield self._transaction(fields) if fields[_ENDED_END] > behind else None
            at = fields[2]

    def unfinished(self) -> tuple[int, Iterator[Transaction]]:
        """How many transactions are open or prepared, and those, by their first records. No rows can follow."""
        places = self._state.transaction_places
        numbers = ffi.new("uint32_t[]", places)
        count = lib.walscan_unfinished(self._state, numbers, places)
        held = _held(self._transactions)
        found = [_TRANSACTION.unpack_from(held, number * _TRANSACTION.size) for number in numbers[0:count]]
        return count, map(self._transaction, sorted(found, key=lambda fields: fields[_BEGIN]))

    def relations(self) -> tuple[RelationChanges, ...]:
        """What all commits changed, also those that were not kept, in order of the relations' ids."""
        numbers = self._committed()
        return _in_order(_CHANGE.unpack_from(_held(self._changes), number * _CHANGE.size) for number in numbers)

    def _committed(self) -> Iterator[int]:
        at = lib.walscan_committed(self._state, 1)
        while at:
            yield at
            at = lib.walscan_committed(self._state, at + 1)

    def _transaction(self, fields: tuple[Any, ...]) -> Transaction:
        xid, changes, _, outcome, gid_length, gid, begin, ended, ended_end, time, size = fields
        committed = outcome == lib.WALSCAN_COMMITTED
        return Transaction(
            xid,
            _OUTCOMES[outcome],
            LSN(begin),
            LSN(ended) if committed else None,
            LSN(ended_end) if committed else None,
            _seconds(time) if committed else None,
            _in_order(self._siblings(changes)),
            size,
            gid[:gid_length].decode("utf-8", "backslashreplace") or None,
        )

    def _siblings(self, at: int) -> Iterator[tuple[Any, ...]]:
        held = _held(self._changes)
        while at:
            fields = _CHANGE.unpack_from(held, at * _CHANGE.size)
            yield fields
            at = fields[3]


def _held(table: Any) -> memoryview:
    return memoryview(ffi.buffer(table))


def _in_order(found: Iterator[tuple[Any, ...]]) -> tuple[RelationChanges, ...]:
    """Entries of C as values, by database, tablespace and file."""
    return tuple(map(_relation, sorted(found, key=_DATABASE_FIRST)))


def _relation(fields: tuple[Any, ...]) -> RelationChanges:
    tablespace, database, relation, _, truncated, dropped, inserted, updated, deleted, record_bytes, images = fields
    return RelationChanges(
        tablespace, database, relation, inserted, updated, deleted, truncated, record_bytes, images, dropped
    )


def _enough(places: int, wanted: int) -> int:
    """More places than before, a power of two, and that many at least."""
    places *= 2
    while places < wanted:
        places *= 2
    return places


def _seconds(time: int) -> float | None:
    """A TimestampTz in Unix seconds; None of one that is in no calendar."""
    seconds = time / 1_000_000 + _EPOCH
    return seconds if _YEARS[0] <= seconds <= _YEARS[1] else None
