"""The count in C against the same count made slowly from printed lines: all seven majors, and WAL that never was."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from pgreplterm.wal import LSN, WalSource, open_source, read
from pgreplterm.wal.changes import Changes, Outcome, changes
from pgreplterm.wal.follow import follow

from .builder import Block, Record, Wal
from .changed import Relation, Rows, rows_of, slowly
from .conftest import EACH_SIZE, corpus_name
from .corpus import Corpus

KEPT = sorted((Path(__file__).parents[1] / "data" / "wal").glob("*/0*[0-9A-F].zst"))
XACT, HEAP2, HEAP = 1, 9, 10
ALL = 1 << 30


def rows_by_relation(found: Changes, xid: int) -> dict[Relation, Rows]:
    """The relations of which one transaction changed rows, or began to."""
    (one,) = [each for each in found.transactions if each.xid == xid]
    relations = [(each.tablespace, each.database, each.relation) for each in one.relations]
    return {each: rows for each in relations if (rows := rows_of(one, each)) != (0, 0, 0)}


def assert_as_slowly(source: WalSource, found: Changes) -> None:
    """The same commits, the same rows in each, every byte once."""
    plain = slowly(str(record) for record in read(source))
    assert [(each.xid, each.commit_lsn) for each in found.committed] == plain.commits
    by_xid = {each.xid: each for each in found.transactions}
    assert len(by_xid) == len(found.transactions) and found.omitted == 0
    for each in found.transactions:
        rows = {relation: rows for relation, rows in plain.rows_of(each.xid).items() if rows != (0, 0, 0)}
        ours = {(one.tablespace, one.database, one.relation): one for one in each.relations if one.rows}
        assert {key: (one.inserted, one.updated, one.deleted) for key, one in ours.items()} == rows, each
        assert each.bytes >= plain.bytes[each.xid]
    # A subtransaction whose parent is known is part of that, and no transaction of its own.
    assert {xid for xid, each in by_xid.items() if each.outcome is Outcome.ABORT} <= plain.aborted
    assert {xid for xid, each in by_xid.items() if each.outcome in (Outcome.OPEN, Outcome.PREPARED)} <= plain.open
    assert sum(each.bytes for each in found.transactions) == found.record_bytes
    assert (found.other_bytes, found.bytes) == (plain.bytes[0], plain.bytes.total())
    truncated = {one.relation for each in found.transactions for one in each.relations if one.truncated}
    assert truncated == plain.relids
    assert found.commits == len(plain.commits) > 100 and found.rows > 1000


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.parent.name)
def test_majors_that_cannot_run_here(kept: Path) -> None:
    """One segment that begins and ends in the middle of things."""
    source = open_source(kept)
    start = source.segments[0].start
    found = changes(source, start, limit=ALL)
    assert not found.complete and "begins before" in found.sentence
    assert_as_slowly(source, found)
    part = changes(source, start, limit=100)
    assert part.transactions == found.transactions[:100]
    assert (part.relations, part.bytes, part.unfinished) == (found.relations, found.bytes, found.unfinished)


@pytest.mark.parametrize("corpus", EACH_SIZE, ids=corpus_name, indirect=True)
def test_a_server_that_does_a_bit_of_everything(corpus: Corpus) -> None:
    source = follow(open_source(corpus.folder))
    found = changes(source, source.segments[0].start, limit=ALL)
    assert found.complete or "begins before" in found.sentence, found.sentence
    assert_as_slowly(source, found)
    few = changes(source, source.segments[0].start, limit=10)
    assert (few.relations, few.commits, few.aborts) == (found.relations, found.commits, found.aborts)
    assert few.unfinished == found.unfinished


# ---- WAL that no server wrote ----


def xids(*numbers: int) -> bytes:
    """A list as it stands in a commit or an assignment."""
    return struct.pack(f"<i{len(numbers)}I", len(numbers), *numbers)


def ending(xid: int, *children: int, kind: int = 0x00) -> Record:
    """A commit (or abort, by kind) that lists subtransactions."""
    listed = struct.pack("<I", 1 << 1) + xids(*children) if children else b""
    return Record(XACT, kind | (0x80 if children else 0), xid, main=struct.pack("<q", 10**15) + listed)


def insert(xid: int, relation: int = 20000, **more: int) -> Record:
    """One row."""
    return Record(HEAP, 0x00, xid, [Block(0, (1663, 5, relation), data=b"row")], main=b"\1\0\0", **more)


def written(folder: Path, *records: Record, major: int = 18) -> Changes:
    """Those records, read again."""
    built = Wal(major, segment_size=1 << 20)
    for record in records:
        built.append(record)
    built.write(folder)
    return changes(open_source(folder), LSN(1 << 24), limit=ALL)


def test_more_than_the_first_tables_hold(tmp_path: Path) -> None:
    """3,000 transactions that are open at once, the first of them with 3,000 relations and 2,000 subtransactions."""
    records = [insert(1, 20000 + number) for number in range(3000)]
    records += [insert(10_000 + number, 20000 + number) for number in range(2000)]
    records += [insert(2 + number) for number in range(2999)]
    records.append(ending(1, *range(10_000, 12_000)))
    found = written(tmp_path, *records)
    assert (found.commits, found.unfinished, found.rows) == (1, 2999, 5000)
    rows = [each.inserted for each in found.relations]
    assert rows == [2] * 2000 + [1] * 1000
    assert [each.xid for each in found.transactions] == [1, *range(2, 3001)]


@pytest.mark.parametrize("major", (13, 14, 19))
def test_subtransactions_of_each_kind(tmp_path: Path, major: int) -> None:
    """Named by an assignment or by a record, before or after they were rolled back, or only by the commit."""
    named = {"toplevel_xid": 1} if major >= 14 else {}
    found = written(
        tmp_path,
        insert(1),
        insert(2),  # which the commit names
        insert(3),
        ending(3, kind=0x20),  # rolled back, and named later
        insert(4, **named),
        ending(4, kind=0x20),
        Record(XACT, 0x50, 5, main=struct.pack("<I", 1) + xids(3, 4, 5)),
        insert(5),
        insert(6),
        ending(5, 6, kind=0x20),  # takes one along
        insert(7),  # of another
        ending(1, 2),
        major=major,
    )
    assert (found.commits, found.unfinished, found.rows) == (1, 1, 2)
    assert [(each.xid, each.outcome) for each in found.transactions][:1] == [(1, Outcome.COMMIT)]
    assert (found.transactions[-1].xid, found.transactions[-1].outcome) == (7, Outcome.OPEN)
    assert found.aborts == 0
    assert sum(each.bytes for each in found.transactions) == found.record_bytes


def test_lists_that_lie(tmp_path: Path) -> None:
    """Counts longer than the record, a transaction among its own, a circle of assignments: nothing breaks."""
    stamp = struct.pack("<q", 0)
    found = written(
        tmp_path,
        *(insert(xid) for xid in range(1, 9)),
        Record(XACT, 0x50, 1, main=struct.pack("<I", 2) + xids(1, 2)),
        Record(XACT, 0x50, 2, main=struct.pack("<I", 1) + xids(2, 1)),
        ending(1, 1, 2, 1, kind=0x20),
        ending(3, 3, 3),
        ending(3, 4),  # a second end
        Record(XACT, 0x80, 5, main=stamp + struct.pack("<Ii", 1 << 1, 1 << 30) + b"\6\0\0\0"),
        Record(XACT, 0x80, 7, main=stamp + struct.pack("<Ii", 1 << 1, -1)),
        Record(XACT, 0x80, 8, main=stamp[:3]),
        Record(XACT, 0x00, 0, main=stamp),
        Record(XACT, 0x30 | 0x80, 0, main=stamp + struct.pack("<II", 1 << 4, 9)),
        Record(HEAP, 0x30, 10, main=struct.pack("<IIII", 5, 1 << 30, 0, 77)),
        Record(HEAP, 0x10, 10, [Block(0)], main=struct.pack("<IHBB", 10, 1, 0, 8)),
        Record(HEAP, 0x00, 10, main=b"\1\0\0"),
        Record(HEAP2, 0x50, 10, [Block(0)], main=b"\0"),
    )
    assert found.complete
    outcomes = {each.xid: each.outcome for each in found.transactions}
    assert outcomes[3] is outcomes[5] is outcomes[7] is outcomes[8] is outcomes[9] is Outcome.COMMIT
    assert rows_by_relation(found, 5) == {(1663, 5, 20000): (2, 0, 0)}, "the one that is whole"
    assert outcomes[4] is outcomes[10] is Outcome.OPEN
    assert rows_by_relation(found, 10) == {}, "nothing to take back, no row without a block"
    assert found.other_bytes > 0
    assert sum(each.bytes for each in found.transactions) == found.record_bytes


@pytest.mark.parametrize("time", (-(1 << 63), (1 << 63) - 1))
def test_a_time_in_no_calendar(tmp_path: Path, time: int) -> None:
    found = written(tmp_path, Record(XACT, 0x00, 3, main=struct.pack("<q", time)))
    assert found.commits == 1 and found.transactions[0].committed_at is found.oldest_commit is None
