"""The pages of one record's full-page images, as text and as plain data: what ``wal page`` prints.

Owns: the words and columns. Must not: decode; image and page_view do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgreplterm.wal.heap_page import HeapTuple
from pgreplterm.wal.image import PageImage, compression_name, images_at
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page_view import DataPage, Item, ItemState, PageKind, read_data_page
from pgreplterm.wal.records import block_json
from pgreplterm.wal.rmgr import FORK_NAMES, record_name, rmgr_name
from pgreplterm.wal.source import WalSource

_TUPLE_COLUMNS = f"{'XMIN':>10} {'XMAX':>10} {'CID':>10} {'CTID':>12} {'HOFF':>4} {'NATTS':>5}  INFOMASK"


def report_lines(source: WalSource, lsn: int, block_id: int | None = None) -> list[str]:
    """The images of the record that begins at lsn, or that of one block reference, as text. Raises WalError."""
    lines: list[str] = []
    for image in images_at(source, lsn, block_id):
        lines += ["", *page_lines(image, source.format.major)] if lines else page_lines(image, source.format.major)
    return lines


def report_json(source: WalSource, lsn: int, block_id: int | None = None) -> dict[str, Any]:
    """The same as plain data. Lengths and offsets in bytes, LSNs as text. Raises WalError."""
    images, major = images_at(source, lsn, block_id), source.format.major
    record, timeline = images[0].record, images[0].timeline
    return {
        "lsn": str(LSN(record.lsn)),
        "timeline": timeline,
        "rmgr": rmgr_name(record.rmgr),
        "record": record_name(major, record.rmgr, record.info),
        "xid": record.xid,
        "blocks": [image_json(image) for image in images],
    }


def page_lines(image: PageImage, major: int) -> list[str]:
    """One image: where it comes from, how it was stored, and its page."""
    record, block = image.record, image.block
    page = read_data_page(image.page, block.fork)
    header = page.header
    return [
        f"record {LSN(record.lsn)} {rmgr_name(record.rmgr)} {record_name(major, record.rmgr, record.info)}, "
        f"timeline {image.timeline}, xid {record.xid}",
        f"block reference {block.id}: rel {block.tablespace}/{block.database}/{block.relation} "
        f"fork {FORK_NAMES[block.fork]} blk {block.block}",
        f"image: {_stored_text(image)}",
        f"header: lsn {header.lsn}, checksum {header.checksum:04X}, "
        f"flags {' '.join((f'{header.flags:04X}', *header.flag_names))}, lower {header.lower}, upper {header.upper}, "
        f"special {header.special}, page size {header.size}, version {header.version}, prune xid {header.prune_xid}",
        *(f"damaged: {problem}" for problem in page.problems),
        _content_text(page),
        *_item_lines(page),
    ]


def _stored_text(image: PageImage) -> str:
    block = image.block
    parts = [f"{len(image.page)} bytes stored in {block.image_length}"]
    if block.hole_length:
        parts.append(f"a hole of {block.hole_length} at {block.hole_offset}")
    method = compression_name(block.image_info)
    parts += [method] if method else []
    parts += ["for WAL verification only"] if image.is_for_verification else []
    return ", ".join(parts)


def _content_text(page: DataPage) -> str:
    if page.kind is PageKind.NEW:
        return "page: new, nothing in it yet"
    return f"page: {page.kind.value}, {len(page.items)} line pointers"


def _item_lines(page: DataPage) -> Iterator[str]:
    if not page.items:
        return
    columns = f"  {_TUPLE_COLUMNS}" if any(item.tuple for item in page.items) else ""
    yield f"{'LP':>5} {'OFFSET':>6} {'LENGTH':>6}  {'STATE':<8}{columns}".rstrip()
    for item in page.items:
        line = f"{item.number:>5} {item.offset:>6} {item.length:>6}  {item.state.value:<8}{_item_detail(item)}"
        yield line.rstrip()


def _item_detail(item: Item) -> str:
    if item.problem:
        return f"  damaged: {item.problem}"
    if item.state is ItemState.REDIRECT:
        return f"  to {item.offset}"
    return f"  {_tuple_text(item.tuple)}" if item.tuple else ""


def _tuple_text(row: HeapTuple) -> str:
    ctid = f"({row.t_ctid[0]},{row.t_ctid[1]})"
    bits = " ".join((f"{row.t_infomask:04X}/{row.t_infomask2:04X}", *_short_flags(row)))
    return f"{row.t_xmin:>10} {row.t_xmax:>10} {row.t_field3:>10} {ctid:>12} {row.t_hoff:>4} {row.natts:>5}  {bits}"


def _short_flags(row: HeapTuple) -> Iterator[str]:
    return (name.removeprefix("HEAP_") for name in (*row.flags, *row.combined_flags))


def image_json(image: PageImage) -> dict[str, Any]:
    """One image and its page as plain data."""
    block, page = image.block, read_data_page(image.page, image.block.fork)
    return {
        **block_json(block),
        "stored_length": block.image_length,
        "hole_offset": block.hole_offset,
        "hole_length": block.hole_length,
        "compression": compression_name(block.image_info),
        "for_verification": image.is_for_verification,
        "page": _page_json(page),
    }


def _page_json(page: DataPage) -> dict[str, Any]:
    header = page.header
    return {
        "kind": page.kind.value,
        "pd_lsn": str(header.lsn),
        "pd_checksum": header.checksum,
        "pd_flags": header.flags,
        "pd_flag_names": list(header.flag_names),
        "pd_lower": header.lower,
        "pd_upper": header.upper,
        "pd_special": header.special,
        "page_size": header.size,
        "version": header.version,
        "pd_prune_xid": header.prune_xid,
        "problems": list(page.problems),
        "items": [_item_json(item) for item in page.items],
    }


def _item_json(item: Item) -> dict[str, Any]:
    row = item.tuple
    return {
        "lp": item.number,
        "lp_off": item.offset,
        "lp_len": item.length,
        "state": item.state.value,
        "problem": item.problem,
        "tuple": None if row is None else _tuple_json(row),
    }


def _tuple_json(row: HeapTuple) -> dict[str, Any]:
    return {
        "t_xmin": row.t_xmin,
        "t_xmax": row.t_xmax,
        row.field3_name: row.t_field3,
        "t_ctid": list(row.t_ctid),
        "t_infomask": row.t_infomask,
        "t_infomask2": row.t_infomask2,
        "t_hoff": row.t_hoff,
        "natts": row.natts,
        "flags": list(row.flags),
        "combined_flags": list(row.combined_flags),
    }
