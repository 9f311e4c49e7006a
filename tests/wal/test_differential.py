"""``wal dump`` against pg_waldump, line by line, on WAL of seven majors written by real servers.

Majors 15 to 18 run here; 13, 14 and 19 are segments kept in tests/data/wal with pg_waldump's own output
(none for 14, where the CRC of every record and the chain of xl_prev stand in for it).
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pgreplterm import wal

from .corpus import Corpus
from .plain_reader import plain_records
from .truth import assert_same_lines

zstandard = pytest.importorskip("zstandard", reason="needs the extra 'archive'")

HOLE, APPLY, PGLZ, LZ4, ZSTD = 0x01, 0x02, 0x04, 0x08, 0x10

DATA = Path(__file__).parent.parent / "data" / "wal"

# Segment, and how many records lie wholly in it.
KEPT = {
    13: ("000000010000000000000020", 84_799),
    14: ("000000010000000000000020", 18_926),
    19: ("000000010000000000000022", 104_488),
}

# What the corpus of every major must hold, or agreement on it would prove little.
WORKLOAD = {
    "BRIN": {"CREATE_INDEX", "INSERT", "REVMAP_EXTEND", "SAMEPAGE_UPDATE", "DESUMMARIZE"},
    "Btree": {"INSERT_LEAF", "INSERT_POST", "SPLIT_R", "DEDUP", "VACUUM", "NEWROOT"},
    "Hash": {"INSERT", "SPLIT_PAGE", "ADD_OVFL_PAGE", "DELETE", "SQUEEZE_PAGE"},
    "Gin": {"INSERT", "INSERT_LISTPAGE", "DELETE_LISTPAGE", "CREATE_PTREE", "SPLIT"},
    "Gist": {"PAGE_UPDATE", "PAGE_SPLIT", "PAGE_DELETE"},
    "SPGist": {"ADD_LEAF", "PICKSPLIT", "ADD_NODE", "VACUUM_LEAF", "VACUUM_REDIRECT"},
    "Transaction": {
        *("COMMIT", "ABORT", "ASSIGNMENT", "PREPARE", "COMMIT_PREPARED", "ABORT_PREPARED"),
    },
    "Heap": {"INSERT", "INSERT+INIT", "UPDATE", "HOT_UPDATE", "DELETE", "LOCK", "INPLACE"},
    "XLOG": {
        *("CHECKPOINT_ONLINE", "CHECKPOINT_SHUTDOWN", "SWITCH", "FPI", "RESTORE_POINT", "BACKUP_END"),
        *("PARAMETER_CHANGE", "FPW_CHANGE", "NEXTOID"),
    },
    "Database": {"CREATE_FILE_COPY", "CREATE_WAL_LOG", "DROP"},
    "MultiXact": {"CREATE_ID"},
    "LogicalMessage": {"MESSAGE"},
    "ReplicationOrigin": {"SET", "DROP"},
    "Generic": {"Generic"},
    "RelMap": {"UPDATE"},
    "Sequence": {"LOG"},
    "Tablespace": {"CREATE", "DROP"},
}


def _lines(path: Path) -> list[str]:
    """What ``wal dump`` prints for that path, run by run."""
    source = wal.open_source(path)
    return [
        line for run in source.runs for line in wal.dump_lines(wal.scan_run(source, run).index, source.format.major)
    ]


@pytest.mark.parametrize("timeline", [1, 2])
def test_dump_equals_pg_waldump(corpus: Corpus, timeline: int) -> None:
    folder = corpus.only(timeline)
    truth = corpus.waldump(timeline)
    assert_same_lines(_lines(folder), truth.lines)


@pytest.mark.parametrize("timeline", [1, 2])
def test_the_stream_ends_where_pg_waldump_says(corpus: Corpus, timeline: int) -> None:
    source = wal.open_source(corpus.only(timeline))
    (report,) = wal.verify(source)
    truth = corpus.waldump(timeline)
    assert truth.end_lsn is not None, truth.complaint
    assert (report.records, report.end_lsn) == (len(truth.lines), truth.end_lsn)
    assert not report.is_finding, report.sentence


def test_the_workload_left_what_it_promises(corpus: Corpus) -> None:
    seen = {_kind(line) for line in corpus.waldump(1).lines}
    assert {(rmgr, name) for rmgr, names in WORKLOAD.items() for name in names} - seen == set()
    assert ("XLOG", "END_OF_RECOVERY") in {_kind(line) for line in corpus.waldump(2).lines}


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


def _kind(line: str) -> tuple[str, str]:
    """Resource manager and record name of pg_waldump's line."""
    return line[6:].split(maxsplit=1)[0], line.split(", desc: ", 1)[1].split(maxsplit=1)[0]


@pytest.mark.parametrize("major", [13, 19])
def test_kept_segments_equal_pg_waldump(major: int) -> None:
    name, count = KEPT[major]
    with (DATA / str(major) / f"{name}.txt.zst").open("rb") as packed:
        text = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(packed), errors="surrogateescape")
        assert assert_same_lines(_lines(DATA / str(major) / f"{name}.zst"), text.read().splitlines()) == count


def test_the_kept_segment_of_14_equals_a_plain_reading() -> None:
    """Every header field of every record, the CRC checked byte by byte in Python."""
    name, count = KEPT[14]
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
