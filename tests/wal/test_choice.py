"""Choosing records, against pg_waldump's own options on the same WAL of real servers."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from typing import IO

import pytest

from pgreplterm import wal
from pgreplterm.lab.binaries import environment
from pgreplterm.wal.choice import Choice, choice_of
from pgreplterm.wal.records import RecordIndex
from pgreplterm.wal.rmgr import FORK_NAMES, record_name
from pgreplterm.wal.stat import Totaliser, record_table
from pgreplterm.wal.stores.local import LocalFolder

from .conftest import EACH_SIZE, corpus_name
from .corpus import Corpus, waldump
from .servers import require_bin
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


@pytest.mark.parametrize("corpus", EACH_SIZE, ids=corpus_name, indirect=True)
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


@pytest.mark.parametrize("corpus", EACH_SIZE, ids=corpus_name, indirect=True)
def test_a_range_of_lsns(corpus: Corpus) -> None:
    index = scanned(corpus)
    start, end = (str(wal.LSN(index[len(index) * part // 3].lsn)) for part in (1, 2))
    theirs = waldump(corpus.major, "-p", corpus.folder, "-t", "1", "-s", start, "-e", end).lines
    same(corpus, index, choice_of(start=start, end=end), theirs)


def _opened(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the segments that are opened from now on."""
    names: set[str] = set()
    plain = LocalFolder.open

    def noted(store: LocalFolder, name: str, offset: int = 0) -> IO[bytes]:
        names.add(name)
        return plain(store, name, offset)

    monkeypatch.setattr(LocalFolder, "open", noted)
    return names


def _ranges(source: wal.WalSource, index: RecordIndex, seed: int) -> Iterator[tuple[wal.LSN, wal.LSN]]:
    """Short ones and long ones, from any byte, from pages and from segments."""
    choose = random.Random(seed)
    low, high = index[0].lsn, index[len(index) - 1].end
    for _ in range(16):
        start, length = choose.randrange(low, high), choose.choice([100, 9_000, 70_000, 3 << 20])
        end = min(start + length, high)
        unit = choose.choice([1, 8, source.page_size, source.segment_size])
        if start // unit * unit < end // unit * unit:
            start, end = start // unit * unit, end // unit * unit
        yield wal.LSN(start), wal.LSN(end)


_SKIPPED = re.compile(rb"first record is after .*\n")


@pytest.mark.parametrize("corpus", EACH_SIZE, ids=corpus_name, indirect=True)
def test_any_range_is_pg_waldumps_and_opens_nothing_else(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    source, index = wal.open_source(corpus.only(1)), scanned(corpus)
    agreed, program = 0, require_bin(corpus.major) / "pg_waldump"
    for start, end in _ranges(source, index, corpus.major):
        options = ("-p", corpus.folder, "-t", "1", "-s", str(start), "-e", str(end))
        done = subprocess.run([program, *options], capture_output=True, check=False, env=environment())
        with monkeypatch.context() as patch:
            opened = _opened(patch)
            ours = "".join(f"{record}\n" for record in wal.read(source, Choice(start=start, end=end)))
        numbers = range(start // source.segment_size, -(-end // source.segment_size))
        assert opened <= {source.segment_name(1, number) for number in numbers}
        if done.stdout:
            theirs = _SKIPPED.sub(b"", done.stdout, count=1)
            assert ours == str(theirs, "utf-8", "backslashreplace")
            agreed += 1
        else:
            assert b"could not find a valid record" in done.stderr
            before = index[
                index.find(start)
            ]  # behind a switch pg_waldump finds nothing; ours goes on in the next segment
            assert ours == "" or record_name(corpus.major, before.rmgr, before.info) == "SWITCH"
    assert agreed > 3


@pytest.mark.parametrize("timeline", [1, 2])
def test_the_table_of_record_types_equals_pg_waldumps(corpus: Corpus, timeline: int) -> None:
    totaliser = Totaliser()
    totaliser.add(scanned(corpus, timeline).rows)
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
        ({"start": "0/3000000", "end": "0/3000000"}, "behind the start, 0/03000000"),
        ({"since": "yesterday"}, "'yesterday'"),
        ({"until": "2026-13-01"}, "'2026-13-01'"),
        ({"since": "0001-01-01"}, "'0001-01-01'"),
        ({"since": "2026-10-17T08:00Z", "until": "2026-10-17T08:00+01:00"}, "ends at or behind"),
    ],
)
def test_a_condition_that_means_nothing(wrong: dict[str, object], found: str) -> None:
    with pytest.raises(wal.WalError) as refused:
        choice_of(**wrong)  # type: ignore[arg-type]
    assert found in str(refused.value)
