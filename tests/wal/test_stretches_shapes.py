"""Stretches over WAL of our own making: whatever stands where two of them meet, one walk would find the same.

The walk without stretches is the judge here, as in test_stretches.py.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from pgreplterm.wal import WalError, WalSource, open_source, verify
from pgreplterm.wal.follow import follow
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.stretches import Threads

from .builder import FIRST_IS_CONTRECORD, LAYOUTS, Record, Wal, noop_of
from .corpus import MB
from .ends import PAGE
from .stretches import assert_same, more, segments_of_switches, stream


def _source(built: Wal, folder: Path) -> WalSource:
    built.write(folder)
    return open_source(folder)


LENGTHS = (PAGE, 3 * PAGE, 8 * PAGE, MB)


def _long_record(built: Wal) -> None:
    built.append(noop_of(20 * PAGE))


def _longer_than_segments(built: Wal) -> None:
    built.append(noop_of(2 * MB + 5 * PAGE))


def _page_end(built: Wal) -> None:
    built.fill_to(0)


def _header_split(built: Wal) -> None:
    built.fill_to(8)
    built.append(noop_of(3 * PAGE))


def _ends_with_its_page(built: Wal) -> None:
    """A record of several pages whose last byte is the last of a page."""
    built.fill_to(24)
    built.append(noop_of(24 + 2 * (PAGE - 24)))


def _switch(built: Wal) -> None:
    built.switch()


def _switch_at_a_page_end(built: Wal) -> None:
    built.fill_to(24)
    built.switch()


def _switch_at_a_segment_end(built: Wal) -> None:
    while built.position < 6 * MB - PAGE:
        built.fill_to(0)
        built.append(noop_of(1000))
    built.fill_to(24)
    built.switch()


def _aborted(built: Wal) -> None:
    built.fill_to(16)
    built.abort_record(noop_of(6 * PAGE))


def _first_of_run_is_continued(built: Wal) -> None:
    """A run whose first segment begins inside a record longer than any stretch."""
    built.append(noop_of(MB + 9 * PAGE))


SHAPES: dict[str, Callable[[Wal], None]] = {
    shape.__name__.strip("_"): shape
    for shape in (
        _long_record, _longer_than_segments, _page_end, _header_split, _ends_with_its_page, _switch,
        _switch_at_a_page_end, _switch_at_a_segment_end, _aborted, _first_of_run_is_continued,
    )
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@pytest.mark.parametrize("major", [13, 18, 19])
def test_shapes(shape: Callable[[Wal], None], major: int, tmp_path: Path) -> None:
    built = stream(major)
    for _ in range(2):
        shape(built)
        more(built)
    source = _source(built, tmp_path)
    for length in LENGTHS:
        assert assert_same(source, length, kinds=("record",)) > 0 or length == MB
    files = sorted(tmp_path.iterdir())
    if len(files) > 1:
        files[0].unlink()
        assert_same(open_source(tmp_path), PAGE, kinds=("record",))


@pytest.mark.parametrize("written", [24, 500, PAGE, 3 * PAGE, 3 * PAGE + 100])
def test_a_torn_end(written: int, tmp_path: Path) -> None:
    built = stream()
    built.fill_to(16)
    built.tear(noop_of(9 * PAGE), written)
    source = _source(built, tmp_path)
    for length in LENGTHS:
        assert_same(source, length, kinds=("record",))


@pytest.mark.parametrize("major", LAYOUTS)
@pytest.mark.parametrize("info", [FIRST_IS_CONTRECORD, 0xF000, 8, 4, 2])
def test_flags_of_a_page_where_stretches_meet(major: int, info: int, tmp_path: Path) -> None:
    """No record crosses into it: what its header says cannot be checked by whoever begins there."""
    built = stream(major)
    built.fill_to(0)
    page = built.position
    more(built)
    built.poke(page + 2, info.to_bytes(2, "little"))
    source = _source(built, tmp_path)
    assert_same(source, PAGE, kinds=())


@pytest.mark.parametrize("timelines", [(5, 1), (5, 6, 5), (2,), (3, 4, 3), (0,), (9, 9, 9, 9)])
@pytest.mark.parametrize("room", [0, 16, 3000])
def test_timelines_of_pages(timelines: tuple[int, ...], room: int, tmp_path: Path) -> None:
    """They may rise and never fall, inside a record as between two."""
    built = stream()
    built.fill_to(room)
    page = built.position + room
    built.append(noop_of(8 * PAGE))
    more(built)
    for number, timeline in enumerate(timelines):
        built.poke(page + number * PAGE + 4, timeline.to_bytes(4, "little"))
    source = _source(built, tmp_path)
    for length in LENGTHS:
        assert_same(source, length, kinds=())


def test_system_identifiers(tmp_path: Path) -> None:
    """None in the first page: then every stretch would believe its own."""
    built = stream()
    for system in (0, 7, 7, 8):
        built.system_id = system
        built.switch()
        more(built)
    built.poke(5 * MB + 24, bytes(8))
    source = _source(built, tmp_path)
    assert source.system_identifier == 0
    assert_same(source, MB)


def _packed(path: Path, content: bytes) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(content, 1))
    path.unlink()
    return target


def _outcome(source: WalSource, engine: Threads) -> tuple[list[object], str]:
    found: list[object] = []
    try:
        found.extend(verify(source, engine))
    except WalError as error:
        return found, str(error)
    return found, ""


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("harm", ["checksum", "longer", "shorter", "cut behind the switch", "cut file", "garbage"])
def test_an_archive_that_is_damaged_behind_its_wal(harm: str, number: int, tmp_path: Path) -> None:
    """Nothing of an archive's end is in a record, so only who reads to it knows."""
    paths = segments_of_switches(tmp_path)
    contents = [path.read_bytes() for path in paths]
    packed = [_packed(path, content) for path, content in zip(paths, contents, strict=True)]
    target, content = packed[number], contents[number]
    data = bytearray(target.read_bytes())
    if harm == "checksum":
        data[-8] ^= 1
    elif harm == "longer":
        data = bytearray(gzip.compress(content + bytes(PAGE), 1))
    elif harm == "shorter":
        data = bytearray(gzip.compress(content[: 4 * PAGE], 1))
    elif harm == "cut behind the switch":
        data = bytearray(gzip.compress(content[: 12 * PAGE], 1))
    elif harm == "garbage":
        data[len(data) // 2 :] = b"\xff" * 400
    else:
        del data[len(data) // 2 :]
    target.write_bytes(data)
    source = open_source(tmp_path)
    alone = _outcome(source, Threads(1))
    for length in (MB, 2 * MB):
        assert _outcome(source, Threads(2, length)) == alone
    assert alone[1] or any(report.is_finding for report in verify(source)), "found nothing"


def test_cut_segments_in_one_run_with_a_short_file(tmp_path: Path) -> None:
    paths = segments_of_switches(tmp_path)
    with paths[-1].open("r+b") as file:
        file.truncate(5 * PAGE + 100)
    source = open_source(tmp_path)
    for length in LENGTHS:
        assert_same(source, length, kinds=("record",))


def test_timelines_joined_by_a_lineage(tmp_path: Path) -> None:
    built = stream()
    switchpoints = []
    for timeline in (2, 3):
        built.switch()
        more(built)
        switchpoints.append((built.timeline, built.position))
        built.branch(timeline)
        more(built)
    built.write(tmp_path)
    for child, known in ((2, switchpoints[:1]), (3, switchpoints)):
        lines = [f"{parent}\t{LSN(point)}\tno recovery target specified\n" for parent, point in known]
        (tmp_path / f"{child:08X}.history").write_text("".join(lines))
    whole = open_source(tmp_path)
    for length in LENGTHS:
        assert_same(whole, length, kinds=("record",))
        assert assert_same(follow(whole), length, kinds=("record",)) > 0
    assert [report.records for report in verify(follow(whole))] == [len(built.records)]


def test_an_unknown_record_type_is_counted_too(tmp_path: Path) -> None:
    built = stream()
    for info in (0x00, 0x10, 0xF0):
        built.append(Record(info=info, main=b"x" * 100))
    assert_same(_source(built, tmp_path), PAGE)
