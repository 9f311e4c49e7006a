"""What is unreadable between which LSNs: every damage is listed, from the first LSN refused to the next record read."""

from __future__ import annotations

import gzip
from bisect import bisect_left
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal import EndKind, RunReport
from pgreplterm.wal.report import Unreadable, unreadable

from .builder import Wal, noop_of
from .corpus import MB
from .ends import PAGE, stream

Stretch = tuple[int, int | None, int | None]


def long_stream(segments: int = 4) -> Wal:
    """Records of 400 to 3000 bytes over several segments."""
    built = stream()
    while built.position < (5 + segments) * MB - 100_000:
        built.append(noop_of(400 + 8 * (len(built.records) * 37 % 325)))
    return built


def listed(folder: Path) -> tuple[list[RunReport], list[Stretch]]:
    source = wal.open_source(folder)
    reports = list(wal.verify(source))
    return reports, [plain(each) for each in unreadable(reports, source.page_size)]


def plain(each: Unreadable) -> Stretch:
    assert each.size is None if each.end is None else each.size == each.end - each.start
    assert each.timeline == 1 and each.cause
    return int(each.start), each.end, each.pages


def holding(built: Wal, lsn: int) -> int:
    """The number of the record that holds the byte at lsn."""
    return bisect_left(built.records, lsn + 1) - 1


def expected(built: Wal, first: int, last: int) -> Stretch:
    """The list's line when the records of these numbers are lost."""
    start, end = built.records[first], built.records[last + 1]
    return start, end, (end - 1) // PAGE - start // PAGE + 1


def test_several_in_one_segment_are_listed_each(tmp_path: Path) -> None:
    built = long_stream(1)
    hit = [holding(built, 5 * MB + offset) for offset in (60_000, 66_000, 200_000, 600_000)]
    for number in hit:
        built.poke(built.records[number] + 48, b"\xee")
    (report,), found = listed_of(built, tmp_path)
    assert found == [expected(built, number, number) for number in hit]
    assert report.records == len(built.records) - len(hit)
    for damage, line in zip(report.damages, found, strict=True):
        assert (damage.at.record, damage.resumed, damage.pages, damage.size) == (*line, damage.resumed - line[0])
        assert f"on {damage.pages} page" in damage.sentence


def listed_of(built: Wal, folder: Path) -> tuple[list[RunReport], list[Stretch]]:
    built.write(folder)
    return listed(folder)


def test_neighbours_that_are_both_broken_are_each_told(tmp_path: Path) -> None:
    """Two records in a row: nothing was read between them, so they are one stretch."""
    built = long_stream(1)
    number = holding(built, 5 * MB + 300_000)
    for lsn in built.records[number : number + 2]:
        built.poke(lsn + 48, b"\xee")
    _, found = listed_of(built, tmp_path)
    assert found == [expected(built, number, number + 1)]


@pytest.mark.parametrize("pages", [1, 2, 5])
def test_zeroed_pages_next_to_each_other(pages: int, tmp_path: Path) -> None:
    built = long_stream(1)
    first = 5 * MB + 20 * PAGE
    for page in range(first, first + pages * PAGE, PAGE):
        built.poke(page, bytes(PAGE))
    _, found = listed_of(built, tmp_path)
    last = holding(built, first + pages * PAGE)
    assert found == [expected(built, holding(built, first), last - (built.records[last] >= first + pages * PAGE))]
    assert found[0][2] is not None and found[0][2] >= pages


def test_every_other_page(tmp_path: Path) -> None:
    """Damage in neighbouring pages with something readable between: a line for each."""
    built = long_stream(1)
    broken = [5 * MB + page * PAGE for page in range(20, 30, 2)]
    for page in broken:
        built.poke(page, bytes(PAGE))
    (report,), found = listed_of(built, tmp_path)
    assert len(found) == len(report.damages) == len(broken)
    for line, page in zip(found, broken, strict=True):
        assert line[0] == built.records[holding(built, page)]
        assert line[1] is not None and page + PAGE <= line[1] < page + 2 * PAGE
    lost = len(built.records) - report.records
    assert lost == sum(bisect_left(built.records, line[1] or 0) - bisect_left(built.records, line[0]) for line in found)


@pytest.mark.parametrize("pages", [1, 20])
def test_over_a_segment_end(pages: int, tmp_path: Path) -> None:
    """The second segment's last page was never written, and its first ones are lost: only a look inside tells."""
    built = long_stream(2)
    for page in range(6 * MB - PAGE, 6 * MB + pages * PAGE, PAGE):
        built.poke(page, bytes(PAGE))
    (report,), found = listed_of(built, tmp_path)
    (line,) = found
    assert line[0] == built.records[holding(built, 6 * MB - PAGE)] < 6 * MB - PAGE
    assert line[1] is not None and line[1] > 6 * MB + pages * PAGE
    assert report.end is EndKind.CLEAN


@pytest.mark.parametrize("how", ["zeroed", "missing", "empty", "cut in two"])
def test_whole_segments(how: str, tmp_path: Path) -> None:
    """Two segments in a row: one line for both, whether they are there and say nothing, or are not there."""
    built = long_stream(5)
    files = built.write(tmp_path)
    for path in files[1:3]:
        match how:
            case "zeroed":
                path.write_bytes(bytes(MB))
            case "missing":
                path.unlink()
            case "empty":
                path.write_bytes(b"")
            case "cut in two":
                path.write_bytes(path.read_bytes()[: MB // 2])
    reports, found = listed(tmp_path)
    assert any(report.is_finding for report in reports)
    assert {report.run.timeline for report in reports} == {1}
    if how == "cut in two":
        assert [(line[0] // MB, (line[1] or 0) // MB) for line in found] == [(6, 7), (7, 8)]
        return
    (line,) = found
    first, last = holding(built, 6 * MB - 1), holding(built, 8 * MB)
    assert line[0] == built.records[first + (built.records[first + 1] == line[0])]
    assert line[1] == built.records[last + 1]
    assert line[2] is not None and line[2] >= 2 * MB // PAGE


def test_wal_behind_a_gap_that_begins_inside_a_segment(tmp_path: Path) -> None:
    """A segment zeroed from its middle, the next one gone: that is no clean end, for later WAL is here."""
    built = long_stream(4)
    files = built.write(tmp_path)
    files[1].write_bytes(files[1].read_bytes()[: MB // 2].ljust(MB, b"\0"))
    files[2].unlink()
    reports, found = listed(tmp_path)
    assert [report.end for report in reports] == [EndKind.DAMAGE, EndKind.CLEAN]
    assert files[3].name in reports[0].sentence
    (line,) = found
    assert line[0] == built.records[holding(built, 6 * MB + MB // 2)]
    assert line[1] == reports[1].first


def test_what_lies_behind_a_torn_end_has_no_end(tmp_path: Path) -> None:
    built = long_stream(1)
    torn = built.append(noop_of(400))
    built.poke(torn + 300, b"\xee")
    reports, found = listed_of(built, tmp_path)
    assert [report.end for report in reports] == [EndKind.TORN]
    assert found == [(torn, None, None)]


def test_nothing_is_listed_of_healthy_wal(tmp_path: Path) -> None:
    reports, found = listed_of(long_stream(2), tmp_path)
    assert ([report.end for report in reports], found) == ([EndKind.CLEAN], [])


def test_a_page_header_alone_loses_no_record(tmp_path: Path) -> None:
    """It is damage, and told, but nothing became unreadable by it."""
    built = stream()
    built.fill_to(0)
    page = built.position
    built.append(noop_of(48))
    built.append()
    built.poke(page + 9, b"\x01")
    (report,), found = listed_of(built, tmp_path)
    assert ([damage.pages for damage in report.damages], found) == ([1], [])


@pytest.mark.parametrize("claimed", [70_000, 1 << 20, 900 << 20])
def test_a_length_that_reaches_behind_the_last_segment_is_not_believed(claimed: int, tmp_path: Path) -> None:
    """No page contradicts it, for none follows; the records that lie inside what it claims do."""
    built = stream()
    left = -built.next_lsn() % MB
    built.append(noop_of(left - left // PAGE * 24 - PAGE // 2 & ~7))
    lsn = built.append(noop_of(72))
    following = built.append()
    built.fill_to(0)
    (path,) = built.write(tmp_path)
    data = bytearray(path.read_bytes())
    data[lsn % MB : lsn % MB + 4] = claimed.to_bytes(4, "little")
    path.write_bytes(data)
    (report,), found = listed(tmp_path)
    assert found == [(lsn, following, 1)]
    assert f"expected a length of at most {following - lsn}, found {claimed}" in report.damages[0].sentence
    assert report.end is EndKind.SEGMENT_END


@pytest.mark.parametrize("kept", [0, 100_000, MB // 2])
def test_a_packed_segment_that_holds_too_little(kept: int, tmp_path: Path) -> None:
    """Its size on disk says nothing, so only reading tells; the segments behind it are read all the same."""
    built = long_stream(4)
    files = built.write(tmp_path)
    for path in files:
        data = path.read_bytes()
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data[:kept] if path == files[1] else data, 1))
        path.unlink()
    (report,), found = listed(tmp_path)
    assert [damage.code for damage in report.damages] == ["file_end"]
    assert "expected it in its file, which ends before it" in report.damages[0].sentence
    (line,) = found
    assert line[0] == built.records[holding(built, 6 * MB + kept // PAGE * PAGE)]
    assert line[1] == next(lsn for lsn in built.records if lsn > 7 * MB)
    assert report.end is EndKind.CLEAN


def test_a_page_header_that_calls_itself_long_does_not_hide_a_record(tmp_path: Path) -> None:
    """It says that it has 40 bytes, and is refused; the broken record that begins behind 24 is told all the same."""
    built = stream()
    built.fill_to(0)
    broken = built.append(noop_of(72))
    following = built.append()
    built.append()
    built.poke(broken - 24 + 2, b"\x02")
    built.poke(broken + 60, b"\xee")
    _, found = listed_of(built, tmp_path)
    assert found == [(broken, following, 1)]
