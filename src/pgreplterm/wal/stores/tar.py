"""Tar archives: plain ones are read where they lie, compressed ones from front to back.

Owns: the index of an archive's files, and the few of a compressed one that are kept on disk while they are read.
Must not: unpack an archive, or keep one of its files in memory.

A plain archive is its files with headers between them, so a file is a place in it. A compressed one can only be read
forward: a file asked for is written to a temporary file without a name, with those passed on the way that may be
asked for next. Who reads the segments in the archive's order reads the archive once more after its index was made.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import IO, Any, cast

from pgreplterm.wal.errors import WalError
from pgreplterm.wal.files import CHUNK, StoredFile
from pgreplterm.wal.stores.store import Entry, gone

_SPOOL_BYTES = 256 * 1024 * 1024  # of files on disk; two are kept whatever their size
_SPOOL_FILES = 64  # at most: each takes one of the descriptors a process may have, often 1,024
_SMALL = 64 * 1024  # of histories and pg_control, kept with the index
_HEAD = 64  # of every other file: enough for the page header that says what a segment is


class _Tar:
    def __init__(self, archive: StoredFile) -> None:
        self._archive = archive

    @property
    def where(self) -> str:
        """The archive itself."""
        return self._archive.where

    def locate(self, name: str) -> str:
        """The archive and the file in it."""
        return f"{self.where}: {name}"


class PlainTar(_Tar):
    """The files of an uncompressed archive, whatever it lies in."""

    def __init__(self, archive: StoredFile) -> None:
        super().__init__(archive)
        self._members: dict[str, tarfile.TarInfo] | None = None

    def entries(self, folder: str = "") -> list[Entry]:  # noqa: ARG002
        """Every file in it, at whatever depth."""
        return [Entry(name, member.size) for name, member in sorted(self._index().items())]

    def open(self, name: str, offset: int = 0) -> IO[bytes]:
        """A part of the archive; of a sparse file, its parts with the zeros between them."""
        member = self._member(name)
        if member.issparse():
            return cast(IO[bytes], _sparse(self._archive.open(), member, offset))
        left = max(member.size - offset, 0)
        return cast(IO[bytes], _Bounded(self._archive.open(member.offset_data + offset), left))

    def read_at(self, name: str, offset: int, length: int) -> bytes:
        """One read of the archive."""
        member = self._member(name)
        if member.issparse():
            with self.open(name, offset) as stream:
                return stream.read(length)
        length = min(length, max(member.size - offset, 0))
        return self._archive.read_at(member.offset_data + offset, length)

    def _member(self, name: str) -> tarfile.TarInfo:
        member = self._index().get(name)
        if member is None:
            raise gone(self.locate(name))
        return member

    def _index(self) -> dict[str, tarfile.TarInfo]:
        if self._members is None:
            members: dict[str, tarfile.TarInfo] = {}
            with closing(self._archive.open()) as stream, _reading(self.where):
                try:
                    with tarfile.open(fileobj=stream, mode="r:", tarinfo=_CheckedInfo) as tar:
                        members.update((_name(member), member) for member in tar if member.isreg())
                except _DamagedHeader:
                    raise
                except tarfile.ReadError:
                    if not members:
                        raise
                    # The archive is cut in the middle of its last file, which then is one that ends early.
                    cut = max(members.values(), key=lambda member: member.offset_data)
                    cut.size = min(cut.size, max(stream.seek(0, io.SEEK_END) - cut.offset_data, 0))
            self._members = members
        return self._members


class PackedTar(_Tar):
    """The files of a compressed archive."""

    def __init__(self, archive: StoredFile) -> None:
        super().__init__(archive)
        self._index: dict[str, tuple[int, bytes]] | None = None
        self._spool: dict[str, _Spooled] = {}
        self._passing: Iterator[tuple[str, _Spooled]] | None = None
        self._read: set[str] = set()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[PackedTar], tuple[StoredFile]]:
        return PackedTar, (self._archive,)

    def entries(self, folder: str = "") -> list[Entry]:  # noqa: ARG002
        """Every file in it, at whatever depth. Reads the whole archive the first time."""
        return [Entry(name, size) for name, (size, _) in sorted(self._known().items())]

    def open(self, name: str, offset: int = 0) -> IO[bytes]:
        """The file from its copy on disk."""
        return cast(IO[bytes], _SpooledStream(self._spooled(name), offset))

    def read_at(self, name: str, offset: int, length: int) -> bytes:
        """From what the index keeps of the file's beginning, or from its copy on disk."""
        size, head = self._known().get(name, (0, b""))
        if offset + length <= len(head) or (len(head) == size and name in self._known()):
            return head[offset : offset + length]
        return os.pread(self._spooled(name).descriptor, length, offset)

    def _known(self) -> dict[str, tuple[int, bytes]]:
        with self._lock:
            if self._index is None:
                index = {}
                for name, size, stream in _pass(self._archive):
                    index[name] = size, stream.read(_SMALL if _is_kept(name) else _HEAD)
                self._index = index
            return self._index

    def _spooled(self, name: str) -> _Spooled:
        """The copy of a file, made now if it is not kept: read on to it, or once more from the archive's beginning."""
        if name not in self._known():
            raise gone(self.locate(name))
        with self._lock:
            for again in (False, True):
                if name in self._spool:
                    break
                if again or self._passing is None:
                    self._passing = _copies(self._archive)
                for passed, copy in self._passing:
                    if passed == name or passed not in self._read:
                        self._keep(passed, copy)
                    if passed == name:
                        break
            self._read.add(name)
            return self._spool[name]

    def _keep(self, name: str, copy: _Spooled) -> None:
        self._spool[name] = copy
        while len(self._spool) > 2 and self._is_too_much():
            del self._spool[next(iter(self._spool))]

    def _is_too_much(self) -> bool:
        return len(self._spool) > _SPOOL_FILES or sum(kept.size for kept in self._spool.values()) > _SPOOL_BYTES


# Functions of the archive alone: a generator that held its PackedTar would keep it, and its descriptors, alive.


def _copies(archive: StoredFile) -> Iterator[tuple[str, _Spooled]]:
    for name, _, stream in _pass(archive):
        with tempfile.TemporaryFile(buffering=0) as file:
            shutil.copyfileobj(stream, file, CHUNK)
            copy = _Spooled(os.dup(file.fileno()), file.tell())
        yield name, copy


def _pass(archive: StoredFile) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, size and bytes of each file, in the archive's order; the bytes can be read until the next is taken."""
    with (
        closing(archive.open()) as stream,
        _reading(archive.where),
        tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20, tarinfo=_CheckedInfo) as tar,
    ):
        for member in tar:
            if member.isreg():
                yield _name(member), member.size, cast(IO[bytes], tar.extractfile(member))
            tar.members = []  # type: ignore[attr-defined]  # it would keep every header it has seen


class _DamagedHeader(tarfile.ReadError):
    """Something else than a header or the end stands where a header should."""


class _CheckedInfo(tarfile.TarInfo):
    """A header that is damaged is an error; tarfile takes it for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _CheckedInfo:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf):
                raise _DamagedHeader(f"a damaged header ({error})") from error
            raise


class _Spooled:
    """A temporary file without a name; it goes when nobody reads it any more."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor, self.size = descriptor, size
        weakref.finalize(self, os.close, descriptor)


class _SpooledStream(io.RawIOBase):
    def __init__(self, spooled: _Spooled, offset: int) -> None:
        self._spooled, self._offset = spooled, offset

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got = os.preadv(self._spooled.descriptor, [buffer], self._offset)
        self._offset += got
        return got


class _Bounded(io.RawIOBase):
    """The next so many bytes of a stream, read straight into the reader's buffer."""

    def __init__(self, stream: IO[bytes], left: int, *behind: IO[bytes]) -> None:
        self._stream, self._left, self._behind = stream, left, behind

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")[: self._left]
        got: int = self._stream.readinto(view) if view else 0  # type: ignore[attr-defined]
        self._left -= got
        return got

    def close(self) -> None:
        for stream in (self._stream, *self._behind):
            stream.close()
        super().close()


def _sparse(archive: IO[bytes], member: tarfile.TarInfo, offset: int) -> _Bounded:
    """A file whose holes are not in the archive; tarfile knows where they belong."""
    with tarfile.open(fileobj=archive, mode="r:") as tar:
        stream = cast(IO[bytes], tar.extractfile(member))
    stream.seek(offset)
    return _Bounded(stream, max(member.size - offset, 0), archive)


def _is_kept(name: str) -> bool:
    return name.endswith((".history", "global/pg_control"))


def _name(member: tarfile.TarInfo) -> str:
    return member.name.removeprefix("./")


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise WalError(f"{where}: expected a whole tar archive; found {error}.") from error
