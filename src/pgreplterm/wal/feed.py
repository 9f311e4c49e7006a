"""Segments as a stream of whole pages in one reused buffer.

Owns: reading a run from any LSN on, and noticing files that end early.
Must not: look inside a page.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from pgreplterm._walscan import ffi
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.files import CHUNK, fill, open_bytes
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.source import Run, Segment, WalSource


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


def chunks(source: WalSource, run: Run, start: int = 0) -> Iterator[Chunk]:
    """The run's bytes from the page that holds start on. Ends after a short file: what follows is not joined to it.

    An archive is read past its last byte, which is when its own checksum is compared. Raises WalError.
    """
    # Page-aligned, which malloc's memory is not: the kernel's copy into it is then three times as fast.
    buffer = mmap.mmap(-1, CHUNK)
    view, data = memoryview(buffer), ffi.from_buffer(buffer)
    for segment in run.segments:
        if segment.start + source.segment_size <= start:
            continue
        offset = max(int(start) - segment.start, 0) // source.page_size * source.page_size
        with open_bytes(segment.path, segment.name.compression) as stream:
            _skip(stream, offset, view, segment)
            while offset < source.segment_size:
                wanted = min(CHUNK, source.segment_size - offset)
                got = fill(stream, view[:wanted], segment.path)
                whole = got - got % source.page_size
                yield Chunk(segment, segment.start + offset, data, whole, got < wanted, got - whole)
                if got < wanted:
                    return
                offset += whole
            if segment.name.compression and fill(stream, view[:1], segment.path):
                raise WalError(f"{segment.path}: expected {source.segment_size} bytes of WAL in it, found more.")


def _skip(stream: IO[bytes], length: int, view: memoryview, segment: Segment) -> None:
    if isinstance(stream, io.FileIO):
        stream.seek(length)
        return
    while length:
        got = fill(stream, view[: min(length, CHUNK)], segment.path)
        if not got:
            return
        length -= got
