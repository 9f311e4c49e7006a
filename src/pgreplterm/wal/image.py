"""Full-page images: the page a record carries, as it was in shared buffers.

Owns: finding an image's bytes inside its record, and making the page of them: hole, pglz, lz4, zstd.
Must not: look inside the page, or write files. The rules are RestoreBlockImage's (xlogreader.c).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.explain import break_text
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.records import HAS_IMAGE, IMAGE_APPLY, BlockRow, RecordIndex, RecordRow
from pgreplterm.wal.rmgr import record_name, rmgr_name
from pgreplterm.wal.scan import advance, new_walker
from pgreplterm.wal.source import Run, WalSource
from pgreplterm.wal.walker import RECORD_SIZE, Rows, show_pages

_IMAGE_COUNT: int = ffi.offsetof("walscan_record", "image_count")
_ALIGNMENT = 8  # of records: MAXALIGN

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class PageImage:
    """A restored page: BLCKSZ bytes. timeline is that of the segments the record was read from."""

    timeline: int
    record: RecordRow
    block: BlockRow
    page: bytes

    @property
    def is_for_verification(self) -> bool:
        """Written for wal_consistency_checking: replay compares with it and does not restore it."""
        return not self.block.image_info & IMAGE_APPLY


def compression_name(image_info: int) -> str | None:
    """What an image with these bits is compressed with, or None; where several are set, the one the server takes."""
    if image_info & lib.WALSCAN_IMAGE_PGLZ:
        return "pglz"
    if image_info & lib.WALSCAN_IMAGE_LZ4:
        return "lz4"
    return "zstd" if image_info & lib.WALSCAN_IMAGE_ZSTD else None


def restore(block: BlockRow, stored: Buffer, block_size: int, lsn: int) -> bytes:
    """The page of block_size bytes that stored, the image of this block reference, stands for.

    lsn is the record's, for the error. Raises WalError when the bytes are no such image, which a right CRC does not
    rule out, or when their compression needs a package that is not installed.
    """
    method = compression_name(block.image_info)
    where, plain_length = f"record {LSN(lsn)}, block {block.id}", block_size - block.hole_length
    plain: Buffer | None = stored
    if method in _UNPACKERS and plain_length > 0:
        plain = _UNPACKERS[method](stored, plain_length, where)
    page = bytearray(block_size)
    if plain is None or not lib.walscan_restore_image(
        ffi.from_buffer(plain), len(plain), method == "pglz",
        block.hole_offset, block.hole_length, ffi.from_buffer("uint8_t[]", page), block_size,
    ):  # fmt: skip
        raise WalError(
            f"{where}: expected {plain_length} bytes of page {'in' if method else 'as'} its "
            f"{f'{method} ' if method else ''}image; the {len(stored)} bytes stored are not that, "
            "so no reader can restore it."
        )
    return bytes(page)


def _unpack_lz4(stored: Buffer, length: int, where: str) -> bytes | None:
    """At most length bytes, or None when stored is no lz4 block."""
    block = _package("lz4.block", where)
    try:
        return bytes(block.decompress(stored, uncompressed_size=length))
    except block.LZ4BlockError:
        return None


def _unpack_zstd(stored: Buffer, length: int, where: str) -> bytes | None:
    """At most length bytes, or None when stored is no zstd frame of that size.

    The frame says how much memory it wants, so it is asked before it gets any.
    """
    zstandard = _package("zstandard", where)
    try:
        if zstandard.frame_content_size(stored) not in (-1, length):
            return None
        unpacker = zstandard.ZstdDecompressor()
        return bytes(unpacker.decompress(stored, max_output_size=length, allow_extra_data=False))
    except zstandard.ZstdError:
        return None


_UNPACKERS = {"lz4": _unpack_lz4, "zstd": _unpack_zstd}


def _package(module: str, where: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise WalError(
            f"{where}: restoring its image needs the package {name}, which is not installed; "
            "install it with: pip install 'pgreplterm[archive]'"
        ) from error


def images_of(
    record: RecordRow, blocks: tuple[BlockRow, ...], data: Buffer, block_size: int, timeline: int
) -> Iterator[PageImage]:
    """The images of one record, restored, by ascending block id; data is its bytes without page headers.

    Payloads stand at the record's end: for each block its image and its data, then the main data (xlogrecord.h).
    Raises WalError as ``restore`` does.
    """
    at = record.total_length - record.main_length - sum(each.image_length + each.data_length for each in blocks)
    for block in blocks:
        if block.flags & HAS_IMAGE:
            page = restore(block, data[at : at + block.image_length], block_size, record.lsn)
            yield PageImage(timeline, record, block, page)
        at += block.image_length + block.data_length


def images_in(rows: Rows, block_size: int, timeline: int) -> Iterator[PageImage]:
    """The images of rows that a walk yields, while the rows are valid. Raises WalError as ``restore`` does."""
    bodies, index = _Bodies(rows), RecordIndex(rows)
    counts = bytes(rows.records[_IMAGE_COUNT::RECORD_SIZE])
    for number in (number for number, count in enumerate(counts) if count):
        record = index[number]
        yield from images_of(record, index.blocks(record), bodies.read(number, record), block_size, timeline)


class _Bodies:
    """The bytes of a walk's records, without page headers."""

    def __init__(self, rows: Rows) -> None:
        self._records = ffi.from_buffer("walscan_record[]", rows.records)
        self._pages = show_pages(rows.pages)
        self._room, self._scratch = 0, ffi.NULL

    def read(self, number: int, record: RecordRow) -> memoryview:
        """All of a record's bytes, valid until the next is read."""
        if record.total_length > self._room:
            self._room = record.total_length
            self._scratch = ffi.new("uint8_t[]", self._room)
        found = lib.walscan_record_bytes(self._pages.c, self._records + number, self._scratch, self._room)
        if found == ffi.NULL:
            raise WalError(
                f"record {LSN(record.lsn)}: expected its {record.total_length} bytes in the pages just read; they are "
                "not all there, so look again."
            )
        return memoryview(ffi.buffer(found, record.total_length))


def images_at(source: WalSource, lsn: int, block_id: int | None = None) -> tuple[PageImage, ...]:
    """The images of the record that begins at lsn, or only that of one block reference.

    Where several timelines hold the LSN, the newest that has a record there is read. Raises WalError when none
    begins there, or it has no such image.
    """
    if lsn % _ALIGNMENT:
        raise WalError(f"{LSN(lsn)}: expected the LSN of a record, which is a multiple of {_ALIGNMENT}.")
    refusals: list[str] = []
    for run in reversed([each for each in source.runs if _holds(source, each, lsn)]):
        images = _images_in_run(source, run, LSN(lsn), refusals)
        if images is not None:
            return images if block_id is None else _only(source, images, block_id)
    found = "; ".join(refusals) or "no segment here holds that LSN"
    raise WalError(f"{source.path}: expected a record to begin at {LSN(lsn)}; {found}.")


def _holds(source: WalSource, run: Run, lsn: int) -> bool:
    return run.segments[0].start <= lsn < run.segments[-1].start + source.segment_size


def _images_in_run(source: WalSource, run: Run, lsn: LSN, refusals: list[str]) -> tuple[PageImage, ...] | None:
    """The images of the record at lsn; None, and the reason appended, where none begins there."""
    walker = new_walker(source, lsn, collect=True)
    for rows in advance(source, run, walker, collect=True):
        record = RecordIndex(rows)[0]
        if record.lsn != lsn:
            refusals.append(f"the next one begins at {LSN(record.lsn)}")
            return None
        images = tuple(images_in(rows.first(1), source.block_size, run.timeline))
        if not images:
            raise WalError(f"{_named(source, record)}: expected a full-page image; it holds none.")
        return images
    refusals.append(break_text(walker.stopped) if walker.stopped else "the WAL here ends inside it")
    return None


def _only(source: WalSource, images: tuple[PageImage, ...], block_id: int) -> tuple[PageImage, ...]:
    chosen = tuple(each for each in images if each.block.id == block_id)
    if chosen:
        return chosen
    present = ", ".join(str(each.block.id) for each in images)
    raise WalError(
        f"{_named(source, images[0].record)}: expected an image of block reference {block_id}; "
        f"those with an image are {present}."
    )


def _named(source: WalSource, record: RecordRow) -> str:
    major = source.format.major
    return f"record {LSN(record.lsn)} ({rmgr_name(record.rmgr)} {record_name(major, record.rmgr, record.info)})"
