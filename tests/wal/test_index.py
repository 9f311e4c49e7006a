"""The compact index of a run against the whole rows of the same run."""

from __future__ import annotations

import random

from pgreplterm import wal
from pgreplterm.wal.index import ROW_SIZE, Index

from .corpus import Corpus


def test_the_index_says_what_the_rows_say(corpus: Corpus) -> None:
    source = wal.open_source(corpus.only(1))
    (run,) = source.runs
    scan = wal.scan_run(source, run)
    index = Index(source, run)
    progress = list(index.build())

    assert progress == sorted(progress) and progress[-1] == len(index) == len(scan.index)
    assert index.stopped == scan.stopped
    assert ROW_SIZE <= 40
    for number, row in enumerate(scan.index):
        found = index[number]
        assert found == tuple(getattr(row, name) for name in found._fields)


def test_finding(corpus: Corpus) -> None:
    source = wal.open_source(corpus.only(1))
    (run,) = source.runs
    rows = wal.scan_run(source, run).index
    index = Index(source, run)
    for _ in index.build():
        pass
    numbers = random.Random(7).sample(range(len(rows)), 50)
    for number in numbers:
        assert index.find(rows[number].lsn) == index.find(rows[number].lsn + 7) == number
        row, blocks = index.record(number)
        assert row._replace(first_block=0) == rows[number]._replace(first_block=0)
        assert blocks == rows.blocks(rows[number])
    assert index.find(0) == 0
    xid = max(row.xid for row in rows)
    assert list(index.of_xid(xid)) == [number for number, row in enumerate(rows) if row.xid == xid]
    assert list(index.of_xid(4_000_000_000)) == []
