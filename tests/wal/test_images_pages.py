"""Pages taken apart: what is shown of a good one, and that no byte of a bad one is trusted.

Agreement with pageinspect on real pages is in test_images_live.py.
"""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal import LSN
from pgreplterm.wal.page_report import report_json, report_lines
from pgreplterm.wal.page_view import Item, ItemState, PageKind, read_data_page

from .builder import Block, Image, Record, Wal

BLCKSZ = 8192
APPLY = 0x02
UNUSED, NORMAL, REDIRECT, DEAD = range(4)


def page_of(
    items: list[tuple[int, int, int]],
    *,
    special: bytes = b"",
    upper: int = 8000,
    size: int = BLCKSZ,
    content: dict[int, bytes] | None = None,
) -> bytes:
    """A page with those line pointers (offset, state, length), and content where it says."""
    words = [offset | state << 15 | length << 17 for offset, state, length in items]
    lower = 24 + 4 * len(words)
    begin = size - len(special)
    page = bytearray(size)
    header = (2, 0x0A0B0C0D, 0xBEEF, 5, lower, upper, begin, size | 4, 777)
    struct.pack_into(f"<IIHHHHHHI{len(words)}I", page, 0, *header, *words)
    page[begin:] = special
    for offset, data in (content or {}).items():
        page[offset : offset + len(data)] = data
    return bytes(page)


def tuple_header(infomask: int = 0x0902, infomask2: int = 2) -> bytes:
    return struct.pack("<IIIHHHHHB", 731, 0, 5, 1, 2, 9, infomask2, infomask, 24)


def heap_page() -> bytes:
    items = [(8152, NORMAL, 40), (3, REDIRECT, 0), (0, UNUSED, 0), (0, DEAD, 0), (8200, NORMAL, 40), (8003, NORMAL, 30)]
    return page_of(items, content={8152: tuple_header()})


@pytest.mark.parametrize(
    ("special", "kind", "has_items"),
    [
        (b"", PageKind.HEAP, True),
        (struct.pack("<IIIHH", 0, 0, 0, 1, 0), PageKind.BTREE, True),
        (struct.pack("<IIIHH", 0, 0, 0, 0x0008, 0), PageKind.BTREE, False),  # meta page
        (struct.pack("<IIIHH", 0, 0, 0, 0x0105, 7), PageKind.BTREE, False),  # deleted
        (struct.pack("<IIIHH", 0, 0, 0, 0x0002, 0xFF80), PageKind.HASH, True),
        (struct.pack("<IIIHH", 0, 0, 0, 0x0004, 0xFF80), PageKind.HASH, False),  # bitmap
        (struct.pack("<QIHH", 0, 0, 1, 0xFF81), PageKind.GIST, True),
        (struct.pack("<HHHH", 4, 0, 0, 0xFF82), PageKind.SPGIST, True),
        (struct.pack("<HHHH", 1, 0, 0, 0xFF82), PageKind.SPGIST, False),  # meta page
        (struct.pack("<IHH", 0xFFFFFFFF, 0, 2), PageKind.GIN, True),
        (struct.pack("<IHH", 0xFFFFFFFF, 0, 0x0083), PageKind.GIN, False),  # posting list
        (struct.pack("<HHHH", 0, 0, 0, 0xF093), PageKind.BRIN, True),
        (struct.pack("<HHHH", 0, 0, 0, 0xF092), PageKind.BRIN, False),  # range map
        (struct.pack("<Q", 0x1717), PageKind.SEQUENCE, True),
        (struct.pack("<HHHH", 0, 0, 0, 0xFF90), PageKind.UNKNOWN, True),  # of an extension
        (bytes(24), PageKind.UNKNOWN, True),
    ],
)
def test_the_special_space_tells_the_kind(special: bytes, kind: PageKind, has_items: bool) -> None:
    page = read_data_page(page_of([(8048, NORMAL, 40)], special=special, content={8048: tuple_header()}))
    assert (page.kind, len(page.items), page.problems) == (kind, int(has_items), ())
    if has_items:
        assert (page.items[0].tuple is not None) == (kind in (PageKind.HEAP, PageKind.SEQUENCE))


@pytest.mark.parametrize(
    ("fork", "kind"), [(0, PageKind.HEAP), (1, PageKind.FSM), (2, PageKind.VM), (3, PageKind.HEAP)]
)
def test_a_map_has_no_line_pointers(fork: int, kind: PageKind) -> None:
    page = read_data_page(heap_page(), fork)
    assert page.kind is kind
    assert bool(page.items) == (kind is PageKind.HEAP)


def test_a_page_of_zeros_is_new() -> None:
    assert read_data_page(bytes(BLCKSZ)).kind is PageKind.NEW
    assert read_data_page(bytes(BLCKSZ)).problems == ()


def test_line_pointers_are_not_trusted() -> None:
    items = read_data_page(heap_page()).items
    assert items[1:] == (
        Item(2, 3, 0, ItemState.REDIRECT),
        Item(3, 0, 0, ItemState.UNUSED),
        Item(4, 0, 0, ItemState.DEAD),
        Item(5, 8200, 40, ItemState.NORMAL, None, "lies outside the page's 8000 to 8192"),
        Item(6, 8003, 30, ItemState.NORMAL, None, "does not begin at a multiple of 8"),
    )
    (short,) = read_data_page(page_of([(8000, NORMAL, 22)])).items
    assert short.problem == "shorter than a tuple's header of 23 bytes"
    (at_the_end,) = read_data_page(page_of([(8168, NORMAL, 24)], content={8168: tuple_header()})).items
    assert at_the_end.tuple is not None


@pytest.mark.parametrize(
    ("at", "value", "problem"),
    [
        (12, 20, "expected 24 <= lower <= upper <= special <= 8192, found 20, 8000, 8192"),
        (12, 8001, "expected 24 <= lower <= upper <= special <= 8192, found 8001, 8000, 8192"),
        (14, 8193, "expected 24 <= lower <= upper <= special <= 8192, found 48, 8193, 8192"),
        (16, 65535, "expected 24 <= lower <= upper <= special <= 8192, found 48, 8000, 65535"),
        (18, 0x4004, "the page size in the header is 16384, expected 8192"),
    ],
)
def test_a_header_that_contradicts_itself_shows_no_items(at: int, value: int, problem: str) -> None:
    page = bytearray(heap_page())
    struct.pack_into("<H", page, at, value)
    found = read_data_page(bytes(page))
    assert (found.problems, found.items) == ((problem,), ())


@pytest.mark.parametrize("size", [24, 1024, BLCKSZ, 32768])
def test_noise_is_taken_apart_without_an_exception(size: int) -> None:
    """Noise behind headers that hold together, and headers that do not."""
    chance = random.Random(size)
    damaged = 0
    for _ in range(60):
        data = bytearray(chance.randbytes(size))
        if chance.random() < 0.8:
            lower, upper, special = sorted(chance.randrange(24, size + 1) for _ in range(3))
            struct.pack_into("<HHHH", data, 12, lower, upper, chance.choice((special, size)), size | 4)
        page = read_data_page(bytes(data), chance.randrange(4))
        damaged += bool(page.problems) or any(item.problem for item in page.items)
    assert damaged


def test_less_than_a_header_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 24 bytes, found 23"):
        read_data_page(bytes(23))


def _source_with(page: bytes, folder: Path) -> tuple[wal.WalSource, int]:
    built = Wal(18)
    lsn = built.append(Record(xid=731, blocks=[Block(7, image=Image(page, APPLY)), Block(8, image=Image(page, 0))]))
    built.write(folder)
    return wal.open_source(folder), lsn


def test_the_report_as_text(tmp_path: Path) -> None:
    source, lsn = _source_with(heap_page(), tmp_path)
    assert (
        report_lines(source, lsn, 0)
        == f"""\
record {LSN(lsn)} XLOG NOOP, timeline 1, xid 731
block reference 0: rel 1663/5/16384 fork main blk 7
image: 8192 bytes stored in 8192
header: lsn 2/0A0B0C0D, checksum BEEF, flags 0005 PD_HAS_FREE_LINES PD_ALL_VISIBLE, lower 48, upper 8000, \
special 8192, page size 8192, version 4, prune xid 777
page: heap, 6 line pointers
   LP OFFSET LENGTH  STATE           XMIN       XMAX        CID         CTID HOFF NATTS  INFOMASK
    1   8152     40  normal           731          0          5    (65538,9)   24     2  0902/0002 HASVARWIDTH \
XMIN_COMMITTED XMAX_INVALID
    2      3      0  redirect  to 3
    3      0      0  unused
    4      0      0  dead
    5   8200     40  normal    damaged: lies outside the page's 8000 to 8192
    6   8003     30  normal    damaged: does not begin at a multiple of 8""".split("\n")
    )
    both = report_lines(source, lsn)
    assert both[: both.index("")] == report_lines(source, lsn, 0)
    assert both[both.index("") + 1 :] == report_lines(source, lsn, 1)
    assert report_lines(source, lsn, 1)[2] == "image: 8192 bytes stored in 8192, for WAL verification only"


def test_the_report_as_json(tmp_path: Path) -> None:
    source, lsn = _source_with(heap_page(), tmp_path)
    document = json.loads(json.dumps(report_json(source, lsn, 1)))
    (block,) = document["blocks"]
    assert (document["lsn"], document["record"], block["id"], block["block"]) == (str(LSN(lsn)), "NOOP", 1, 8)
    assert (block["compression"], block["for_verification"]) == (None, True)
    page = block["page"]
    assert (page["kind"], page["pd_lsn"], page["pd_lower"], len(page["items"])) == ("heap", "2/0A0B0C0D", 48, 6)
    assert page["items"][0]["tuple"]["t_ctid"] == [65538, 9]
    assert page["items"][0]["tuple"]["flags"] == ["HEAP_HASVARWIDTH", "HEAP_XMIN_COMMITTED", "HEAP_XMAX_INVALID"]
    assert page["items"][4]["problem"] == "lies outside the page's 8000 to 8192"


def test_a_damaged_header_is_reported(tmp_path: Path) -> None:
    source, lsn = _source_with(b"\xff" * BLCKSZ, tmp_path)
    lines = report_lines(source, lsn, 0)
    assert [line for line in lines if line.startswith("damaged: ")] == [
        "damaged: the page size in the header is 65280, expected 8192",
        "damaged: expected 24 <= lower <= upper <= special <= 8192, found 65535, 65535, 65535",
    ]
    assert lines[-1] == "page: unknown, 0 line pointers"
