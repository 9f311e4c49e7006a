"""What a server reads without a look, and verify does not: a CRC is no authentication.

Each record here has a right CRC and a right place, and contradicts itself in one way that xlogreader.c does not check.
pg_waldump, which is that reader, is asked first: it takes every one of them.
"""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal import EndKind
from pgreplterm.wal.walker import Code

from .builder import LAYOUTS, SHORT_HEADER, Block, Image, Record, Wal, noop_of
from .corpus import MB, waldump
from .ends import assert_damage, assert_end, judge, stream, verify
from .servers import MAJORS
from .test_builder import lsns

BLOCK = 8192


@dataclass(frozen=True)
class Raw(Record):
    """A record whose body is written as it stands: fragment headers, then payloads."""

    data: bytes = b""

    def body(self) -> bytes:
        return self.data


def with_image(stored: int, hole_offset: int, info: int, hole_length: int | None = None) -> Record:
    return Record(11, 0, blocks=[Block(3, image=Image(b"\5" * stored, info, hole_offset, hole_length))], main=b"m" * 8)


def raw(fragments: bytes, payload: bytes = b"") -> Record:
    return Raw(data=fragments + payload)


HOLE, APPLY, PGLZ = 0x01, 0x02, 0x04  # from 15 on
MAIN = struct.pack("<BB", 255, 4)

REFUSED = {
    "an image longer than a block": (with_image(BLOCK + 60, 100, HOLE | APPLY), Code.BLOCK_IMAGE),
    "a hole that ends behind the block": (with_image(5000, 8000, HOLE | APPLY), Code.BLOCK_IMAGE),
    "a hole of a packed image that ends behind the block": (
        with_image(90, 4000, HOLE | APPLY | PGLZ, 5000), Code.BLOCK_IMAGE,
    ),
    "a packed image longer than a block": (with_image(9000, 100, HOLE | APPLY | PGLZ, 8), Code.BLOCK_IMAGE),
    "two origins": (raw(struct.pack("<BHBH", 253, 1, 253, 2) + MAIN, b"main"), Code.FRAGMENT_ID),
    "two top-level transactions": (raw(struct.pack("<BIBI", 252, 7, 252, 8) + MAIN, b"main"), Code.FRAGMENT_ID),
}  # fmt: skip


def both_ways(built: Wal, major: int, folder: Path) -> list[int]:
    """The records that pg_waldump takes."""
    first = built.write(folder)[0]
    return lsns(waldump(major, "-p", folder, first.name, first.name).lines)


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("name", REFUSED)
def test_a_record_that_a_server_would_read_is_damage(major: int, name: str, tmp_path: Path) -> None:
    record, code = REFUSED[name]
    built = stream(major)
    lsn = built.append(record)
    following = built.append()
    assert both_ways(built, major, tmp_path) == built.records
    report = verify(tmp_path)
    assert_damage(report, lsn, following)
    assert report.damages[0].at.code is code
    assert "right CRC, but" in report.damages[0].sentence


@pytest.mark.parametrize("major", LAYOUTS)
@pytest.mark.parametrize("fork", [4, 15])
def test_a_fork_that_does_not_exist(major: int, fork: int, tmp_path: Path) -> None:
    """pg_waldump is not asked: it looks the fork's name up behind the end of its list, and some crash."""
    built = stream(major)
    lsn = built.append(Record(11, 0, blocks=[Block(3, fork=fork, data=b"d")], main=b"m" * 8))
    following = built.append()
    report = judge(built, tmp_path)
    assert_damage(report, lsn, following)
    assert report.damages[0].at.code is Code.BLOCK_FORK


@pytest.mark.parametrize("major", [13, 14])
def test_the_same_under_the_image_bits_of_old_majors(major: int, tmp_path: Path) -> None:
    bits = LAYOUTS[major]
    built = stream(major)
    lsn = built.append(with_image(5000, 8000, bits.hole | bits.apply))
    following = built.append()
    assert_damage(judge(built, tmp_path), lsn, following)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0xFFFFFFF0, 0x80000000])
def test_a_payload_near_four_gigabytes_does_not_wrap(length: int, tmp_path: Path) -> None:
    """The server adds payloads up in 32 bits: with block data before it, the sum of this one is small again."""
    data = b"d" * (-length & 0xFFFF or 8)
    block = Block(3, data=data[:60000])
    body = block.header(0) + struct.pack("<BI", 254, length) + block.payload()
    built = stream()
    lsn = built.append(Raw(data=body))
    following = built.append()
    report = judge(built, tmp_path)
    assert_damage(report, lsn, following)
    assert report.damages[0].at.code is Code.FRAGMENT_LENGTH


@pytest.mark.parametrize("major", MAJORS)
def test_main_data_of_no_length_is_harmless(major: int, tmp_path: Path) -> None:
    built = stream(major)
    built.append(raw(struct.pack("<BB", 255, 0)))
    built.append()
    assert both_ways(built, major, tmp_path) == built.records
    assert_end(verify(tmp_path), EndKind.CLEAN, built.next_lsn())


# ---- pages ----


def test_a_remaining_length_without_its_flag_is_harmless(tmp_path: Path) -> None:
    built = stream()
    built.fill_to(0)
    lsn = built.append()
    built.append()
    built.poke(lsn - SHORT_HEADER + 16, struct.pack("<I", 12345))
    assert both_ways(built, 18, tmp_path) == built.records
    assert_end(verify(tmp_path), EndKind.CLEAN, built.next_lsn())


@pytest.mark.parametrize("system", ["its own", "another"])
def test_a_long_header_on_a_later_page_is_read(system: str, tmp_path: Path) -> None:
    """No server writes one there. It may stand there, but then what it says must be right."""
    built = stream()
    built.fill_to(0)
    page = built.position
    built.append(noop_of(40))
    built.prev = built.records[-2]
    built.records.pop()
    long = built.peek(5 * MB + 24, 16)
    built.poke(page + 2, struct.pack("<H", 0x0006))
    built.poke(page + 24, long if system == "its own" else struct.pack("<Q", 99) + long[8:])
    built.position = page + 40
    lsn = built.append()
    following = built.append()
    report = judge(built, tmp_path)
    if system == "its own":
        assert both_ways(built, 18, tmp_path) == built.records
        assert_end(report, EndKind.CLEAN, built.next_lsn())
    else:
        (damage,) = report.damages
        assert (damage.at.code, damage.at.lsn, damage.resumed) == (Code.PAGE_SYSTEM_ID, page, lsn)
        assert following == report.last


def test_a_segment_of_another_system(tmp_path: Path) -> None:
    """A reader that does not know the system identifier takes the first it meets; the others must be the same."""
    built = stream()
    built.switch()
    foreign = Wal(18, start=6 * MB, segment_size=MB, system_id=99)
    foreign.prev = built.prev
    foreign.append()
    foreign.switch()
    own = Wal(18, start=7 * MB, segment_size=MB)
    own.prev = foreign.prev
    following = own.append()
    for each in (built, foreign, own):
        each.write(tmp_path)
    report = verify(tmp_path)
    (damage,) = report.damages
    assert (damage.at.code, damage.at.lsn) == (Code.PAGE_SYSTEM_ID, 6 * MB)
    assert "found 99" in damage.sentence
    assert damage.resumed <= following


@pytest.mark.parametrize("major", LAYOUTS)
def test_pages_of_a_later_timeline_than_the_name_says(major: int, tmp_path: Path) -> None:
    """A file of timeline 2 that was renamed, or written over one of timeline 1: each page is right, the file is not."""
    built = stream(major, timeline=2)
    built.append()
    (path,) = built.write(tmp_path)
    assert_end(verify(tmp_path), EndKind.CLEAN, built.next_lsn())
    shutil.move(path, path.with_name(path.name.replace("00000002", "00000001", 1)))
    report = verify(tmp_path)
    assert (report.end, report.is_finding) == (EndKind.DAMAGE, True)
    assert (
        "expected pages of timeline 1 or its ancestors in 000000010000000000000005, found timeline 2" in report.sentence
    )


def test_a_segment_under_the_name_of_another(tmp_path: Path) -> None:
    built = stream()
    built.switch()
    built.append()
    first, second = built.write(tmp_path)
    shutil.copy(first, second)
    report = verify(tmp_path)
    assert report.end in (EndKind.RECYCLED, EndKind.DAMAGE)
    later = tmp_path / "later"
    later.mkdir()
    shutil.copy(second, later / first.name.replace("05", "09"))
    ((end, finding),) = ((each.end, each.is_finding) for each in wal.verify(wal.open_source(later)))
    assert (end, finding) == (EndKind.RECYCLED, False)
