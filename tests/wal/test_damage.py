"""Damage: what verify calls it, whose LSN it names, and where it goes on.

As in test_ends.py each stream differs from a healthy one in one thing only. Page and header fields follow
src/test/recovery/t/039_end_of_wal.pl, overwritten continuations 026_overwrite_contrecord.pl.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from pgreplterm.wal import LSN, EndKind

from .builder import LAYOUTS, SHORT_HEADER, XLOG_SWITCH, Record, Wal, noop_of, seal
from .corpus import MB
from .ends import PAGE, assert_damage, assert_end, judge, stream

Spoil = Callable[[Wal, int], None]


def _page_field(offset: int, form: str, value: int) -> Spoil:
    """Set a field of the header of the page behind the record."""

    def spoil(built: Wal, lsn: int) -> None:
        built.poke(lsn - lsn % PAGE + PAGE + offset, struct.pack(form, value))

    return spoil


def _zero_page(built: Wal, lsn: int) -> None:
    built.poke(lsn - lsn % PAGE + PAGE, bytes(PAGE))


PAGE_DAMAGE = {
    "magic zero": _page_field(0, "<H", 0),
    "magic of another major": _page_field(0, "<H", 0xD106),
    "magic garbage": _page_field(0, "<H", 0x4242),
    "unknown flags": _page_field(2, "<H", 0xF001),
    "no continuation flag": _page_field(2, "<H", 0),
    "long header flag": _page_field(2, "<H", 3),
    "address of an earlier use": _page_field(8, "<Q", 2 * MB),
    "address of another place": _page_field(8, "<Q", 900 * MB),
    "timeline gone back": _page_field(4, "<I", 0),
    "remaining length 0": _page_field(16, "<I", 0),
    "remaining length wrong": _page_field(16, "<I", 17),
    "page zeroed": _zero_page,
}


# The server does not look at these where no record crosses into the page, and neither do we.
HARMLESS_BETWEEN_RECORDS = ("no continuation flag", "remaining length 0", "remaining length wrong")


@pytest.mark.parametrize("room", [8, 16, 24, 3000])
@pytest.mark.parametrize("spoil", PAGE_DAMAGE.values(), ids=list(PAGE_DAMAGE))
def test_a_bad_continuation_page_is_damage_of_its_record(spoil: Spoil, room: int, tmp_path: Path) -> None:
    built = stream()
    built.fill_to(room)
    lsn = built.append(noop_of(2 * PAGE))
    following = built.append()
    built.append()
    spoil(built, lsn)
    assert_damage(judge(built, tmp_path), lsn, following)


@pytest.mark.parametrize("name", [name for name in PAGE_DAMAGE if name not in HARMLESS_BETWEEN_RECORDS])
def test_a_bad_page_between_records(name: str, tmp_path: Path) -> None:
    """Nothing crosses into the page: its header is damage, told by its LSN, and no whole record in it is lost."""
    built = stream()
    built.fill_to(0)
    page = built.position
    first = built.append(noop_of(40))
    built.append()
    built.fill_to(0)
    following = built.append()
    built.append()
    PAGE_DAMAGE[name](built, page - 8)
    report = judge(built, tmp_path)
    goes_on = following if name == "page zeroed" else first
    assert [damage.resumed for damage in report.damages] == [goes_on], report.sentence
    assert str(LSN(page)) in report.damages[0].sentence
    assert report.is_finding


HEADER_DAMAGE = {
    "length 0": (0, "<I", 0),
    "length 23": (0, "<I", 23),
    "length too short": (0, "<I", 60),
    "length too long": (0, "<I", 80),
    "length beyond the page": (0, "<I", 3 * PAGE),
    "length beyond any record": (0, "<I", 0xFFFFFFFF),
    "xid": (4, "<I", 77),
    "prev behind itself": (8, "<Q", 1 << 50),
    "prev zero": (8, "<Q", 0),
    "info": (16, "<B", XLOG_SWITCH),
    "resource manager": (17, "<B", 99),
    "padding": (18, "<H", 1),
    "crc": (20, "<I", 0),
}


@pytest.mark.parametrize(("offset", "form", "value"), HEADER_DAMAGE.values(), ids=list(HEADER_DAMAGE))
def test_a_bad_header_field_is_damage_when_records_follow(offset: int, form: str, value: int, tmp_path: Path) -> None:
    built = stream()
    lsn = built.append(noop_of(72))
    following = built.append()
    built.append()
    built.poke(lsn + offset, struct.pack(form, value))
    assert_damage(judge(built, tmp_path), lsn, following)


def test_a_right_crc_over_a_wrong_prev_is_damage(tmp_path: Path) -> None:
    built = stream()
    lsn = built.next_lsn()
    built.prev = built.records[0]
    built.append(noop_of(72))
    following = built.append()
    built.poke(lsn, noop_of(72).bytes_at(built.records[0]))
    assert_damage(judge(built, tmp_path), lsn, following)


def test_damage_twice_is_told_twice(tmp_path: Path) -> None:
    built = stream()
    spoiled, following = [], []
    for _ in range(2):
        spoiled.append(built.append(noop_of(400)))
        following.append(built.append())
        built.append()
    for lsn in spoiled:
        built.poke(lsn + 300, b"\xee")
    report = judge(built, tmp_path)
    assert [(d.at.record, d.resumed) for d in report.damages] == list(zip(spoiled, following, strict=True))
    assert report.records == len(built.records) - 2


def test_a_damaged_switch_does_not_hide_the_next_segment(tmp_path: Path) -> None:
    built = stream()
    lsn = built.switch()
    following = built.append()
    built.poke(lsn + 20, b"\0\0\0\0")
    assert_damage(judge(built, tmp_path), lsn, following)


def test_a_right_crc_over_fragments_that_lie_is_damage(tmp_path: Path) -> None:
    """A CRC is no authentication: whole records whose lengths contradict each other are refused and named."""
    built = stream()
    lsn = built.append(Record(main=b"x" * 20))
    following = built.append()
    record = built.peek(lsn, 46)
    built.poke(lsn, seal(record[:25] + b"\xff" + record[26:]))
    assert_damage(judge(built, tmp_path), lsn, following)


def test_a_timeline_that_goes_back_is_damage(tmp_path: Path) -> None:
    built = stream(timeline=7)
    built.fill_to(0)
    lsn = built.append(noop_of(40))
    page = lsn - lsn % PAGE
    built.poke(page + 4, struct.pack("<I", 6))
    report = judge(built, tmp_path)
    assert report.is_finding, report.sentence


# ---- overwritten continuations ----


@pytest.mark.parametrize("major", LAYOUTS)
def test_an_overwritten_contrecord_is_no_damage(major: int, tmp_path: Path) -> None:
    """The flag that says so is 0x8 up to 18 and 0x4 from 19 on, where 0x4 used to be on nearly every page."""
    built = stream(major)
    built.fill_to(16)
    built.abort_record(noop_of(3 * PAGE))
    built.append()
    assert_end(judge(built, tmp_path), EndKind.CLEAN, built.next_lsn())


@pytest.mark.parametrize("major", LAYOUTS)
def test_an_aborted_record_without_its_flag_is_damage(major: int, tmp_path: Path) -> None:
    built = stream(major)
    built.fill_to(16)
    lsn = built.abort_record(noop_of(3 * PAGE))
    overwrite = built.records[-1]
    built.append()
    built.poke(overwrite - SHORT_HEADER + 2, b"\0\0")
    assert_damage(judge(built, tmp_path), lsn, overwrite)
