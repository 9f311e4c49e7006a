"""Names and totals: every record name a major knows, and the table of ``wal stat``, against pg_waldump --stats.

Real WAL never holds every kind of record; --stats=record only names them, so synthetic ones without payload will do.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal.rmgr import record_name, rmgr_name
from pgreplterm.wal.stat import stat_table

from .builder import RM_XLOG, XLOG_SWITCH, Record, Wal
from .corpus import Corpus, waldump
from .servers import MAJORS

BUILT_IN = range(22)
CUSTOM = (128, 255)
RM_TRANSACTION = 1

_ROW = re.compile(r"(\S+)/(UNKNOWN \([0-9a-f]+\)|\S+) +1 \(")


def kinds() -> list[tuple[int, int]]:
    """Every (resource manager, info), the switch last for it ends its segment; a transaction's high bit is a flag."""
    found = [(rmgr, info) for rmgr in (*BUILT_IN, *CUSTOM) for info in range(0, 256, 16)]
    found = [(rmgr, info) for rmgr, info in found if rmgr != RM_TRANSACTION or info < 0x80]
    switch = (RM_XLOG, XLOG_SWITCH)
    return [kind for kind in found if kind != switch] + [switch]


@pytest.mark.parametrize("major", MAJORS)
def test_every_record_name_equals_pg_waldumps(major: int, tmp_path: Path) -> None:
    built = Wal(major)
    for rmgr, info in kinds():
        built.append(Record(rmgr, info))
    (segment,) = built.write(tmp_path)
    rows = [_ROW.match(line) for line in waldump(major, "--stats=record", segment).lines]
    theirs = sorted((row[1], row[2]) for row in rows if row)
    ours = sorted((rmgr_name(rmgr), record_name(major, rmgr, info)) for rmgr, info in kinds())
    assert ours == theirs, sorted(set(ours) ^ set(theirs))


@pytest.mark.parametrize("timeline", [1, 2])
def test_the_table_of_totals_equals_pg_waldumps(corpus: Corpus, timeline: int) -> None:
    source = wal.open_source(corpus.only(timeline))
    (run,) = source.runs
    ours = stat_table(wal.totals(wal.scan_run(source, run).index), len(BUILT_IN))
    theirs = corpus.waldump(timeline, "--stats").lines
    assert ours == theirs[theirs.index(ours[0]) :]
