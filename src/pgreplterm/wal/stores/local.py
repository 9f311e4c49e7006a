"""A folder of this machine.

Owns: the sentence for each way a local file cannot be read. Must not: search, or follow anything but the name given.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pgreplterm.wal.errors import unreadable
from pgreplterm.wal.stores.store import Entry, gone

_EXPECTED = "a segment that can be read"


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """The files below root."""

    root: Path

    @property
    def where(self) -> str:
        """The folder's path."""
        return str(self.root)

    def locate(self, name: str) -> str:
        """The file's path."""
        return str(self.root / name)

    def entries(self, folder: str = "") -> list[Entry]:
        """Regular files and folders, links followed; what is neither cannot be read without waiting for a writer."""
        path = self.root / folder
        prefix = f"{folder}/" if folder else ""
        try:
            with os.scandir(path) as found:
                entries = [_entry(prefix, each) for each in found]
        except OSError as error:
            raise unreadable(path, "a folder of WAL segments", error) from error
        return sorted((entry for entry in entries if entry is not None), key=lambda entry: entry.name)

    def open(self, name: str, offset: int = 0) -> IO[bytes]:
        """The file itself, unbuffered: what is read goes where the reader wants it and nowhere else."""
        path = self.root / name
        with _reading(path):
            stream = path.open("rb", buffering=0)
            if offset:
                stream.seek(offset)
            return stream

    def read_at(self, name: str, offset: int, length: int) -> bytes:
        """One pread."""
        path = self.root / name
        with _reading(path):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                return os.pread(descriptor, length, offset)
            finally:
                os.close(descriptor)


def _entry(prefix: str, found: os.DirEntry[str]) -> Entry | None:
    """None for what is neither file nor folder, and for what is gone by now, as a server's segments may be."""
    try:
        is_folder = found.is_dir()
        return Entry(prefix + found.name, found.stat().st_size, is_folder) if is_folder or found.is_file() else None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return None
        raise


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Make one sentence of what the system says of a file that was listed and cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise gone(str(path)) from error
    except OSError as error:
        raise unreadable(path, _EXPECTED, error) from error
