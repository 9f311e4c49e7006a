"""Segments as a stream of whole pages in one reused buffer.

Owns: reading a run from any LSN on, into a buffer or through a walker, and noticing files that end early.
Must not: look inside a page.
"""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from typing import IO, Any

from pgreplterm._walscan import ffi
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.files import CHUNK, fill, reading
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.source import Run, Segment, WalSource
from pgreplterm.wal.walker import Walker

_STRETCH = 16 << 20  # read and walked in one go: what Python adds in between is nothing, an interrupt waits for it
_BEHIND = 64 * 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """length bytes (whole pages) at lsn; data is valid until the next chunk is asked for, None of what was pushed.

    short marks the last chunk of a file that ends before its segment does; tail is how many bytes of an unfinished
    page that file holds behind it.
    """

    segment: Segment
    lsn: LSN
    data: Any
    length: int
    short: bool
    tail: int


# Reads no more than that many bytes at an LSN from a segment's stream.
_Read = Callable[[IO[bytes], Segment, LSN, int], Chunk]


def chunks(source: WalSource, run: Run, start: int = 0, end: int | None = None) -> Iterator[Chunk]:
    """The run's bytes from the page that holds start on. Ends after a short file: what follows is not joined to it.

    With end (LSN) no chunk reaches over it; those behind it are small, since only a record that crosses it needs them.
    An archive is read past its last byte, which is when its own checksum is compared. Raises WalError.
    """
    with _buffer() as buffer:
        view, data = memoryview(buffer), ffi.from_buffer(buffer)

        def read(stream: IO[bytes], segment: Segment, lsn: LSN, most: int) -> Chunk:
            wanted = min(most, CHUNK)
            got = fill(stream, view[:wanted], segment.where)
            return _chunk(source, segment, lsn, got, data=data, short=got < wanted)

        yield from _chunks(source, run, start, end, read)


def pushed(source: WalSource, run: Run, walker: Walker, end: int | None = None) -> Iterator[Chunk]:
    """The run's bytes from the walker's position on, pushed into it, which only counts; to be left once it stops.

    A plain local file is read and walked in C, a stretch of it at a time; anything else as its chunks come.
    """
    with _buffer() as buffer:
        view, data = memoryview(buffer), ffi.from_buffer("uint8_t[]", buffer)

        def read(stream: IO[bytes], segment: Segment, lsn: LSN, most: int) -> Chunk:
            if isinstance(stream, FileIO):
                with reading(segment.where):
                    got, ended = walker.push_file(stream.fileno(), lsn, min(most, _STRETCH), data)
                return _chunk(source, segment, lsn, got, data=None, short=ended)
            wanted = min(most, CHUNK)
            got = fill(stream, view[:wanted], segment.where)
            chunk = _chunk(source, segment, lsn, got, data=None, short=got < wanted)
            walker.push(lsn, data, chunk.length)
            return chunk

        yield from _chunks(source, run, walker.position, end, read)


def _chunk(source: WalSource, segment: Segment, lsn: LSN, got: int, *, data: Any, short: bool) -> Chunk:
    tail = got % source.page_size
    return Chunk(segment, lsn, data, got - tail, short, tail)


# Buffers that no walk uses: new memory costs a page fault for each of its pages, and threads queue for those.
_spare: deque[mmap.mmap] = deque(maxlen=8)


@contextmanager
def _buffer() -> Iterator[mmap.mmap]:
    """Memory for one chunk; page-aligned, unlike malloc's: the kernel's copy into it is three times as fast."""
    try:
        buffer = _spare.pop()
    except IndexError:
        buffer = mmap.mmap(-1, CHUNK)
    try:
        yield buffer
    finally:
        _spare.append(buffer)


def _chunks(source: WalSource, run: Run, start: int, end: int | None, read: _Read) -> Iterator[Chunk]:
    for segment in run.segments:
        if segment.start + source.segment_size <= start:
            continue
        offset = max(int(start) - segment.start, 0) // source.page_size * source.page_size
        with segment.open(offset) as stream:
            while offset < source.segment_size:
                most = min(_room(segment.start + offset, end), source.segment_size - offset)
                chunk = read(stream, segment, segment.start + offset, most)
                offset += chunk.length
                if end is not None and offset == source.segment_size:
                    _check_over(segment, stream, source.segment_size)  # who gets there asks for nothing more
                yield chunk
                if chunk.short:
                    return
            _check_over(segment, stream, source.segment_size)


def _check_over(segment: Segment, stream: IO[bytes], size: int) -> None:
    if segment.file.codec is not None and fill(stream, memoryview(bytearray(1)), segment.where):
        raise WalError(f"{segment.where}: expected {size} bytes of WAL in it, found more.")


def _room(lsn: int, end: int | None) -> int:
    """How many bytes a chunk at lsn may have."""
    if end is None:
        return _STRETCH
    return _BEHIND if lsn >= end else end - lsn
