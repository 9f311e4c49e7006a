"""Every field of a page header and of a record, with the bytes it occupies.

Owns: names, offsets and values for people who look at the bytes. A record that the walker accepted decodes whole;
one it refused decodes as far as it makes sense.
Must not: validate; the walker has.

Field names are PostgreSQL's: src/include/access/xlog_internal.h, xlogrecord.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page import read_page_header
from pgreplterm.wal.rmgr import FORK_NAMES, record_name, rmgr_name

_HEADER = 24
_MAX_BLOCK_ID = 32
_HAS_IMAGE, _HAS_DATA, _WILL_INIT, _SAME_REL = 0x10, 0x20, 0x40, 0x80
_FLAG_NAMES = ((_HAS_IMAGE, "HAS_IMAGE"), (_HAS_DATA, "HAS_DATA"), (_WILL_INIT, "WILL_INIT"), (_SAME_REL, "SAME_REL"))
_IMAGE_BITS_13 = ((0x01, "HAS_HOLE"), (0x02, "IS_COMPRESSED"), (0x04, "APPLY"))
_IMAGE_BITS_15 = (
    (0x01, "HAS_HOLE"),
    (0x02, "APPLY"),
    (0x04, "COMPRESS_PGLZ"),
    (0x08, "COMPRESS_LZ4"),
    (0x10, "COMPRESS_ZSTD"),
)
_PAGE_BITS_13 = (
    (0x0001, "FIRST_IS_CONTRECORD"),
    (0x0002, "LONG_HEADER"),
    (0x0004, "BKP_REMOVABLE"),
    (0x0008, "FIRST_IS_OVERWRITE_CONTRECORD"),
)
_PAGE_BITS_19 = (*_PAGE_BITS_13[:2], (0x0004, "FIRST_IS_OVERWRITE_CONTRECORD"))


@dataclass(frozen=True, slots=True)
class Field:
    """length bytes at offset of the header or record they belong to, and what they say."""

    name: str
    offset: int
    length: int
    value: str


def page_fields(data: bytes, major: int) -> tuple[Field, ...]:
    """The header of the page that begins data; empty when data is too short to hold it."""
    header = read_page_header(data)
    if header is None:
        return ()
    bits = _PAGE_BITS_19 if major >= 19 else _PAGE_BITS_13
    fields = [
        Field("xlp_magic", 0, 2, f"{header.magic:04X}"),
        Field("xlp_info", 2, 2, _bits(header.info, bits, 4)),
        Field("xlp_tli", 4, 4, str(header.timeline)),
        Field("xlp_pageaddr", 8, 8, str(header.address)),
        Field("xlp_rem_len", 16, 4, str(header.remaining)),
    ]
    if header.header_length == 40:
        fields += [
            Field("xlp_sysid", 24, 8, str(header.system_identifier)),
            Field("xlp_seg_size", 32, 4, str(header.segment_size)),
            Field("xlp_xlog_blcksz", 36, 4, str(header.page_size)),
        ]
    return tuple(fields)


def record_fields(data: bytes, major: int) -> tuple[Field, ...]:
    """The header, fragment headers and payloads of one record's bytes."""
    if len(data) < _HEADER:
        return ()
    return (*_record_header(data, major), *_Fragments(data, major).fields())


def _record_header(data: bytes, major: int) -> Iterator[Field]:
    length, xid, prev, info, rmgr = struct.unpack_from("<IIQBB", data)
    yield Field("xl_tot_len", 0, 4, str(length))
    yield Field("xl_xid", 4, 4, str(xid))
    yield Field("xl_prev", 8, 8, str(LSN(prev)))
    yield Field("xl_info", 16, 1, f"{info:02X} {record_name(major, rmgr, info)}")
    yield Field("xl_rmid", 17, 1, f"{rmgr} {rmgr_name(rmgr)}")
    yield Field("padding", 18, 2, data[18:20].hex(" "))
    yield Field("xl_crc", 20, 4, f"{struct.unpack_from('<I', data, 20)[0]:08X}")


class _Fragments:
    """Walks the fragment headers once, remembering the payloads they announce."""

    def __init__(self, data: bytes, major: int) -> None:
        self._data = data
        self._major = major
        self._at = _HEADER
        self._payloads: list[tuple[str, int]] = []

    def fields(self) -> Iterator[Field]:
        try:
            yield from self._headers()
        except struct.error:
            return
        offset = self._at
        for name, length in self._payloads:
            yield Field(name, offset, length, f"{length} bytes")
            offset += length

    def _headers(self) -> Iterator[Field]:
        while len(self._data) - self._at > sum(length for _, length in self._payloads):
            identity = self._data[self._at]
            if identity <= _MAX_BLOCK_ID:
                yield from self._block(identity)
            elif identity in (254, 255):
                yield from self._main(identity)
                return
            elif identity in (252, 253):
                yield self._take("id", "B", f"{identity} {'toplevel xid' if identity == 252 else 'origin'}")
                yield self._take("toplevel_xid" if identity == 252 else "origin", "I" if identity == 252 else "H")
            else:
                return

    def _take(self, name: str, code: str, value: str | None = None) -> Field:
        size = struct.calcsize("<" + code)
        number = struct.unpack_from("<" + code, self._data, self._at)[0]
        field = Field(name, self._at, size, str(number) if value is None else value)
        self._at += size
        return field

    def _peek(self, code: str) -> int:
        return int(struct.unpack_from("<" + code, self._data, self._at)[0])

    def _block(self, number: int) -> Iterator[Field]:
        name = f"block {number}"
        yield self._take(f"{name} id", "B")
        flags = self._peek("B")
        fork = FORK_NAMES[flags & 0x0F] if flags & 0x0F < len(FORK_NAMES) else f"fork {flags & 0x0F}"
        yield self._take(f"{name} fork_flags", "B", f"{fork} {_bits(flags & 0xF0, _FLAG_NAMES, 2)}")
        data_length = self._peek("H")
        yield self._take(f"{name} data_length", "H")
        if flags & _HAS_IMAGE:
            yield from self._image(name)
        if data_length:
            self._payloads.append((f"{name} data", data_length))
        if not flags & _SAME_REL:
            for part in ("spcOid", "dbOid", "relNumber"):
                yield self._take(f"{name} {part}", "I")
        yield self._take(f"{name} blkno", "I")

    def _image(self, name: str) -> Iterator[Field]:
        self._payloads.append((f"{name} image", self._peek("H")))
        yield self._take(f"{name} image length", "H")
        yield self._take(f"{name} hole_offset", "H")
        info = self._peek("B")
        bits = _IMAGE_BITS_15 if self._major >= 15 else _IMAGE_BITS_13
        yield self._take(f"{name} bimg_info", "B", _bits(info, bits, 2))
        compressed = 0x1C if self._major >= 15 else 0x02
        if info & 0x01 and info & compressed:
            yield self._take(f"{name} hole_length", "H")

    def _main(self, identity: int) -> Iterator[Field]:
        yield self._take("main data id", "B", f"{identity} {'short' if identity == 255 else 'long'}")
        code = "B" if identity == 255 else "I"
        length = self._peek(code)
        yield self._take("main data length", code)
        if length:
            self._payloads.append(("main data", length))


def _bits(value: int, names: tuple[tuple[int, str], ...], digits: int) -> str:
    words = [name for bit, name in names if value & bit]
    return " ".join([f"{value:0{digits}X}", *words])
