"""Segment files as bytes: plain, .gz and .zst.

Owns: opening, reading from an offset, and the sentence for each way a file cannot be read.
Must not: know what the bytes mean.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from pgreplterm.wal.errors import WalError, unreadable

CHUNK = 512 * 1024


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Make one sentence of what the system says of a file that was listed and cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise WalError(
            f"{path}: this segment is gone since the folder was listed; a running server removes and renames "
            "segments, so look again."
        ) from error
    except OSError as error:
        raise unreadable(path, "a segment that can be read", error) from error


def open_bytes(path: Path, compression: str | None) -> IO[bytes]:
    """The segment's bytes as a stream. Raises WalError when it cannot be opened."""
    with _reading(path):
        if compression == "gz":
            return cast(IO[bytes], gzip.open(path))
        if compression == "zst":
            return _open_zstd(path)
        return path.open("rb", buffering=0)


def _open_zstd(path: Path) -> IO[bytes]:
    try:
        import zstandard
    except ImportError as error:
        raise WalError(
            f"{path}: reading .zst needs the package zstandard, which is not installed; "
            "install it with: pip install 'pgreplterm[archive]'"
        ) from error
    try:
        return zstandard.ZstdDecompressor().stream_reader(path.open("rb"), closefd=True)
    except zstandard.ZstdError as error:
        raise WalError(f"{path}: expected zstd data; {error}.") from error


def _compression(path: Path) -> str | None:
    return path.suffix[1:] if path.suffix in (".gz", ".zst") else None


def _read_fully(stream: IO[bytes], length: int, path: Path) -> bytes:
    data = bytearray(length)
    return bytes(data[: fill(stream, memoryview(data), path)])


def fill(stream: IO[bytes], view: memoryview, path: Path) -> int:
    """Read until view is full or the stream ends; the number of bytes read.

    Raises WalError when the disk fails or the compressed data is damaged, naming the file.
    """
    filled = 0
    try:
        while filled < len(view):
            got = stream.readinto(view[filled:])  # type: ignore[attr-defined]
            if not got:
                break
            filled += got
    except (EOFError, gzip.BadGzipFile, zlib.error, io.UnsupportedOperation) as error:
        raise WalError(f"{path}: expected whole gzip data; {error}.") from error
    except OSError as error:
        raise unreadable(path, "a segment that can be read", error) from error
    except Exception as error:
        if type(error).__name__ == "ZstdError":
            raise WalError(f"{path}: expected whole zstd data; {error}.") from error
        raise
    return filled


def read_at(path: Path, offset: int, length: int) -> bytes:
    """length bytes (fewer at the end of the file) from offset, both in bytes of the uncompressed segment.

    Raises WalError when the file cannot be read.
    """
    compression = _compression(path)
    if compression is None:
        with _reading(path):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                return os.pread(descriptor, length, offset)
            finally:
                os.close(descriptor)
    with open_bytes(path, compression) as stream:
        skipped = 0
        while skipped < offset:
            step = _read_fully(stream, min(CHUNK, offset - skipped), path)
            if not step:
                return b""
            skipped += len(step)
        return _read_fully(stream, length, path)
