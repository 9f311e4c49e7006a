"""The cases that have broken readers of WAL before, each built and its end named.

Synthetic ones differ from a healthy stream in one thing only and are made for every major; a promotion at a page end
and segments of 1 GB are also made by real servers. Overwritten continuations are in test_damage.py and, on real
servers, test_overwrite.py; what lies at the end of WAL is in test_end_of_wal.py.
"""

from __future__ import annotations

import shutil
import signal
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal import LSN, EndKind, RunReport

from .builder import LAYOUTS, LONG_HEADER, SHORT_HEADER, XLOG_OVERWRITE_CONTRECORD, Block, Image, Record, Wal, noop_of
from .corpus import MB
from .ends import PAGE, assert_end, judge, stream, verify
from .servers import MAJORS, throwaway_server
from .test_end_of_wal import Writer

every_major = pytest.mark.parametrize("major", LAYOUTS)


def to_the_last_page(built: Wal) -> None:
    """Write on until the next record begins on the last page of its segment."""
    left = -built.next_lsn() % MB
    built.append(noop_of(left - left // PAGE * SHORT_HEADER - PAGE // 2 & ~7))
    assert -built.next_lsn() % MB < PAGE


# ---- switches ----


@every_major
@pytest.mark.parametrize("room", [24, 8, 16])
def test_a_switch_at_the_end_of_a_page(major: int, room: int, tmp_path: Path) -> None:
    """With 24 bytes left it ends with its page; with fewer its header is split, and the rest is on the next page."""
    built = stream(major)
    built.fill_to(room)
    built.switch()
    following = built.append()
    assert following == 6 * MB + LONG_HEADER
    report = judge(built, tmp_path)
    assert_end(report, EndKind.CLEAN, built.next_lsn())
    assert report.records == len(built.records)


@every_major
def test_a_switch_that_ends_with_its_segment(major: int, tmp_path: Path) -> None:
    """Nothing is left to skip: the next record begins the next segment, not the one behind it."""
    built = stream(major)
    to_the_last_page(built)
    built.fill_to(24)
    switch = built.switch()
    assert switch + 24 == built.position == 6 * MB
    built.write(tmp_path / "alone")
    assert_end_of_segment(verify(tmp_path / "alone"), switch)
    built.append()
    assert_end(judge(built, tmp_path / "both"), EndKind.CLEAN, built.next_lsn())


@every_major
def test_a_switch_split_over_a_segment_end(major: int, tmp_path: Path) -> None:
    """Its last bytes take it into the next segment, all of which is then skipped."""
    built = stream(major)
    to_the_last_page(built)
    built.fill_to(16)
    switch = built.switch()
    assert (switch, built.position) == (6 * MB - 16, 7 * MB)
    built.append()
    report = judge(built, tmp_path)
    assert_end(report, EndKind.CLEAN, built.next_lsn())
    assert report.records == len(built.records)


def assert_end_of_segment(report: RunReport, last: int) -> None:
    assert (report.end, report.last, report.damages) == (EndKind.SEGMENT_END, last, ()), report.sentence
    assert not report.is_finding


# ---- long records ----


@every_major
def test_a_record_over_several_segments(major: int, tmp_path: Path) -> None:
    built = stream(major)
    long = built.append(noop_of(2 * MB + 40_000))
    built.append()
    files = built.write(tmp_path)
    assert len(files) == 3
    assert_end(verify(tmp_path), EndKind.CLEAN, built.next_lsn())
    files[2].unlink()
    assert_end(verify(tmp_path), EndKind.MISSING_SEGMENT, long)
    files[2].write_bytes(bytes(MB))
    assert_end(verify(tmp_path), EndKind.TORN, long)


@every_major
def test_a_record_with_thirty_three_block_references(major: int, tmp_path: Path) -> None:
    """As many as there can be, each of another relation, so that every header has its full length, some with images."""
    built = stream(major)
    bits = built.layout
    packed = Image(b"\7" * 90, bits.hole | bits.pglz | bits.apply, 24, hole_length=4000)
    blocks = [
        Block(1000 + n, (1663, 5, 20_000 + n), fork=n % 4, data=b"d" * n, image=packed if n % 3 == 0 else None)
        for n in range(33)
    ]
    toplevel = 700 if major > 13 else None
    lsn = built.append(Record(10, 0, xid=701, blocks=blocks, origin=5, toplevel_xid=toplevel, main=b"m" * 300))
    built.append()
    report = judge(built, tmp_path)
    assert_end(report, EndKind.CLEAN, built.next_lsn())
    assert report.images == 11
    (run,) = wal.open_source(tmp_path).runs
    index = wal.scan_run(wal.open_source(tmp_path), run).index
    (row,) = (row for row in index if row.lsn == lsn)
    assert [block.relation for block in index.blocks(row)] == [20_000 + n for n in range(33)]


# ---- a promotion at a page end ----


@every_major
@pytest.mark.parametrize("at_segment_end", [False, True], ids=["page end", "segment end"])
def test_a_promotion_at_a_page_end(major: int, at_segment_end: bool, tmp_path: Path) -> None:
    """The last record of timeline 1 lacks its rest; timeline 2 begins on the page where that should have been."""
    built = stream(major)
    if at_segment_end:
        to_the_last_page(built)
    built.fill_to(16)
    aborted = built.tear(noop_of(3 * PAGE), 16)
    switchpoint = built.position
    assert switchpoint % PAGE == 0 and (switchpoint % MB == 0) is at_segment_end
    built.branch(2)
    built.overwriting = True
    built.append(Record(info=XLOG_OVERWRITE_CONTRECORD, main=struct.pack("<QQ", aborted, 0)))
    built.append()
    built.write(tmp_path)
    (tmp_path / "00000002.history").write_text(f"1\t{LSN(switchpoint)}\tno recovery target specified\n")
    old, new = wal.verify(wal.open_source(tmp_path))
    assert_switched(old, aborted, switchpoint)
    assert (new.end, new.end_lsn, new.damages) == (EndKind.CLEAN, built.next_lsn(), ()), new.sentence


def assert_switched(report: RunReport, aborted: int, switchpoint: int) -> None:
    assert (report.end, report.end_lsn, report.damages) == (EndKind.SWITCHED, aborted, ()), report.sentence
    assert f"left at {LSN(switchpoint)}, where timeline 2 begins, and the record at {LSN(aborted)} given up" in (
        report.sentence
    )
    assert not report.is_finding


@every_major
def test_a_torn_record_is_not_excused_by_a_later_promotion(major: int, tmp_path: Path) -> None:
    """The switchpoint is that page end, but timeline 2 does not say that it gave the record up: it should go on."""
    built = stream(major)
    built.fill_to(16)
    torn = built.tear(noop_of(3 * PAGE), 16)
    switchpoint = built.position
    built.branch(2)
    built.append()
    built.write(tmp_path)
    (tmp_path / "00000002.history").write_text(f"1\t{LSN(switchpoint)}\tno recovery target specified\n")
    old, _ = wal.verify(wal.open_source(tmp_path))
    assert_end(old, EndKind.TORN, torn)


def at_a_segment_start(writer: Writer) -> int:
    return writer.position()


def at_a_page_end(writer: Writer) -> int:
    return writer.reach_the_page_end()


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("place", [at_a_segment_start, at_a_page_end])
def test_a_real_promotion_at_a_page_end(major: int, place: Callable[[Writer], int], scratch: Path) -> None:
    """As 043_no_contrecord_switch.pl: what a standby has ends inside a record, the next page is zero, it is promoted.

    Servers of today go back to that record's beginning and leave the timeline there.
    """
    with throwaway_server(major, scratch / "server", "--wal-segsize=1") as server:
        with server.connect() as session:
            session.execute("create table t as select 42")
            session.execute("select pg_switch_wal()")
            aborted = place(Writer(session))
            session.execute("select pg_logical_emit_message(true, '', repeat('x', 300000))")
        server.stop(signal.SIGQUIT)
        lost = aborted - aborted % PAGE + PAGE
        (broken,) = server.wal.glob(f"00000001????????{lost // MB:08X}")
        broken.write_bytes(broken.read_bytes()[: lost % MB].ljust(MB, b"\0"))
        server.promote()
        with server.connect() as session:
            session.execute("create table on_two as select 1")
        server.stop()
        switchpoint = LSN.parse((server.wal / "00000002.history").read_text().split()[1])
        old, new = wal.verify(wal.open_source(server.wal))
    assert (old.end, old.damages, old.is_finding) == (EndKind.SWITCHED, (), False), old.sentence
    assert f"left at {switchpoint}, where timeline 2 begins" in old.sentence
    assert switchpoint == aborted - (LONG_HEADER if place is at_a_segment_start else 0)
    assert (new.run.timeline, new.damages, new.is_finding) == (2, (), False), new.sentence
    assert new.last is not None and new.last > lost


# ---- sizes of segments ----


@every_major
@pytest.mark.parametrize("segment_mb", [1, 1024])
def test_the_smallest_and_the_largest_segments(major: int, segment_mb: int, scratch: Path) -> None:
    folder = scratch / "sizes"
    built = Wal(major, start=4 * segment_mb * MB, segment_size=segment_mb * MB)
    built.append()
    built.switch()
    lsn = built.append(noop_of(5 * PAGE))
    try:
        assert_end(judge(built, folder), EndKind.CLEAN, built.next_lsn())
        built.poke(lsn + 400, b"\xee")
        assert_end(judge(built, folder), EndKind.TORN, lsn)
    finally:
        shutil.rmtree(folder)


def test_a_server_with_segments_of_one_gigabyte(scratch: Path) -> None:
    """One of its two files is zero or recycled to the end; both are read, and the end is found where the server is."""
    if shutil.disk_usage(scratch).free < 6 << 30:
        pytest.skip("expected 6 GB for segments of 1 GB each")
    major = MAJORS[-1]
    settings = {"min_wal_size": "2GB", "max_wal_size": "4GB", "wal_init_zero": "off"}
    with throwaway_server(major, scratch / "server", "--wal-segsize=1024", **settings) as server:
        with server.connect() as session:
            session.execute("create table t as select generate_series(1, 1000) n")
            session.execute("select pg_switch_wal()")
            session.execute("insert into t select generate_series(1, 1000)")
        server.stop()
        reports = list(wal.verify(wal.open_source(server.data)))
        assert [(report.end, report.damages) for report in reports] == [(EndKind.CLEAN, ())]
        assert reports[0].run.segments[0].size == 1 << 30
        assert reports[0].end_lsn > reports[0].run.segments[0].start + (1 << 30)
