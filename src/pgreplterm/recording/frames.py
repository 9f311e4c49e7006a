"""The frames of a recording: bytes with a length and a checksum, found again in a file that is cut or damaged.

Owns: the layout of a file below the level of snapshots (docs/recording.md). Must not: know what a frame is about.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import IO, Any

from pgreplterm.recording.codec import CodecError

MAGIC = b"pgreplterm recording\n"
SYNC = b"\xf7RpF"
_HEADER = struct.Struct(">4sIBdI")  # sync, CRC-32 of all that follows, kind, instant, length of the body
HEADER_SIZE = _HEADER.size
LARGEST_BODY = 64 << 20  # bytes; a length beyond this is damage
_LARGEST_TEXT = 256 << 20
_WINDOW = 32 << 10  # deflate looks no further back
_CHUNK = 1 << 20


class Kind(IntEnum):
    """What a frame holds."""

    OTHER = 0  # something of a later version
    ABOUT = ord("A")  # who writes, under which schema
    FULL = ord("F")  # a snapshot
    DELTA = ord("D")  # a snapshot, as what changed since the last full one
    MARK = ord("M")  # a named instant
    INDEX = ord("I")  # where all the others are

    @classmethod
    def _missing_(cls, value: object) -> Kind:  # noqa: ARG003
        return cls.OTHER


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a frame is. at is in epoch seconds."""

    kind: Kind
    at: float
    offset: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame whose checksum is right. checksum is also the name by which a delta calls its full frame."""

    entry: Entry
    checksum: int
    body: bytes

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.entry.offset + HEADER_SIZE + len(self.body)


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes from start up to end that are no whole frame."""

    start: int
    end: int


def pack(kind: Kind, at: float, body: bytes) -> bytes:
    """The frame as it stands in a file."""
    checksum = zlib.crc32(body, zlib.crc32(_HEADER.pack(SYNC, 0, kind, at, len(body))[8:]))
    return _HEADER.pack(SYNC, checksum, kind, at, len(body)) + body


def checksum_of(frame: bytes) -> int:
    """The checksum in a packed frame."""
    return int.from_bytes(frame[4:8], "big")


def read_frame(file: IO[bytes], offset: int) -> Frame | None:
    """The frame at that offset; None when none that is whole begins there."""
    file.seek(offset)
    header = file.read(HEADER_SIZE)
    if len(header) < HEADER_SIZE:
        return None
    sync, checksum, kind, at, length = _HEADER.unpack(header)
    if sync != SYNC or length > LARGEST_BODY:
        return None
    body = file.read(length)
    if len(body) < length or zlib.crc32(body, zlib.crc32(header[8:])) != checksum:
        return None
    return Frame(Entry(Kind(kind), at, offset), checksum, body)


def scan(file: IO[bytes], start: int) -> Iterator[Frame | Damage]:
    """Every whole frame from there to the end of the file, and what lies between them."""
    position, end = start, file.seek(0, 2)
    while position < end:
        frame = read_frame(file, position)
        if frame is None:
            following = _next_frame(file, position + 1, end)
            yield Damage(position, end if following is None else following.entry.offset)
            if following is None:
                return
            frame = following
        yield frame
        position = frame.end


def _next_frame(file: IO[bytes], position: int, end: int) -> Frame | None:
    while position < end:
        file.seek(position)
        chunk = file.read(_CHUNK)
        found = chunk.find(SYNC)
        if found < 0:
            position += max(1, len(chunk) - len(SYNC) + 1)
            continue
        frame = read_frame(file, position + found)
        if frame is not None:
            return frame
        position += found + 1
    return None


def compress(text: bytes, base: bytes = b"") -> bytes:
    """Text as a zlib stream; with a base, against the end of that text as the preset dictionary."""
    if not base:
        return zlib.compress(text)
    squeeze = zlib.compressobj(zdict=base[-_WINDOW:])
    return squeeze.compress(text) + squeeze.flush()


def expand(data: bytes, base: bytes = b"") -> bytes:
    """The text again. Raises CodecError."""
    try:
        grow = zlib.decompressobj(zdict=base[-_WINDOW:]) if base else zlib.decompressobj()
        text = grow.decompress(data, _LARGEST_TEXT)
    except zlib.error as error:
        raise CodecError(f"expected compressed text: {error}") from None
    if not grow.eof:
        raise CodecError("expected a whole compressed text")
    return text


def parse(text: bytes) -> Any:
    """The plain data of a text. Raises CodecError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"expected JSON: {error}") from None
