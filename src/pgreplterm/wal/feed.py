"""Segments as a stream of whole pages in one reused buffer.

Owns: reading a run from any LSN on, and noticing files that end early.
Must not: look inside a page.
"""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from pgreplterm._walscan import ffi
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.files import CHUNK, fill
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.source import Run, Segment, WalSource

_BEHIND = 64 * 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """length bytes (whole pages) at lsn; data is valid until the next chunk is asked for.

    short marks the last chunk of a file that ends before its segment does; tail is how many bytes of an unfinished
    page that file holds behind it.
    """

    segment: Segment
    lsn: LSN
    data: Any
    length: int
    short: bool
    tail: int


def chunks(source: WalSource, run: Run, start: int = 0, end: int | None = None) -> Iterator[Chunk]:
    """The run's bytes from the page that holds start on. Ends after a short file: what follows is not joined to it.

    With end (LSN) no chunk reaches over it; those behind it are small, since only a record that crosses it needs them.
    An archive is read past its last byte, which is when its own checksum is compared. Raises WalError.
    """
    with _buffer() as buffer:
        yield from _chunks(source, run, start, end, memoryview(buffer), ffi.from_buffer(buffer))


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


def _chunks(source: WalSource, run: Run, start: int, end: int | None, view: memoryview, data: Any) -> Iterator[Chunk]:
    for segment in run.segments:
        if segment.start + source.segment_size <= start:
            continue
        offset = max(int(start) - segment.start, 0) // source.page_size * source.page_size
        where = segment.where
        with segment.open(offset) as stream:
            while offset < source.segment_size:
                wanted = min(_room(segment.start + offset, end), source.segment_size - offset)
                got = fill(stream, view[:wanted], where)
                whole = got - got % source.page_size
                if end is not None and offset + whole == source.segment_size:
                    _check_over(segment, stream, view, source.segment_size)  # who gets there asks for nothing more
                yield Chunk(segment, segment.start + offset, data, whole, got < wanted, got - whole)
                if got < wanted:
                    return
                offset += whole
            _check_over(segment, stream, view, source.segment_size)


def _check_over(segment: Segment, stream: IO[bytes], view: memoryview, size: int) -> None:
    if segment.file.codec is not None and fill(stream, view[:1], segment.where):
        raise WalError(f"{segment.where}: expected {size} bytes of WAL in it, found more.")


def _room(lsn: int, end: int | None) -> int:
    """How many bytes a chunk at lsn may have."""
    if end is None:
        return CHUNK
    return _BEHIND if lsn >= end else min(CHUNK, end - lsn)
