"""A page of a relation: its header, its line pointers and, in a heap, its tuples' headers.

Owns: the layout of src/include/storage/bufpage.h and itemid.h, the same from 13 to 19, and telling by the special
space what kind of page it is. Must not: print, or trust an offset: pages here may be damaged, or no pages at all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pgreplterm.wal.heap_page import HEADER_LENGTH, HeapTuple, read_heap_tuple
from pgreplterm.wal.lsn import LSN

PAGE_HEADER = 24

_HEADER = struct.Struct("<IIHHHHHHI")
_FLAGS = ((0x0001, "PD_HAS_FREE_LINES"), (0x0002, "PD_PAGE_FULL"), (0x0004, "PD_ALL_VISIBLE"))
_LINE_POINTER = 4
_MAXALIGN = 8
_SEQUENCE_MAGIC = 0x1717
_FSM_FORK, _VM_FORK = 1, 2


class PageKind(StrEnum):
    """Whose page it is, as far as the page itself tells."""

    NEW = "new"
    FSM = "free space map"
    VM = "visibility map"
    HEAP = "heap"
    SEQUENCE = "sequence"
    BTREE = "btree"
    HASH = "hash"
    GIST = "gist"
    SPGIST = "spgist"
    GIN = "gin"
    BRIN = "brin"
    UNKNOWN = "unknown"


class ItemState(StrEnum):
    """lp_flags of a line pointer, in the order of their values."""

    UNUSED = "unused"
    NORMAL = "normal"
    REDIRECT = "redirect"
    DEAD = "dead"


_STATES = tuple(ItemState)

# The last two bytes of the special space, by its length; the access method's page id where it has one.
_PAGE_IDS = {
    (16, 0xFF80): PageKind.HASH,
    (16, 0xFF81): PageKind.GIST,
    (8, 0xFF82): PageKind.SPGIST,
    (8, 0xF091): PageKind.BRIN,
    (8, 0xF092): PageKind.BRIN,
    (8, 0xF093): PageKind.BRIN,
}
_BTREE_CYCLE_MAX = 0xFF7F  # what stands in the page id's place there
_GIN_FLAGS = 0x00FF  # likewise

# Where an access method keeps its flags, from the special space's start, and those of pages without line pointers:
# meta pages, bitmaps, posting lists, deleted pages. nbtree.h, hash.h, ginblock.h, spgist_private.h, brin_page.h.
_FLAGS_AT = {PageKind.BTREE: 12, PageKind.HASH: 12, PageKind.GIN: 6, PageKind.SPGIST: 0, PageKind.BRIN: 6}
_NO_ITEMS = {PageKind.BTREE: 0x000C, PageKind.HASH: 0x000C, PageKind.GIN: 0x000D, PageKind.SPGIST: 0x0001}
_BRIN_REGULAR = 0xF093


@dataclass(frozen=True, slots=True)
class DataPageHeader:
    """PageHeaderData: offsets and size in bytes; lsn is one past the last record that changed the page."""

    lsn: LSN
    checksum: int
    flags: int
    lower: int
    upper: int
    special: int
    size: int
    version: int
    prune_xid: int

    @property
    def flag_names(self) -> tuple[str, ...]:
        """The names of the flags that are set."""
        return tuple(name for bit, name in _FLAGS if self.flags & bit)


@dataclass(frozen=True, slots=True)
class Item:
    """A line pointer, numbered from 1: length bytes at offset; of a redirect, offset is the number it points to.

    problem says why what it points to cannot be one. tuple is only there in heaps.
    """

    number: int
    offset: int
    length: int
    state: ItemState
    tuple: HeapTuple | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class DataPage:
    """A page taken apart. problems says, a clause each, what in its header contradicts itself."""

    kind: PageKind
    header: DataPageHeader
    items: tuple[Item, ...]
    problems: tuple[str, ...]


def read_data_page(page: bytes, fork: int = 0) -> DataPage:
    """Take a page apart (its length is BLCKSZ; fork as in a block reference). Raises ValueError below 24 bytes."""
    if len(page) < PAGE_HEADER:
        raise ValueError(f"expected a page of at least {PAGE_HEADER} bytes, found {len(page)}")
    header = _read_header(page)
    kind = _kind(page, header, fork)
    if kind is PageKind.NEW:
        return DataPage(kind, header, (), ())
    problems = tuple(_problems(header, len(page)))
    if problems or not _has_items(page, header, kind):
        return DataPage(kind, header, (), problems)
    count = (header.lower - PAGE_HEADER) // _LINE_POINTER
    words = struct.unpack_from(f"<{count}I", page, PAGE_HEADER)
    is_heap = kind in (PageKind.HEAP, PageKind.SEQUENCE)
    items = tuple(_item(page, header, number, word, is_heap) for number, word in enumerate(words, start=1))
    return DataPage(kind, header, items, ())


def _read_header(page: bytes) -> DataPageHeader:
    high, low, checksum, flags, lower, upper, special, size_version, prune_xid = _HEADER.unpack_from(page)
    return DataPageHeader(
        LSN(high << 32 | low),
        checksum,
        flags,
        lower,
        upper,
        special,
        size_version & 0xFF00,
        size_version & 0x00FF,
        prune_xid,
    )


def _problems(header: DataPageHeader, length: int) -> Iterator[str]:
    if header.size != length:
        yield f"the page size in the header is {header.size}, expected {length}"
    if not PAGE_HEADER <= header.lower <= header.upper <= header.special <= length:
        yield (
            f"expected {PAGE_HEADER} <= lower <= upper <= special <= {length}, "
            f"found {header.lower}, {header.upper}, {header.special}"
        )


def _kind(page: bytes, header: DataPageHeader, fork: int) -> PageKind:
    if header.upper == 0:
        return PageKind.NEW  # PageIsNew, bufpage.h
    if fork in (_FSM_FORK, _VM_FORK):
        return PageKind.FSM if fork == _FSM_FORK else PageKind.VM
    if header.special == len(page):
        return PageKind.HEAP
    special = page[header.special :] if header.special >= PAGE_HEADER else b""
    if len(special) not in (8, 16):
        return PageKind.UNKNOWN
    page_id = int.from_bytes(special[-2:], "little")
    if (len(special), page_id) in _PAGE_IDS:
        return _PAGE_IDS[len(special), page_id]
    if len(special) == 16:
        return PageKind.BTREE if page_id <= _BTREE_CYCLE_MAX else PageKind.UNKNOWN
    if int.from_bytes(special, "little") == _SEQUENCE_MAGIC and header.lower == PAGE_HEADER + _LINE_POINTER:
        return PageKind.SEQUENCE
    return PageKind.GIN if page_id <= _GIN_FLAGS else PageKind.UNKNOWN


def _has_items(page: bytes, header: DataPageHeader, kind: PageKind) -> bool:
    if kind in (PageKind.FSM, PageKind.VM):
        return False
    if kind not in _FLAGS_AT:
        return True
    flags = int(struct.unpack_from("<H", page, header.special + _FLAGS_AT[kind])[0])
    return flags == _BRIN_REGULAR if kind is PageKind.BRIN else not flags & _NO_ITEMS[kind]


def _item(page: bytes, header: DataPageHeader, number: int, word: int, is_heap: bool) -> Item:
    offset, state, length = word & 0x7FFF, _STATES[word >> 15 & 3], word >> 17
    if state is not ItemState.NORMAL and not (state is ItemState.DEAD and length):
        return Item(number, offset, length, state)
    problem = _item_problem(header, offset, length)
    if problem or not is_heap:
        return Item(number, offset, length, state, None, problem)
    if length < HEADER_LENGTH:
        return Item(number, offset, length, state, None, f"shorter than a tuple's header of {HEADER_LENGTH} bytes")
    return Item(number, offset, length, state, read_heap_tuple(page, offset))


def _item_problem(header: DataPageHeader, offset: int, length: int) -> str | None:
    if offset < header.upper or offset + length > header.special:
        return f"lies outside the page's {header.upper} to {header.special}"
    return f"does not begin at a multiple of {_MAXALIGN}" if offset % _MAXALIGN else None
