"""``pgreplterm wal dump`` and ``stat`` against pg_waldump, byte for byte, on WAL of seven majors' own servers.

Majors 15 to 18 run here; 13, 14 and 19 are segments kept in tests/data/wal with what the pg_waldump of 13 and of 19
printed of them (none for 14, where a plain reading of every byte stands in for it). All seven run in tests/matrix.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal.rmgr import record_name, rmgr_name

from .corpus import Corpus
from .plain_reader import plain_records
from .servers import require_bin
from .truth import assert_same_output, kinds_printed, run_ours, run_waldump

zstandard = pytest.importorskip("zstandard", reason="needs the extra 'archive'")

HOLE, APPLY, PGLZ, LZ4, ZSTD = 0x01, 0x02, 0x04, 0x08, 0x10

DATA = Path(__file__).parent.parent / "data" / "wal"

# Segment, how many records lie wholly in it, and the SHA-256 of what ``pg_waldump -b`` printed of it.
KEPT = {
    13: ("000000010000000000000020", 84_799, "516ab48ecbc89370f650c04a2b062a218b39aa7c35b4a7c717abbbb692fd6691"),
    14: ("000000010000000000000020", 18_926, ""),
    19: ("000000010000000000000022", 104_488, "63dab533b31b4b540cbda7dafefc5fc900f5130e27cc7a8a1cefba396b25ef42"),
}

# What a corpus need not hold: no server writes it, or only one in a state that tests/matrix brings about.
NOT_HERE = {
    *(("XLOG", "NOOP"), ("Heap", "HOT_UPDATE+INIT")),
    *(("CLOG", "TRUNCATE"), ("Gist", "ASSIGN_LSN"), ("XLOG", "OVERWRITE_CONTRECORD")),
}
# What the two kinds of server differ in: wal_level=logical and checksums.
ONLY_SMALL = {
    *(("Heap2", "NEW_CID"), ("Heap2", "REWRITE"), ("Heap", "TRUNCATE"), ("Transaction", "INVALIDATION")),
    ("XLOG", "FPI_FOR_HINT"),
}


def waldump(corpus: Corpus, timeline: int, *options: str) -> bytes:
    """What pg_waldump prints of everything it can read of that timeline."""
    segments = corpus.segments(timeline)
    return run_waldump(require_bin(corpus.major), *options, "-p", corpus.folder, segments[0].name, segments[-1].name)


@pytest.mark.parametrize("options", [(), ("--bkp-details",)], ids=["lines", "details"])
@pytest.mark.parametrize("timeline", [1, 2])
def test_dump(corpus: Corpus, timeline: int, options: tuple[str, ...]) -> None:
    ours = run_ours("dump", *options, corpus.only(timeline))
    assert_same_output(ours, waldump(corpus, timeline, *options), require_bin(corpus.major))


@pytest.mark.parametrize(("by", "option"), [("rmgr", "--stats"), ("record", "--stats=record")])
@pytest.mark.parametrize("timeline", [1, 2])
def test_stat(corpus: Corpus, timeline: int, by: str, option: str) -> None:
    """The same table, below the same range of LSNs."""
    theirs = waldump(corpus, timeline, option)
    ours = run_ours("stat", "--by", by, corpus.only(timeline))
    assert_same_output(ours, theirs, require_bin(corpus.major))


@pytest.mark.parametrize("timeline", [1, 2])
def test_the_stream_ends_where_pg_waldump_says(corpus: Corpus, timeline: int) -> None:
    source = wal.open_source(corpus.only(timeline))
    (report,) = wal.verify(source)
    truth = corpus.waldump(timeline)
    assert truth.end_lsn is not None, truth.complaint
    assert (report.records, report.end_lsn) == (len(truth.lines), truth.end_lsn)
    assert not report.is_finding, report.sentence


def test_the_workload_left_every_kind_of_record(corpus: Corpus) -> None:
    """Every kind this major can write; agreement on less would prove less."""
    seen = {kind for timeline in (1, 2) for kind in kinds_printed(waldump(corpus, timeline))}
    large = corpus.segment_size > 1 << 20
    assert _kinds_known(corpus.major) - seen - NOT_HERE - (ONLY_SMALL if large else set()) == set()


def _kinds_known(major: int) -> set[tuple[str, str]]:
    """Every kind of record our tables name for a major before 19."""
    kinds = {(rmgr_name(rmgr), record_name(major, rmgr, info)) for rmgr in range(22) for info in range(0, 256, 16)}
    return {(rmgr, name) for rmgr, name in kinds if not name.startswith("UNKNOWN")}


def test_the_images_are_of_every_kind(corpus: Corpus) -> None:
    """With and without a hole, compressed and not, to be restored and not."""
    source = wal.open_source(corpus.only(1))
    (run,) = source.runs
    index = wal.scan_run(source, run).index
    infos = {block.image_info for row in index if row.image_count for block in index.blocks(row) if block.image_length}
    for bits in (APPLY, APPLY | HOLE, HOLE, APPLY | HOLE | PGLZ, HOLE | PGLZ):
        assert bits in infos, f"{bits:#x} is none of {sorted(infos)}"
    if corpus.major in (15, 17):  # builds with lz4 and zstd
        assert {info & (LZ4 | ZSTD) for info in infos} == {0, LZ4, ZSTD}


@pytest.mark.parametrize("major", [13, 19])
def test_kept_segments(major: int) -> None:
    """Lines and the table of record types as kept; -b, which says the same at greater length, by its digest."""
    name, count, digest = KEPT[major]
    segment = DATA / str(major) / f"{name}.zst"
    with segment.with_suffix(".txt.zst").open("rb") as packed:
        theirs = zstandard.ZstdDecompressor().stream_reader(packed).read()
    ours = run_ours("dump", segment)
    assert_same_output(ours, theirs)
    assert ours.count(b"\n") == count
    assert hashlib.sha256(run_ours("dump", "-b", segment)).hexdigest() == digest
    table = segment.with_suffix(".stats").read_bytes()
    assert_same_output(run_ours("stat", "--by", "record", segment), table)


def test_the_kept_segment_of_14_equals_a_plain_reading() -> None:
    """Every header field of every record, the CRC checked byte by byte in Python."""
    name, count, _ = KEPT[14]
    path = DATA / "14" / f"{name}.zst"
    with path.open("rb") as packed:
        segment = zstandard.ZstdDecompressor().stream_reader(packed).read()
    (run,) = (source := wal.open_source(path)).runs
    ours = [
        (row.lsn, row.prev, row.total_length, row.xid, row.rmgr, row.info) for row in wal.scan_run(source, run).index
    ]
    assert source.format.major == 14
    assert len(ours) == count
    assert ours == list(plain_records(segment))


def test_the_whole_folder_is_two_runs_joined_by_its_history(corpus: Corpus) -> None:
    """As a server leaves it: both timelines, the history file, and whatever was preallocated or recycled."""
    first, second, *rest = wal.verify(wal.open_source(corpus.folder))
    assert rest == []
    assert (first.run.timeline, first.end) == (1, wal.EndKind.SWITCHED)
    assert (first.records, second.records) == (len(corpus.waldump(1).lines), len(corpus.waldump(2).lines))
    assert first.end_lsn == corpus.waldump(1).end_lsn
    assert second.end_lsn == corpus.waldump(2).end_lsn
    assert second.end in (wal.EndKind.CLEAN, wal.EndKind.RECYCLED)
    assert not first.is_finding and not second.is_finding
