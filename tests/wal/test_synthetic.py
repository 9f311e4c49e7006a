"""All seven majors, every page size, every segment size: the reader finds what the builder wrote, where it wrote it."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal import RecordIndex

from .builder import LAYOUTS, Block, Image, Record, Wal, noop_of
from .corpus import MB
from .test_builder import varied


def _index(path: Path) -> RecordIndex:
    source = wal.open_source(path)
    (run,) = source.runs
    return wal.scan_run(source, run).index


def _assert_reads_back(built: Wal, folder: Path) -> None:
    built.write(folder)
    rows = list(_index(folder))
    assert [row.lsn for row in rows] == built.records
    assert [(row.prev, row.lsn) for row in rows[1:]] == list(pairwise(built.records))
    (report,) = wal.verify(wal.open_source(folder))
    assert (report.records, report.end, report.end_lsn) == (len(rows), wal.EndKind.CLEAN, built.next_lsn())


@pytest.mark.parametrize(
    ("major", "page_size"),
    [*((major, size) for major in LAYOUTS for size in (1024, 8192, 65536)), *((18, 1 << n) for n in (11, 12, 14, 15))],
)
def test_every_major_and_page_size(major: int, page_size: int, tmp_path: Path) -> None:
    _assert_reads_back(varied(major, MB, page_size), tmp_path)


@pytest.mark.parametrize("segment_mb", [1, 2, 16, 64, 256, 1024])
def test_every_segment_size(segment_mb: int, scratch: Path) -> None:
    """The numbers of segments of 4 GB of WAL, and the names they give, differ with the size."""
    built = Wal(19, start=(1 << 32) - segment_mb * MB, segment_size=segment_mb * MB)
    built.append()
    built.switch()
    built.append()
    folder = scratch / "sizes"
    try:
        names = [path.name for path in built.write(folder)]
        assert names == [f"0000000100000000{4096 // segment_mb - 1:08X}", "000000010000000100000000"]
        assert [row.lsn for row in _index(folder)] == built.records
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("major", LAYOUTS)
def test_fragments_of_a_record(major: int, tmp_path: Path) -> None:
    """Image bits moved in 15, the top-level xid came in 14; whatever the major, the rows mean the same."""
    built = Wal(major)
    bits = built.layout
    blocks = [
        Block(1, image=Image(b"\1" * 5000, bits.hole | bits.apply, hole_offset=40), data=b"abc"),
        Block(2, relation=None, fork=1, image=Image(b"\2" * 77, bits.hole | bits.pglz, 24, hole_length=512)),
        Block(3, relation=(1664, 0, 1260), fork=3, image=Image(b"\3" * 8192, bits.apply), flags=0x40),
        Block(0xFFFFFFFE, relation=None, fork=2),
    ]
    toplevel = 4_000_000_000 if major > 13 else None
    record = Record(10, 0x30, xid=0xFFFFFFFF, blocks=blocks, origin=65535, toplevel_xid=toplevel, main=b"m" * 256)
    built.append(record)
    built.write(tmp_path)
    index = _index(tmp_path)
    (row,) = index
    assert (row.rmgr, row.info, row.xid, row.origin, row.toplevel_xid) == (10, 0x30, 0xFFFFFFFF, 65535, toplevel or 0)
    assert (row.total_length, row.main_length) == (24 + len(record.body()), 256)
    assert (row.block_count, row.image_count, row.image_length) == (4, 3, 5000 + 77 + 8192)
    seen = [
        ((b.tablespace, b.database, b.relation), b.fork, b.block, b.data_length, b.hole_offset, b.hole_length)
        for b in index.blocks(row)
    ]
    assert seen == [
        ((1663, 5, 16384), 0, 1, 3, 40, 3192),
        ((1663, 5, 16384), 1, 2, 0, 24, 512),
        ((1664, 0, 1260), 3, 3, 0, 0, 0),
        ((1664, 0, 1260), 2, 0xFFFFFFFE, 0, 0, 0),
    ]
    lines = list(wal.dump_lines(index, major))
    assert lines[0].endswith(
        "desc: TRUNCATE, blkref #0: rel 1663/5/16384 blk 1 FPW, "
        "blkref #1: rel 1663/5/16384 fork fsm blk 2 FPW for WAL verification, "
        "blkref #2: rel 1664/0/1260 fork init blk 3 FPW, blkref #3: rel 1664/0/1260 fork vm blk 4294967294"
    )


@pytest.mark.parametrize("room", range(0, 72, 8))
@pytest.mark.parametrize("length", [24, 40, 4000])
def test_a_record_at_every_place_before_a_page_end(room: int, length: int, tmp_path: Path) -> None:
    """Headers split after 8 and after 16 bytes, records that end with their page, and those that begin one."""
    built = Wal(17, page_size=1024, segment_size=MB)
    built.fill_to(room)
    built.append(noop_of(length))
    built.append()
    _assert_reads_back(built, tmp_path)
