"""The header of a heap tuple, and the names of its bits.

Owns: HeapTupleHeaderData (src/include/access/htup_details.h, the same from 13 to 19). Must not: read column values,
or find tuples; page_view does.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER_LENGTH = 23  # SizeofHeapTupleHeader, up to the null bitmap

_HEADER = struct.Struct("<IIIHHHHHB")
_NATTS_MASK = 0x07FF
_MOVED = 0xC000

_INFOMASK = (
    (0x0001, "HEAP_HASNULL"),
    (0x0002, "HEAP_HASVARWIDTH"),
    (0x0004, "HEAP_HASEXTERNAL"),
    (0x0008, "HEAP_HASOID_OLD"),
    (0x0010, "HEAP_XMAX_KEYSHR_LOCK"),
    (0x0020, "HEAP_COMBOCID"),
    (0x0040, "HEAP_XMAX_EXCL_LOCK"),
    (0x0080, "HEAP_XMAX_LOCK_ONLY"),
    (0x0100, "HEAP_XMIN_COMMITTED"),
    (0x0200, "HEAP_XMIN_INVALID"),
    (0x0400, "HEAP_XMAX_COMMITTED"),
    (0x0800, "HEAP_XMAX_INVALID"),
    (0x1000, "HEAP_XMAX_IS_MULTI"),
    (0x2000, "HEAP_UPDATED"),
    (0x4000, "HEAP_MOVED_OFF"),
    (0x8000, "HEAP_MOVED_IN"),
)
_INFOMASK2 = (
    (0x2000, "HEAP_KEYS_UPDATED"),
    (0x4000, "HEAP_HOT_UPDATED"),
    (0x8000, "HEAP_ONLY_TUPLE"),
)
_COMBINED = (
    (0x0050, "HEAP_XMAX_SHR_LOCK"),
    (0x0300, "HEAP_XMIN_FROZEN"),
    (_MOVED, "HEAP_MOVED"),
)


@dataclass(frozen=True, slots=True)
class HeapTuple:
    """A tuple's header. t_ctid is (block, offset number); t_hoff counts bytes to the first column.

    t_field3 is t_cid, or t_xvac in a tuple that a VACUUM FULL before 9.0 moved.
    """

    t_xmin: int
    t_xmax: int
    t_field3: int
    t_ctid: tuple[int, int]
    t_infomask2: int
    t_infomask: int
    t_hoff: int

    @property
    def natts(self) -> int:
        """How many attributes are stored."""
        return self.t_infomask2 & _NATTS_MASK

    @property
    def field3_name(self) -> str:
        """What t_field3 is in this tuple."""
        return "t_xvac" if self.t_infomask & _MOVED else "t_cid"

    @property
    def flags(self) -> tuple[str, ...]:
        """Every bit that is set, as heap_tuple_infomask_flags (pageinspect) names and orders them."""
        return (*_set_in(self.t_infomask, _INFOMASK), *_set_in(self.t_infomask2, _INFOMASK2))

    @property
    def combined_flags(self) -> tuple[str, ...]:
        """The names of bits that mean something else together."""
        return _set_in(self.t_infomask, _COMBINED)


def read_heap_tuple(page: bytes, offset: int) -> HeapTuple:
    """The header at offset of a page. Raises struct.error when fewer than HEADER_LENGTH bytes stand there."""
    xmin, xmax, field3, block_high, block_low, number, infomask2, infomask, hoff = _HEADER.unpack_from(page, offset)
    return HeapTuple(xmin, xmax, field3, (block_high << 16 | block_low, number), infomask2, infomask, hoff)


def _set_in(bits: int, names: tuple[tuple[int, str], ...]) -> tuple[str, ...]:
    return tuple(name for mask, name in names if bits & mask == mask)
