"""How WAL ends, and what each end is called.

The streams are synthetic, so that each differs from a healthy one in one thing only. The cases follow
src/test/recovery/t/039_end_of_wal.pl and 043_no_contrecord_switch.pl.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal import LSN, EndKind

from .builder import LAYOUTS, LONG_HEADER, SHORT_HEADER, Wal, noop_of, seal
from .corpus import MB
from .ends import PAGE, assert_end, judge, stream, verify

# ---- clean ends ----


@pytest.mark.parametrize("major", LAYOUTS)
def test_zeros_behind_the_last_record_are_a_clean_end(major: int, tmp_path: Path) -> None:
    built = stream(major)
    assert_end(judge(built, tmp_path), EndKind.CLEAN, built.next_lsn())


@pytest.mark.parametrize("room", [0, 8, 16])
def test_a_clean_end_with_no_room_for_a_header(room: int, tmp_path: Path) -> None:
    built = stream()
    built.fill_to(room)
    end = built.position + (0 if room else SHORT_HEADER)
    assert_end(judge(built, tmp_path), EndKind.CLEAN, end)


def test_a_preallocated_segment_is_a_clean_end(tmp_path: Path) -> None:
    built = stream()
    built.switch()
    built.write(tmp_path)
    (tmp_path / built.segment_name(1, 6)).write_bytes(bytes(MB))
    report = verify(tmp_path)
    assert (report.end, report.records) == (EndKind.CLEAN, 4), report.sentence


def test_a_whole_segment_alone(tmp_path: Path) -> None:
    built = stream()
    built.switch()
    (segment,) = built.write(tmp_path)
    report = verify(segment)
    assert (report.end, report.is_finding, report.records) == (EndKind.SEGMENT_END, False, 4)


# ---- recycled tails ----


def _old(built: Wal, segments: int = 2) -> Wal:
    """The same file as it was used before: older addresses, older records."""
    older = Wal(18, start=(5 - segments) * MB, segment_size=MB)
    older.append(noop_of(MB - 3 * PAGE))
    return older


def _underlay(built: Wal, older: Wal) -> None:
    """What the stream has not written yet is what the file held before."""
    for (_, page), data in older.pages.items():
        built.pages.setdefault((1, page % MB + 5 * MB), data)


@pytest.mark.parametrize("room", [0, 8, 24, 4000])
def test_pages_of_an_earlier_use_are_a_recycled_tail(room: int, tmp_path: Path) -> None:
    built = stream()
    built.fill_to(room)
    _underlay(built, _old(built))
    report = judge(built, tmp_path)
    if room:  # the server zeroes the rest of a page it begins, so zeros come first
        assert_end(report, EndKind.CLEAN, built.position)
    else:
        assert_end(report, EndKind.RECYCLED, built.position + SHORT_HEADER)


def test_old_records_on_the_last_page_are_a_recycled_tail(tmp_path: Path) -> None:
    """A standby does not zero the rest of the page it received last, so whole old records can follow."""
    built = stream()
    end = built.next_lsn()
    older = _old(built)
    for offset in range(0, 3000, 40):
        built.poke(end + offset, seal(noop_of(40).bytes_at(2 * MB + offset)))
    _underlay(built, older)
    assert_end(judge(built, tmp_path), EndKind.RECYCLED, end)


def test_a_recycled_segment_behind_a_switch(tmp_path: Path) -> None:
    built = stream()
    built.switch()
    built.write(tmp_path)
    for segment in _old(built, segments=3).write(tmp_path / "old"):
        segment.rename(tmp_path / built.segment_name(1, 6))
    (tmp_path / "old").rmdir()
    assert_end(verify(tmp_path), EndKind.RECYCLED, 6 * MB + LONG_HEADER)


# ---- torn records ----


@pytest.mark.parametrize("written", [4, 8, 20, 24, 25, 400, 511])
def test_a_record_cut_short_on_its_page(written: int, tmp_path: Path) -> None:
    built = stream()
    lsn = built.tear(noop_of(512), written)
    assert_end(judge(built, tmp_path), EndKind.TORN, lsn)


@pytest.mark.parametrize("room", [8, 16, 24, 2000])
@pytest.mark.parametrize("pages", [0, 1, 2])
def test_a_record_whose_later_pages_were_never_written(room: int, pages: int, tmp_path: Path) -> None:
    built = stream()
    built.fill_to(room)
    lsn = built.tear(noop_of(3 * PAGE), room + pages * (PAGE - SHORT_HEADER))
    assert_end(judge(built, tmp_path), EndKind.TORN, lsn)


def test_a_record_whose_later_pages_are_of_an_earlier_use(tmp_path: Path) -> None:
    built = stream()
    built.fill_to(2000)
    lsn = built.tear(noop_of(3 * PAGE), 2000)
    _underlay(built, _old(built))
    assert_end(judge(built, tmp_path), EndKind.TORN, lsn)


def test_a_wrong_crc_in_the_last_record(tmp_path: Path) -> None:
    built = stream()
    lsn = built.append(noop_of(200))
    built.poke(lsn + 100, b"\xff")
    assert_end(judge(built, tmp_path), EndKind.TORN, lsn)


# ---- segments and timelines ----


def test_a_missing_segment_between_two(tmp_path: Path) -> None:
    built = stream()
    for _ in range(3):
        built.switch()
        built.append()
    files = built.write(tmp_path)
    files[2].unlink()
    first, second = wal.verify(wal.open_source(tmp_path))
    assert (first.end, second.end) == (EndKind.MISSING_SEGMENT, EndKind.CLEAN)
    assert first.is_finding
    assert files[2].name in first.sentence


def test_a_record_that_goes_on_in_a_missing_segment(tmp_path: Path) -> None:
    built = stream()
    lsn = built.append(noop_of(MB))
    built.append()
    files = built.write(tmp_path)
    files[1].unlink()
    report = verify(tmp_path)
    assert_end(report, EndKind.MISSING_SEGMENT, lsn)
    assert files[1].name in report.sentence


def test_a_record_that_goes_on_in_another_segment_than_the_one_named(tmp_path: Path) -> None:
    """One file of an archive is judged by itself: its last record's rest is elsewhere, which is no finding."""
    built = stream()
    lsn = built.append(noop_of(MB))
    files = built.write(tmp_path)
    assert_end(verify(files[0]), EndKind.SEGMENT_END, lsn)


@pytest.mark.parametrize("major", [13, 18, 19])
def test_a_timeline_switch(major: int, tmp_path: Path) -> None:
    """The old timeline's segment ends at the switchpoint; the new one's begins with a copy of it, old ids and all."""
    built = stream(major)
    switchpoint = built.next_lsn()
    built.branch(2)
    built.append()
    built.append(noop_of(2 * PAGE))
    built.write(tmp_path)
    (tmp_path / "00000002.history").write_text(f"1\t{LSN(switchpoint)}\tno recovery target specified\n")
    old, new = wal.verify(wal.open_source(tmp_path))
    assert (old.end, old.end_lsn) == (EndKind.SWITCHED, switchpoint)
    assert (new.end, new.end_lsn, new.damages) == (EndKind.CLEAN, built.next_lsn(), ())
    assert new.records == len(built.records)


# ---- files ----


@pytest.mark.parametrize("kept", [PAGE * 3, PAGE * 3 + 100])
def test_a_cut_file(kept: int, tmp_path: Path) -> None:
    built = stream()
    while built.position < 5 * MB + 6 * PAGE:
        built.append(noop_of(1000))
    (segment,) = built.write(tmp_path)
    segment.write_bytes(segment.read_bytes()[:kept])
    report = verify(tmp_path)
    assert (report.end, report.is_finding) == (EndKind.CUT_FILE, True)
    assert segment.name in report.sentence
    assert report.records == sum(lsn + 1000 <= 5 * MB + 3 * PAGE for lsn in built.records[3:]) + 3
