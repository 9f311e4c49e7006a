"""``wal dump`` and ``wal stat`` against the pg_waldump of every major, on WAL each major's own server wrote.

``make matrix``. A table of the kinds of record seen is printed at the end; a kind that the WAL of a major should hold
and does not fails a test.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from pgreplterm import wal
from tests.wal.truth import assert_same_output, kinds_printed, run_ours

from .corpus import MatrixCorpus
from .coverage import NEVER_WRITTEN, Kind, kinds_known, table
from .plain_timeline import plain_timeline

TIMELINES = (1, 2)

Seen = dict[int, dict[int, Counter[Kind]]]


@pytest.fixture(scope="session")
def seen() -> Iterator[Seen]:
    """Kinds of record by major and segment size, collected from the corpora and printed when all is done."""
    counts: Seen = {}
    yield counts
    majors = {major: sum(sizes.values(), Counter[Kind]()) for major, sizes in counts.items()}
    print("", *table(majors), sep="\n", file=sys.__stdout__)


@pytest.mark.parametrize("options", [(), ("--bkp-details",)], ids=["lines", "details"])
@pytest.mark.parametrize("timeline", TIMELINES)
def test_dump(written_wal: MatrixCorpus, timeline: int, options: tuple[str, ...]) -> None:
    theirs = _judge(written_wal).waldump(timeline, *options)
    assert_same_output(run_ours("dump", *options, written_wal.wal.only(timeline)), theirs, written_wal.programs)


@pytest.mark.parametrize(("by", "option"), [("rmgr", "--stats"), ("record", "--stats=record")])
@pytest.mark.parametrize("timeline", TIMELINES)
def test_stat(written_wal: MatrixCorpus, timeline: int, by: str, option: str) -> None:
    """The same table, below the same range of LSNs."""
    theirs = _judge(written_wal).waldump(timeline, option)
    ours = run_ours("stat", "--by", by, written_wal.wal.only(timeline))
    assert_same_output(ours, theirs, written_wal.programs)


@pytest.mark.parametrize("timeline", TIMELINES)
def test_verify(written_wal: MatrixCorpus, timeline: int) -> None:
    (report,) = wal.verify(wal.open_source(written_wal.wal.only(timeline)))
    assert not report.is_finding, report.sentence
    assert report.records == run_ours("dump", written_wal.wal.only(timeline)).count(b"rmgr: ")


@pytest.mark.parametrize("timeline", TIMELINES)
def test_headers(written_wal: MatrixCorpus, timeline: int) -> None:
    """Where there is no pg_waldump to ask, every record is what a plain reading of the bytes finds."""
    if written_wal.installation.has("pg_waldump"):
        pytest.skip("this major's pg_waldump is the judge")
    source = wal.open_source(written_wal.wal.only(timeline))
    (run,) = source.runs
    ours = [
        (row.lsn, row.prev, row.total_length, row.xid, row.rmgr, row.info) for row in wal.scan_run(source, run).index
    ]
    assert ours == list(plain_timeline(written_wal.wal.segments(timeline)))


def test_kinds(written_wal: MatrixCorpus, seen: Seen) -> None:
    """In the WAL of a major's two servers is every kind of record that it can write."""
    major = written_wal.wal.major
    of_major = seen.setdefault(major, {})
    printed = [kinds_printed(_printed(written_wal, timeline)) for timeline in TIMELINES]
    of_major[written_wal.wal.segment_size] = sum(printed, Counter())
    if len(of_major) < 2:
        return
    unseen = set(NEVER_WRITTEN)
    if not written_wal.installation.has("pg_resetwal"):  # or a million transactions
        unseen.add(("CLOG", "TRUNCATE"))
    assert kinds_known(major) - set().union(*of_major.values()) - unseen == set()


def _printed(corpus: MatrixCorpus, timeline: int) -> bytes:
    if corpus.installation.has("pg_waldump"):
        return corpus.waldump(timeline)
    return run_ours("dump", corpus.wal.only(timeline))


def _judge(corpus: MatrixCorpus) -> MatrixCorpus:
    if not corpus.installation.has("pg_waldump"):
        pytest.skip(f"PostgreSQL {corpus.wal.major} is here without its pg_waldump: see test_headers")
    return corpus
