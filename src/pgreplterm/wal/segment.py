"""Names of WAL segment files.

Owns: the 24-digit name, its suffixes, and the arithmetic between name, segment number and LSN.
Must not: open files. Source of the rules: src/include/access/xlog_internal.h (XLogFileName, XLogFromFileName);
the suffixes are those of pg_receivewal, pgBackRest, WAL-G, Barman and pgmoneta.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.stores.codecs import SUFFIXES

_DIGITS = "([0-9A-F]{8})"
_SUFFIX = "|".join(SUFFIXES)
# pgBackRest puts the SHA-1 of the uncompressed segment behind the name, pg_receivewal .partial behind everything.
_NAME = re.compile(
    rf"{_DIGITS}{_DIGITS}{_DIGITS}(\.partial)?(?:-[0-9a-f]{{40}})?(?:\.({_SUFFIX}))?(?:\.(aes|gpg))?(\.partial)?"
)
_XLOG_ID_SPAN = 1 << 32

SEGMENT_SIZE_MIN = 1 << 20
SEGMENT_SIZE_MAX = 1 << 30


@dataclass(frozen=True, slots=True)
class SegmentName:
    """A segment as its file name tells it: timeline and the two halves of its number.

    compression is a codec (``stores.codecs``), or None for plain bytes.
    """

    timeline: int
    high: int
    low: int
    partial: bool = False
    compression: str | None = None

    def number(self, segment_size: int) -> int:
        """The segment's number, counted from LSN 0 (segment_size in bytes)."""
        return self.high * (_XLOG_ID_SPAN // segment_size) + self.low

    def start(self, segment_size: int) -> LSN:
        """The LSN of the segment's first byte."""
        return LSN(self.number(segment_size) * segment_size)


def parse_segment_name(text: str) -> SegmentName | None:
    """The parts of ``TTTTTTTTXXXXXXXXYYYYYYYY[.partial][-sha1][.gz|.lz4|...][.partial]``; None for any other name."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    timeline, high, low = (int(digits, 16) for digits in match.group(1, 2, 3))
    suffix = match[6] or match[5]
    return SegmentName(
        timeline, high, low, bool(match[4] or match[7]), SUFFIXES[suffix] if suffix is not None else None
    )


def segment_name(timeline: int, number: int, segment_size: int) -> str:
    """The file name of that segment (segment_size in bytes)."""
    per_id = _XLOG_ID_SPAN // segment_size
    return f"{timeline:08X}{number // per_id:08X}{number % per_id:08X}"
