"""The majors this program reads, keyed by page magic, and the sentence for those it does not.

Owns: nothing but a view of the C library's format table. Must not: guess a format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.errors import WalError

MAGICS = {0xD106: 13, 0xD10D: 14, 0xD110: 15, 0xD113: 16, 0xD116: 17, 0xD118: 18, 0xD122: 19}


@dataclass(frozen=True, slots=True)
class WalFormat:
    """How one major writes WAL. handle is the C row, which lives as long as the library."""

    magic: int
    major: int
    handle: Any

    def __reduce__(self) -> tuple[Any, ...]:
        return format_for, (self.magic, "pickle")


def format_for(magic: int, where: str) -> WalFormat:
    """The format of that page magic. Raises WalError, whose sentence begins with where."""
    handle = lib.walscan_format_for(magic)
    if handle == ffi.NULL:
        raise WalError(_unsupported(magic, where))
    return WalFormat(magic, handle.major, handle)


def _unsupported(magic: int, where: str) -> str:
    known = ", ".join(f"{value:04X} (PostgreSQL {major})" for value, major in MAGICS.items())
    swapped = (magic & 0xFF) << 8 | magic >> 8
    if swapped in MAGICS:
        found = f"{magic:04X}, which is {swapped:04X} written by a machine of the other byte order"
    elif 0xD093 <= magic < 0xD106:
        found = f"{magic:04X}, of a PostgreSQL older than 13"
    elif 0xD106 < magic <= 0xD1FF:
        found = f"{magic:04X}, of a pre-release or newer PostgreSQL"
    else:
        found = f"{magic:04X}, so this is no WAL of a supported server"
    return f"{where}: expected a WAL page magic of {known}; found {found}."
