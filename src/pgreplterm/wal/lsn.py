"""Log sequence numbers: byte positions in the WAL stream.

Owns: parsing, printing, and the arithmetic between a position and the segment that holds it.
Must not: touch files or servers.
"""

from __future__ import annotations

import re

_LSN_TEXT = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


class LSN(int):
    """A byte position in the WAL stream, 0 to 2**64 - 1; ``str`` gives pg_waldump's ``%X/%08X``.

    The low half is zero-padded as pg_waldump has always done in its columns and the server does from 19
    (src/include/access/xlogdefs.h, LSN_FORMAT_ARGS); both spellings parse.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> LSN:
        """Read ``X/X`` as the server prints it. Raises ValueError naming what was found."""
        match = _LSN_TEXT.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"expected an LSN such as 0/3000060, found {text!r}")
        return cls(int(match[1], 16) << 32 | int(match[2], 16))

    def __str__(self) -> str:
        return f"{self >> 32:X}/{self & 0xFFFFFFFF:08X}"

    def __repr__(self) -> str:
        return f"LSN({str(self)!r})"

    def __add__(self, other: int) -> LSN:
        return LSN(int(self) + other)

    def segment_number(self, segment_size: int) -> int:
        """The number of the segment that holds this byte (segment_size in bytes)."""
        return int(self) // segment_size

    def segment_offset(self, segment_size: int) -> int:
        """The byte offset inside its segment (segment_size in bytes)."""
        return int(self) % segment_size
