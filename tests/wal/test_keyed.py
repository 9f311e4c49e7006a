"""WAL by transaction, database and minute, against the same sums made from pg_waldump's own lines."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal.choice import Choice
from pgreplterm.wal.tally import Counting
from pgreplterm.wal.verification import count

from .builder import Block, Record, Wal
from .conftest import EACH_SIZE, corpus_name
from .corpus import Corpus

_LINE = re.compile(r"rmgr: (\S+) +len \(rec/tot\): +(\d+)/ *(\d+), tx: +(\d+), .*?desc: (\S+)")
# Descriptions hold user text that may look like a block reference; real ones are what the line ends with.
_BLOCK = r", blkref #\d+: rel \d+/{}/\d+(?: fork \w+)? blk \d+(?: FPW(?: for WAL verification)?)?"
_RELATION = re.compile(_BLOCK.format(r"(\d+)") + "(?:" + _BLOCK.format(r"\d+") + r")*\Z")
_TIME = re.compile(r"desc: (?:COMMIT|ABORT)\S* (?:\d+: )?(\d{4}-\d\d-\d\d \d\d:\d\d):\d\d\.\d{6} UTC")

Figures = tuple[int, int, int]


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """pg_waldump prints local time."""
    monkeypatch.setitem(os.environ, "TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def ours(source: wal.WalSource, by: str) -> dict[str, Figures]:
    tally, _ = count(source, Counting(by, Choice(), source.format))
    return {
        str(row[by]): (int(row["count"]), int(row["record_bytes"]), int(row["image_bytes"])) for row in tally.rows()
    }


def sums(lines: list[tuple[str, str]]) -> dict[str, Figures]:
    """Each line of pg_waldump under its key."""
    records, own, images = (Counter[str]() for _ in range(3))
    for key, line in lines:
        match = _LINE.match(line)
        assert match is not None, line
        records[key] += 1
        own[key] += int(match[2])
        images[key] += int(match[3]) - int(match[2])
    return {key: (records[key], own[key], images[key]) for key in records}


def _database(line: str) -> str:
    """The database of a line's first block reference; a restore point has none, whatever its name looks like."""
    match = None if "desc: RESTORE_POINT " in line else _RELATION.search(line)
    return match[1] if match else "None"


@pytest.mark.parametrize("corpus", EACH_SIZE, ids=corpus_name, indirect=True)
def test_by_transaction(corpus: Corpus) -> None:
    lines = corpus.waldump(1).lines
    theirs = sums([(re.search(r"tx: +(\d+)", line)[1], line) for line in lines])  # type: ignore[index]
    assert ours(wal.open_source(corpus.only(1)), "xid") == theirs
    assert len(theirs) > 100


@pytest.mark.parametrize("corpus", EACH_SIZE, ids=corpus_name, indirect=True)
def test_by_database(corpus: Corpus) -> None:
    lines = corpus.waldump(1).lines
    keyed = [(_database(line), line) for line in lines]
    theirs = sums(keyed)
    assert ours(wal.open_source(corpus.only(1)), "database") == theirs
    assert {"None", "0", "1"} < set(theirs)


@pytest.mark.usefixtures("in_utc")
@pytest.mark.parametrize("corpus", EACH_SIZE, ids=corpus_name, indirect=True)
def test_by_minute(corpus: Corpus) -> None:
    keyed, minute = [], "None"
    for line in corpus.waldump(1).lines:
        if match := _TIME.search(line):
            minute = f"{match[1]}Z"
        keyed.append((minute, line))
    theirs = sums(keyed)
    assert ours(wal.open_source(corpus.only(1)), "minute") == theirs
    assert "None" in theirs and len(theirs) > 1


def test_more_transactions_than_the_first_table_holds(tmp_path: Path) -> None:
    written = Wal(18)
    for number in range(5000):
        written.append(Record(10, 0, xid=1 + number * 7919, blocks=(Block(0, (1663, number % 3, 9)),), main=b"abc"))
    written.write(tmp_path)
    source = wal.open_source(tmp_path)
    found = ours(source, "xid")
    assert set(found) == {str(1 + number * 7919) for number in range(5000)}
    assert {figures[0] for figures in found.values()} == {1}
    assert {key: figures[0] for key, figures in ours(source, "database").items()} == {"0": 1667, "1": 1667, "2": 1666}
