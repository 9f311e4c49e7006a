"""A stored file as the bytes that were put into it: read from its store, through its compression.

Owns: joining a store and a codec. Must not: know what the bytes mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from pgreplterm.wal.errors import unreadable
from pgreplterm.wal.stores.codecs import decompressed
from pgreplterm.wal.stores.store import Store

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a store. size is what it takes there, in bytes; unfinished: its writer had not closed it."""

    store: Store
    name: str
    size: int
    codec: str | None = None
    unfinished: bool = False

    @property
    def where(self) -> str:
        """The file as sentences name it."""
        return self.store.locate(self.name)

    @property
    def base(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]

    def open(self, offset: int = 0) -> IO[bytes]:
        """The bytes from offset (of the uncompressed file) on. A plain local file is a raw ``io.FileIO``.

        Raises WalError when it cannot be opened; reading the stream raises it too, or OSError: see ``fill``.
        """
        if self.codec is None:
            return self.store.open(self.name, offset)
        stream = decompressed(self.store.open(self.name), self.codec, self.where, unfinished=self.unfinished)
        try:
            _skip(stream, offset, self.where)
        except BaseException:
            stream.close()
            raise
        return stream

    def read_at(self, offset: int, length: int) -> bytes:
        """length bytes (fewer at the end of the file) from offset, both in bytes of the uncompressed file.

        A compressed file is read from its beginning. Raises WalError when the file cannot be read.
        """
        if self.codec is None:
            return self.store.read_at(self.name, offset, length)
        with self.open(offset) as stream:
            data = bytearray(length)
            return bytes(data[: fill(stream, memoryview(data), self.where)])


def fill(stream: IO[bytes], view: memoryview, where: object) -> int:
    """Read until view is full or the stream ends; the number of bytes read.

    Raises WalError when the disk fails or compressed data is damaged, naming the file (where).
    """
    filled = 0
    with reading(where):
        while filled < len(view):
            got = stream.readinto(view[filled:])  # type: ignore[attr-defined]
            if not got:
                break
            filled += got
    return filled


@contextmanager
def reading(where: object) -> Iterator[None]:
    """Raises WalError, naming the file (where), for what the system says while it is read."""
    try:
        yield
    except OSError as error:
        raise unreadable(str(where), "a segment that can be read", error) from error


def _skip(stream: IO[bytes], length: int, where: str) -> None:
    view = memoryview(bytearray(min(length, CHUNK)))
    while length:
        got = fill(stream, view[: min(length, CHUNK)], where)
        if not got:
            return
        length -= got
