"""Choosing records, against pg_waldump's own options on the same WAL of real servers."""

from __future__ import annotations

import pytest

from pgreplterm import wal
from pgreplterm.wal.choice import Choice, choice_of
from pgreplterm.wal.records import RecordIndex
from pgreplterm.wal.rmgr import FORK_NAMES
from pgreplterm.wal.stat import Totaliser, record_table

from .corpus import Corpus, waldump
from .truth import assert_same_lines


def scanned(corpus: Corpus, timeline: int = 1) -> RecordIndex:
    source = wal.open_source(corpus.only(timeline))
    (run,) = source.runs
    return wal.scan_run(source, run).index


def agree(corpus: Corpus, index: RecordIndex, choice: Choice, *options: str) -> None:
    """Our choice and pg_waldump's options leave the same lines, and not none."""
    same(corpus, index, choice, corpus.waldump(1, *options).lines)


def same(corpus: Corpus, index: RecordIndex, choice: Choice, theirs: list[str]) -> None:
    chosen = RecordIndex(choice.keep(index.rows))
    assert assert_same_lines(wal.dump_lines(chosen, corpus.major), theirs) == len(chosen) > 0
    assert len(chosen) < len(index)


def test_pg_waldumps_conditions(corpus: Corpus) -> None:
    index = scanned(corpus)
    with_fork = next(
        (row, block) for row in index if row.block_count for block in index.blocks(row) if block.fork and row.xid
    )
    row, block = with_fork
    relation = f"{block.tablespace}/{block.database}/{block.relation}"
    fork = FORK_NAMES[block.fork]
    agree(corpus, index, choice_of(rmgrs=["heap", "Btree"]), "-r", "Heap", "-r", "Btree")
    agree(corpus, index, choice_of(xid=row.xid), "-x", str(row.xid))
    agree(corpus, index, choice_of(relation=relation), "-R", relation)
    agree(corpus, index, choice_of(relation=relation, block=block.block), "-R", relation, "-B", str(block.block))
    agree(corpus, index, choice_of(fork=fork), "-F", fork)
    agree(corpus, index, choice_of(images_only=True), "-w")
    agree(corpus, index, choice_of(images_only=True, rmgrs=["Heap"]), "-w", "-r", "Heap")


def test_a_range_of_lsns(corpus: Corpus) -> None:
    index = scanned(corpus)
    start, end = (str(wal.LSN(index[len(index) * part // 3].lsn)) for part in (1, 2))
    theirs = waldump(corpus.major, "-p", corpus.folder, "-t", "1", "-s", start, "-e", end).lines
    same(corpus, index, choice_of(start=start, end=end), theirs)


@pytest.mark.parametrize("timeline", [1, 2])
def test_the_table_of_record_types_equals_pg_waldumps(corpus: Corpus, timeline: int) -> None:
    totaliser = Totaliser()
    totaliser.add(scanned(corpus, timeline))
    ours = record_table(totaliser.by_record(corpus.major))
    theirs = corpus.waldump(timeline, "--stats=record").lines
    assert ours == theirs[theirs.index(ours[0]) :]


def test_no_condition_keeps_the_rows_as_they_are(corpus: Corpus) -> None:
    rows = scanned(corpus).rows
    assert Choice().keep(rows) is rows


def test_a_condition_that_nothing_fulfils(corpus: Corpus) -> None:
    assert choice_of(xid=2**32 - 1).keep(scanned(corpus).rows).count == 0


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"rmgrs": ["Heapp"]}, "'Heapp'"),
        ({"rmgrs": ["custom127"]}, "'custom127'"),
        ({"relation": "1663/5"}, "'1663/5'"),
        ({"relation": "1663/5/99999999999"}, "'1663/5/99999999999'"),
        ({"block": 3}, "--relation"),
        ({"start": "0-3"}, "'0-3'"),
    ],
)
def test_a_condition_that_means_nothing(wrong: dict[str, object], found: str) -> None:
    with pytest.raises(wal.WalError) as refused:
        choice_of(**wrong)  # type: ignore[arg-type]
    assert found in str(refused.value)
