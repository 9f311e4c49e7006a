"""The index at the end of a recording that was closed: where every frame is, without reading them.

Owns: its bytes and the trailer behind it. Must not: be needed; a file without one is scanned.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO

from pgreplterm.recording.codec import CodecError
from pgreplterm.recording.frames import HEADER_SIZE, MAGIC, Entry, Kind, compress, expand, pack, read_frame

_ENTRY = struct.Struct(">BdQ")
_TRAILER = struct.Struct(">Q8s")
_ENDING = b"pgr-end\n"


def packed(entries: Sequence[Entry], at: float, offset: int) -> bytes:
    """The index frame that will stand at that offset, and the trailer that tells where."""
    table = b"".join(_ENTRY.pack(entry.kind, entry.at, entry.offset) for entry in entries)
    return pack(Kind.INDEX, at, compress(table)) + _TRAILER.pack(offset, _ENDING)


def room(count: int) -> int:
    """The most bytes that the index of so many frames takes, trailer included."""
    table = count * _ENTRY.size
    return HEADER_SIZE + table + table // 1000 + 64 + _TRAILER.size


def read(file: IO[bytes]) -> tuple[int, list[Entry]] | None:
    """The offset of the index, and its entries; None when the file has no whole one at its end."""
    size = file.seek(0, 2)
    if size < len(MAGIC) + _TRAILER.size:
        return None
    file.seek(size - _TRAILER.size)
    offset, ending = _TRAILER.unpack(file.read(_TRAILER.size))
    if ending != _ENDING or offset >= size:
        return None
    frame = read_frame(file, offset)
    if frame is None or frame.entry.kind is not Kind.INDEX or frame.end + _TRAILER.size != size:
        return None
    try:
        table = expand(frame.body)
        return offset, [Entry(Kind(kind), at, where) for kind, at, where in _ENTRY.iter_unpack(table)]
    except (CodecError, struct.error):
        return None
