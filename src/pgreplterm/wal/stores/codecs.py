"""Compressed files as a stream of what was compressed.

Owns: the compressions that can be read, how each is told from a name, and the sentence for damaged data.
Must not: import a decompressor before a file needs it, or hold more than one piece of output in memory.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import IO, Any, Protocol, cast

from pgreplterm.wal.errors import WalError

_PIECE = 128 * 1024
_XZ_MEMORY = 256 * 1024 * 1024

# Suffix to codec; several programs spell zstd out. Sources: pg_receivewal.c, pgBackRest's compress/helper.c,
# WAL-G's internal/compression, Barman, pgmoneta.
SUFFIXES = {
    "gz": "gz",
    "lz4": "lz4",
    "zst": "zst",
    "zstd": "zst",
    "bz2": "bz2",
    "xz": "xz",
    "lzma": "xz",
    "br": "br",
    "aes": "aes",
    "gpg": "gpg",
}
_LABELS = {"gz": "gzip", "zst": "zstd"}
_NO_READER = {
    "br": "brotli, which this program does not read; decompress it first: brotli -d",
    "aes": "an encrypted file, which this program does not read; decrypt it first",
    "gpg": "an encrypted file, which this program does not read; decrypt it first",
}


def codec_of(name: str) -> str | None:
    """The codec that a file name's last suffix stands for (``.partial`` not counted), or None."""
    return SUFFIXES.get(name.removesuffix(".partial").rpartition(".")[2])


def tar_codec(name: str) -> tuple[str | None] | None:
    """For the name of a tar archive its codec (None when plain) in a tuple; None for any other name."""
    if name.endswith(".tgz"):
        return ("gz",)
    stem, _, suffix = name.rpartition(".")
    if suffix == "tar":
        return (None,)
    return (SUFFIXES[suffix],) if suffix in SUFFIXES and stem.endswith(".tar") else None


def decompressed(stream: IO[bytes], codec: str, where: str, *, unfinished: bool) -> IO[bytes]:
    """What was compressed, from its first byte on. Closing it closes stream.

    unfinished: the writer has not closed the file, so compressed data that stops short is simply its end.
    Raises WalError when the codec has no reader here, and while reading when the data is damaged.
    """
    if codec in _NO_READER:
        stream.close()
        raise WalError(f"{where}: expected a segment that can be read; found {_NO_READER[codec]}.")
    try:
        if codec == "zst" and sys.version_info < (3, 14):
            return cast(IO[bytes], _Zstd(stream, where))
        return cast(IO[bytes], _Frames(stream, _DECODERS[codec](), codec, where, unfinished=unfinished))
    except ImportError as error:
        stream.close()
        package = {"lz4": "lz4", "zst": "zstandard"}.get(codec, codec)
        raise WalError(
            f"{where}: reading .{codec} needs the package {package}, which is not installed; "
            "install it with: pip install 'pgreplterm[archive]'"
        ) from error


class _Decoder(Protocol):
    """What the decompressors of bz2, lzma and lz4 have in common; one decodes one frame."""

    eof: bool
    needs_input: bool
    unused_data: bytes | None

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Kind:
    """How to begin a frame, and what its decoder raises for damaged data."""

    begin: Callable[[], Any]
    errors: tuple[type[Exception], ...]


class _Gzip:
    """zlib's decompressor in the shape of the others."""

    def __init__(self) -> None:
        import zlib

        self._zlib = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail and len(out) < max_length
        return out


def _gzip() -> _Kind:
    import zlib

    return _Kind(_Gzip, (zlib.error,))


def _bz2() -> _Kind:
    import bz2

    return _Kind(bz2.BZ2Decompressor, (OSError, ValueError))


def _xz() -> _Kind:
    import lzma

    return _Kind(lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY), (lzma.LZMAError,))


def _lz4() -> _Kind:
    frame = import_module("lz4.frame")  # it has no types
    return _Kind(frame.LZ4FrameDecompressor, (RuntimeError,))


def _zst() -> _Kind:
    zstd = import_module("compression.zstd")  # Python 3.14
    return _Kind(zstd.ZstdDecompressor, (zstd.ZstdError,))


_DECODERS: dict[str, Callable[[], _Kind]] = {"gz": _gzip, "bz2": _bz2, "xz": _xz, "lz4": _lz4, "zst": _zst}


class _Frames(io.RawIOBase):
    """One or more compressed frames, one behind the other; zeros behind the last are padding."""

    def __init__(self, stream: IO[bytes], kind: _Kind, codec: str, where: str, *, unfinished: bool) -> None:
        self._stream, self._kind, self._where = stream, kind, where
        self._label = _LABELS.get(codec, codec)
        self._unfinished = unfinished
        self._decoder: _Decoder | None = None
        self._input = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        while view:  # a limit of 0 means none to zlib
            if not self._ready():
                return 0
            assert self._decoder is not None
            piece, self._input = self._input, b""
            try:
                out = self._decoder.decompress(piece, len(view))
            except self._kind.errors as error:
                raise self._damaged(str(error)) from error
            if out:
                view[: len(out)] = out
                return len(out)
        return 0

    def _ready(self) -> bool:
        """Whether there is something to decode: input, or output that the decoder still holds."""
        if self._decoder is not None and self._decoder.eof:
            self._input = (self._decoder.unused_data or b"").lstrip(b"\0")  # None of lz4
            self._decoder = None
        if self._decoder is not None and not self._decoder.needs_input:
            return True
        while not self._input:
            piece = self._stream.read(_PIECE)
            if not piece:
                if self._decoder is not None and not self._unfinished:
                    raise self._damaged("it ends before the compressed data does")
                return False
            self._input = piece if self._decoder is not None else piece.lstrip(b"\0")
        self._decoder = self._decoder or self._kind.begin()
        return True

    def _damaged(self, what: str) -> WalError:
        return WalError(f"{self._where}: expected whole {self._label} data; {what.rstrip('.')}.")

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Zstd(io.RawIOBase):
    """The package zstandard's reader, whose data ends quietly when it is cut: the bytes that are missing will tell."""

    def __init__(self, stream: IO[bytes], where: str) -> None:
        import zstandard

        self._errors = zstandard.ZstdError
        self._where = where
        self._reader = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True, closefd=True)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._reader.readinto(buffer))
        except self._errors as error:
            raise WalError(f"{self._where}: expected whole zstd data; {error}.") from error

    def close(self) -> None:
        self._reader.close()  # type: ignore[no-untyped-call]
        super().close()


class ZeroFilled(io.RawIOBase):
    """A stream of exactly length bytes: those of another, then zeros, as a server preallocates its segments."""

    def __init__(self, stream: IO[bytes], length: int) -> None:
        self._stream, self._left = stream, length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")[: self._left]
        got: int = self._stream.readinto(view) if view else 0  # type: ignore[attr-defined]
        if not got:
            got = len(view)
            view[:] = bytes(got)
        self._left -= got
        return got

    def close(self) -> None:
        self._stream.close()
        super().close()
