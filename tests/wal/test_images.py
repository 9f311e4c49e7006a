"""Restoring full-page images: every major, every way to store one, and bytes that are no image.

The pages are made here, so what must come back is known; real servers' pages are in test_images_live.py.
"""

from __future__ import annotations

import random
import re
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal import LSN, BlockRow, WalError, WalSource
from pgreplterm.wal.bytes import read_record_bytes
from pgreplterm.wal.fields import record_fields
from pgreplterm.wal.image import PageImage, images_at, images_in, restore
from pgreplterm.wal.save_fullpage import create_fullpage_folder, fullpage_name, save_fullpage
from pgreplterm.wal.verification import RunWalk

from ..unit.test_pglz import LONGEST_MATCH, Token, packed
from .builder import LAYOUTS, Block, Image, Record, Wal

lz4 = pytest.importorskip("lz4.block", reason="needs the extra 'archive'")
zstandard = pytest.importorskip("zstandard", reason="needs the extra 'archive'")

BLCKSZ = 8192
HOLE, APPLY, PGLZ, LZ4, ZSTD = 0x01, 0x02, 0x04, 0x08, 0x10
LOWER, UPPER = 400, 3000
PERIOD = 50  # after which the pages here repeat themselves


def page_with_hole(seed: int = 1) -> bytes:
    """A page that any compression makes smaller."""
    used = (random.Random(seed).randbytes(PERIOD) * BLCKSZ)[: BLCKSZ - (UPPER - LOWER)]
    return used[:LOWER] + bytes(UPPER - LOWER) + used[LOWER:]


def without_hole(page: bytes) -> bytes:
    return page[:LOWER] + page[UPPER:]


def pglz(data: bytes) -> bytes:
    """data as pglz: a match wherever it goes on as it did a period before, literals elsewhere."""
    tokens: list[Token] = []
    at = 0
    while at < len(data):
        size = 0
        while PERIOD <= at + size < len(data) and size < LONGEST_MATCH and data[at + size] == data[at + size - PERIOD]:
            size += 1
        tokens.append((PERIOD, size) if size > 2 else data[at])
        at += size if size > 2 else 1
    return packed(tokens)


def lz4_block(data: bytes) -> bytes:
    return bytes(lz4.compress(data, store_size=False))


def zstd_frame(data: bytes) -> bytes:
    return bytes(zstandard.ZstdCompressor().compress(data))


PACKERS: dict[int, Callable[[bytes], bytes]] = {PGLZ: pglz, LZ4: lz4_block, ZSTD: zstd_frame}


def block(info: int, stored: bytes, hole_offset: int = LOWER, hole_length: int = UPPER - LOWER) -> BlockRow:
    """The row of a block reference that carries such an image."""
    if not info & HOLE:
        hole_offset = hole_length = 0
    return BlockRow(1663, 5, 16384, 7, 0, len(stored), hole_offset, hole_length, 3, 0, 0x10, info)


def images_of_stream(source: WalSource) -> list[PageImage]:
    """Every image of a source, as a dump meets them."""
    return [
        image
        for run in source.runs
        for rows in RunWalk(source, run, collect=True)
        for image in images_in(rows, source.block_size, run.timeline)
    ]


def every_image(major: int) -> list[tuple[Image, bytes]]:
    """Each way that major stores an image, with the page it stands for."""
    bits, page = LAYOUTS[major], page_with_hole()
    full = random.Random(2).randbytes(BLCKSZ)
    repeating = (random.Random(3).randbytes(PERIOD) * BLCKSZ)[:BLCKSZ]
    packers = {bits.pglz: pglz} | ({LZ4: lz4_block, ZSTD: zstd_frame} if major >= 15 else {})
    made = [
        (Image(full, bits.apply), full),
        (Image(full, 0), full),
        (Image(without_hole(page), bits.hole | bits.apply, LOWER), page),
        (Image(without_hole(page), bits.hole, LOWER), page),
    ]
    for bit, pack in packers.items():
        stored = pack(without_hole(page))
        made.append((Image(stored, bit | bits.hole | bits.apply, LOWER, UPPER - LOWER), page))
        made.append((Image(pack(repeating), bit | bits.apply), repeating))
    return made


def stream_of(major: int, per_record: int) -> tuple[Wal, list[bytes], list[int]]:
    """A stream with all of them, per_record to a record, data and main data between; the pages; the records' LSNs."""
    built, images = Wal(major), every_image(major)
    lsns = []
    for at in range(0, len(images), per_record):
        blocks = [Block(number, image=image, data=b"data" * number) for number, (image, _) in enumerate(images)]
        built.append()
        lsns.append(built.append(Record(blocks=[Block(99, data=b"x"), *blocks[at : at + per_record]], main=b"main")))
    return built, [page for _, page in images], lsns


@pytest.mark.parametrize("per_record", [1, 3, 10])
@pytest.mark.parametrize("major", LAYOUTS)
def test_every_way_to_store_an_image(major: int, per_record: int, tmp_path: Path) -> None:
    built, pages, lsns = stream_of(major, per_record)
    built.write(tmp_path)
    source = wal.open_source(tmp_path)
    found = images_of_stream(source)
    assert [image.page for image in found] == pages
    assert [image.block.block for image in found] == list(range(len(pages)))
    assert [image.is_for_verification for image in found[:4]] == [False, True, False, True]
    alone = [image for lsn in lsns for image in images_at(source, lsn)]
    assert [(image.record.lsn, image.block, image.page) for image in alone] == [
        (image.record.lsn, image.block, image.page) for image in found
    ]


@pytest.mark.parametrize("major", LAYOUTS)
def test_images_stand_where_the_fields_say(major: int, tmp_path: Path) -> None:
    """The anatomy of a record is computed another way; both must mean the same bytes."""
    built, _, lsns = stream_of(major, 10)
    built.write(tmp_path)
    source = wal.open_source(tmp_path)
    for lsn in lsns:
        for image in images_at(source, lsn):
            data = read_record_bytes(source, 1, lsn, image.record.total_length).data
            (field,) = (each for each in record_fields(data, major) if each.name == f"block {image.block.id} image")
            stored = data[field.offset : field.offset + field.length]
            assert restore(image.block, stored, BLCKSZ, lsn) == image.page


@pytest.mark.parametrize("block_size", [1024, 4096, 32768])
def test_other_block_sizes(block_size: int) -> None:
    page = random.Random(5).randbytes(block_size)
    assert restore(block(APPLY, page), page, block_size, 0) == page
    holed = page[:100] + bytes(600) + page[700:]
    stored = page[:100] + page[700:]
    assert restore(block(HOLE, stored, 100, 600), stored, block_size, 0) == holed
    for bit, pack in PACKERS.items():
        small = pack(stored)
        assert restore(block(HOLE | bit, small, 100, 600), small, block_size, 0) == holed


@pytest.mark.parametrize("bit", PACKERS)
def test_bytes_that_are_no_image(bit: int) -> None:
    """Cut, stretched, changed and random bytes: the page, or one sentence that names record and block."""
    stored, chance = PACKERS[bit](without_hole(page_with_hole())), random.Random(bit)
    for cut in (0, 1, len(stored) // 2, len(stored) - 1):
        _assert_refused(bit, stored[:cut])
    _assert_refused(bit, stored, hole_length=UPPER - LOWER - 1)
    if bit != PGLZ:  # whose last match may be longer than what is left
        _assert_refused(bit, stored, hole_length=UPPER - LOWER + 1)
    for _ in range(400):
        changed = bytearray(stored if chance.random() < 0.8 else chance.randbytes(chance.randrange(1, 600)))
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        try:
            assert len(restore(block(HOLE | bit, changed), bytes(changed), BLCKSZ, 0)) == BLCKSZ
        except WalError as error:
            assert str(error).startswith("record 0/00000000, block 3: expected ")


def _assert_refused(bit: int, stored: bytes, hole_length: int = UPPER - LOWER) -> None:
    with pytest.raises(WalError, match=r"^record 1/0000ABC8, block 3: expected \d+ bytes of page in its \w+ image; "):
        restore(block(HOLE | bit, stored, LOWER, hole_length), stored, BLCKSZ, 0x1_0000_ABC8)


def test_a_hole_outside_the_page_is_refused() -> None:
    for offset, length in ((8000, 200), (0xFFFF, 1), (1, 0xFFFF), (BLCKSZ, 1)):
        stored = bytes(max(BLCKSZ - length, 0))
        for bits in (HOLE, HOLE | PGLZ, HOLE | LZ4, HOLE | ZSTD):
            with pytest.raises(WalError, match="block 3"):
                restore(block(bits, stored, offset, length), stored, BLCKSZ, 0)


@pytest.mark.parametrize("announced", [BLCKSZ + 1, 1 << 40])
def test_a_frame_is_not_given_the_memory_it_asks_for(announced: int) -> None:
    """A zstd frame header may announce any size: magic, an 8-byte content size, one empty last block."""
    frame = struct.pack("<IBQ", 0xFD2FB528, 0xE0, announced) + b"\1\0\0"
    with pytest.raises(WalError, match="expected 8192 bytes of page in its zstd image"):
        restore(block(ZSTD, frame), frame, BLCKSZ, 0)


@pytest.mark.parametrize(("bit", "package", "module"), [(LZ4, "lz4", "lz4.block"), (ZSTD, "zstandard", "zstandard")])
def test_a_missing_package_is_one_sentence(
    bit: int, package: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = PACKERS[bit](without_hole(page_with_hole()))
    monkeypatch.setitem(sys.modules, module, None)  # as the import system marks what cannot be imported
    with pytest.raises(WalError) as caught:
        restore(block(HOLE | bit, stored), stored, BLCKSZ, 0x12345678)
    assert str(caught.value) == (
        f"record 0/12345678, block 3: restoring its image needs the package {package}, which is not installed; "
        "install it with: pip install 'pgreplterm[archive]'"
    )


def _holding_images(folder: Path) -> tuple[WalSource, int, int]:
    """A source, the LSN of a record with images of blocks 1 and 2, and that of one without any."""
    built, page = Wal(18), page_with_hole()
    image = Image(without_hole(page), HOLE | APPLY, LOWER)
    with_two = built.append(Record(blocks=[Block(1, data=b"x"), Block(2, image=image), Block(3, image=image)]))
    without = built.append()
    built.write(folder)
    return wal.open_source(folder), with_two, without


def test_images_are_chosen_by_block_reference(tmp_path: Path) -> None:
    source, lsn, _ = _holding_images(tmp_path)
    assert [image.block.id for image in images_at(source, lsn)] == [1, 2]
    assert [image.block.block for image in images_at(source, lsn, 2)] == [3]


def test_what_has_no_image_is_one_sentence(tmp_path: Path) -> None:
    source, with_two, without = _holding_images(tmp_path)
    for lsn, block_id, sentence in (
        (with_two, 0, "record .* \\(XLOG NOOP\\): expected an image of block reference 0; .* are 1, 2."),
        (without, None, "record .* \\(XLOG NOOP\\): expected a full-page image; it holds none."),
        (without + 4, None, ".*expected the LSN of a record, which is a multiple of 8."),
        (without + 8, None, ".*expected a record to begin at .*; .*"),
        (with_two - with_two % BLCKSZ, None, f".*expected a record .*; the next one begins at {LSN(with_two)}."),
        (with_two - with_two % BLCKSZ + 8, None, ".*expected a record to begin at .*; .*"),
        (1 << 50, None, ".*no segment here holds that LSN."),
        ((1 << 64) - 8, None, ".*no segment here holds that LSN."),
    ):
        with pytest.raises(WalError) as caught:
            images_at(source, lsn, block_id)
        assert re.fullmatch(sentence, str(caught.value)), str(caught.value)


def test_the_newest_timeline_that_has_the_record_is_read(tmp_path: Path) -> None:
    """Both timelines hold what was written before the switch; what came later only one of them has."""
    built, page = Wal(17), page_with_hole()
    record = Record(blocks=[Block(1, image=Image(without_hole(page), HOLE | APPLY, LOWER))])
    before = built.append(record)
    built.branch(2)
    after = built.append(record)
    built.write(tmp_path)
    source = wal.open_source(tmp_path)
    assert [(each.timeline, each.page == page) for lsn in (before, after) for each in images_at(source, lsn)] == [
        (2, True),
        (2, True),
    ]
    (tmp_path / "000000020000000000000001").unlink()
    assert images_at(wal.open_source(tmp_path), before)[0].timeline == 1


def test_saved_names_and_bytes(tmp_path: Path) -> None:
    built, page = Wal(18, start=0xAB << 32, timeline=11), page_with_hole()
    image = Image(without_hole(page), HOLE | APPLY, LOWER)
    built.append(
        Record(blocks=[Block(1, (1664, 0, 1262), 0, image=image), Block(4294967294, (1, 2, 3), 3, image=image)])
    )
    built.write(tmp_path / "wal")
    images = images_of_stream(wal.open_source(tmp_path / "wal"))
    folder = tmp_path / "new" / "images"
    create_fullpage_folder(folder)
    assert save_fullpage(folder, images) == 2
    names = ["0000000B-000000AB-00000028.1.2.3.4294967294_init", "0000000B-000000AB-00000028.1664.0.1262.1_main"]
    assert sorted(path.name for path in folder.iterdir()) == names == sorted(map(fullpage_name, images))
    assert {path.read_bytes() for path in folder.iterdir()} == {page}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_only_an_empty_folder_is_taken(tmp_path: Path) -> None:
    create_fullpage_folder(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(WalError, match="expected an empty folder, or none, to save page images in; it holds files"):
        create_fullpage_folder(tmp_path)
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(WalError, match="expected a folder to save page images in; Not a directory"):
            create_fullpage_folder(path)


def test_a_folder_that_vanishes_is_one_sentence(tmp_path: Path) -> None:
    source, lsn, _ = _holding_images(tmp_path / "wal")
    with pytest.raises(WalError, match=r"_main: expected to write 8192 bytes; No such file or directory\.$"):
        save_fullpage(tmp_path / "gone", images_at(source, lsn))
