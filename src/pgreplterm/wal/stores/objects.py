"""Object storage and whatever else fsspec reaches: ``s3://``, ``gs://``, ``sftp://``, ``http://``, ``memory://``.

Owns: turning a URL into a store, and any provider's failure into one sentence.
Must not: name one provider, or show what a URL says of users and passwords.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any, cast

from pgreplterm.wal.errors import WalDeniedError, WalError
from pgreplterm.wal.stores.store import Entry, gone

_BLOCK = 4 * 1024 * 1024  # one request; a segment of 16 MB is four
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]*://")


def is_url(text: str) -> bool:
    """Whether text begins as a URL does (or a chain of them, as fsspec takes it)."""
    return _SCHEME.match(text) is not None


def open_url(url: str) -> tuple[ObjectStore, str, int]:
    """The store that a URL leads to, and the file in it that the URL names with its size in bytes.

    A URL of a folder gives no name ("") and no size (0).

    Raises WalError when fsspec, or its driver for the scheme, is not installed, or nothing is there.
    """
    shown = _without_secrets(url)
    try:
        url_to_fs = import_module("fsspec.core").url_to_fs  # it has no types
    except ImportError as error:
        raise WalError(
            f"{shown}: reading a URL needs the package fsspec, which is not installed; "
            "install it with: pip install 'pgreplterm[objects]'"
        ) from error
    with _reading(shown):
        system, path = url_to_fs(url)
        path = path.rstrip("/")
        if url.endswith("/") or system.isdir(path):
            return ObjectStore(system, path, shown.rstrip("/")), "", 0
        if not system.exists(path):
            raise WalError(f"{shown}: expected a WAL segment, an archive or a folder of segments; nothing is there.")
        size = system.info(path)["size"]
    folder, _, name = path.rpartition("/")
    return ObjectStore(system, folder, shown.rpartition("/")[0]), name, _known(size, shown)


class ObjectStore:
    """What lies below a path of an fsspec file system."""

    def __init__(self, system: Any, root: str, where: str) -> None:
        self._system, self._root, self._where = system, root, where

    @property
    def where(self) -> str:
        """The URL, without users and passwords."""
        return self._where

    def locate(self, name: str) -> str:
        """The URL of the file."""
        return f"{self._where}/{name}"

    def entries(self, folder: str = "") -> list[Entry]:
        """One listing request."""
        prefix = f"{folder}/" if folder else ""
        with _reading(self.locate(folder)):
            try:
                listed = self._system.ls(self._path(folder), detail=True)
            except FileNotFoundError:
                listed = []  # object stores have no empty folders
            found = [self._entry(prefix, each) for each in listed]
        return sorted(found, key=lambda entry: entry.name)

    def _entry(self, prefix: str, listed: dict[str, Any]) -> Entry:
        """One line of a listing. Some servers list names alone: then each file is asked for its size."""
        path = str(listed["name"])
        name, is_folder = prefix + path.rstrip("/").rpartition("/")[2], listed["type"] == "directory"
        size = 0 if is_folder else listed.get("size")
        if size is None:
            size = self._system.info(path)["size"]
        return Entry(name, _known(size, self.locate(name)), is_folder)

    def open(self, name: str, offset: int = 0) -> IO[bytes]:
        """The object, read ahead in blocks of 4 MB."""
        with _reading(self.locate(name)):
            stream = self._system.open(self._path(name), "rb", block_size=_BLOCK)
            stream.seek(offset)
        return cast(IO[bytes], _Told(stream, self.locate(name)))

    def read_at(self, name: str, offset: int, length: int) -> bytes:
        """One range request."""
        with _reading(self.locate(name)):
            return bytes(self._system.cat_file(self._path(name), start=offset, end=offset + length))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root or "/"


class _Told:
    """A provider's stream whose failures are one sentence."""

    def __init__(self, stream: Any, where: str) -> None:
        self._stream, self._where = stream, where

    def __enter__(self) -> _Told:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def readinto(self, buffer: Any) -> int:
        with _reading(self._where):
            return int(self._stream.readinto(buffer))

    def read(self, size: int = -1) -> bytes:
        with _reading(self._where):
            return bytes(self._stream.read(size))

    def seek(self, offset: int, whence: int = 0) -> int:
        with _reading(self._where):
            return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())

    def close(self) -> None:
        self._stream.close()


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Drivers raise what their libraries raise; all of it is a store that did not answer as hoped."""
    try:
        yield
    except WalError:
        raise
    except FileNotFoundError as error:
        raise gone(where) from error
    except PermissionError as error:
        raise WalDeniedError(
            f"{where}: expected WAL that may be read; the store refuses it to these credentials."
        ) from error
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise WalError(f"{where}: expected WAL at this URL; {_without_secrets(said).rstrip('.')}.") from error


def _known(size: Any, where: str) -> int:
    if size is None:
        raise WalError(f"{where}: expected a server that tells a file's size; this one does not.")
    return int(size)


def _without_secrets(text: str) -> str:
    text = re.sub(r"(://)[^/@\s]*@", r"\1***@", text)
    return re.sub(r"(\?)\S*", r"\1...", text)
