"""What a place that holds WAL files can do, whatever it is.

Owns: the protocol, its entries, and the error for a file that is gone. Must not: know one particular place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Protocol

from pgreplterm.wal.errors import WalError


class WalGoneError(WalError):
    """The file was listed, or is expected by its name, and is not there."""


def gone(where: str) -> WalGoneError:
    """The error for a segment that went away between being listed and being read."""
    return WalGoneError(
        f"{where}: this segment is gone since the folder was listed; a running server removes and renames "
        "segments, so look again."
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder of a store. name counts from the store's root; size is what is stored, in bytes."""

    name: str
    size: int
    is_folder: bool = False

    @property
    def base(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]


class Store(Protocol):
    """Files under a root, read only. Names have "/" between their parts; "" is the root.

    Every method raises WalError: WalGoneError for a file that is not there, WalDeniedError for one that may not be
    read. Offsets and lengths are bytes as stored, before any decompression. Stores can be pickled.
    """

    @property
    def where(self) -> str:
        """The root as sentences name it; holds no password."""
        ...

    def locate(self, name: str) -> str:
        """A file as sentences name it."""
        ...

    def entries(self, folder: str = "") -> list[Entry]:
        """What lies directly in a folder, by name. A place without folders gives every file it has."""
        ...

    def open(self, name: str, offset: int = 0) -> IO[bytes]:
        """The file's bytes from offset on. The stream reads in as large pieces as are asked for."""
        ...

    def read_at(self, name: str, offset: int, length: int) -> bytes:
        """length bytes from offset, fewer at the file's end."""
        ...
