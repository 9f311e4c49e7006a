"""A break in the WAL as words: what was expected, what was found, where.

Owns: the sentence for each code of the walker. Must not: judge what the break means.
"""

from __future__ import annotations

from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.walker import Break, Code

_TEXTS = {
    Code.NO_ERROR: "page {lsn}: expected it in its file, which ends before it",
    Code.PAGE_MAGIC: "page {lsn}: expected magic {expected:04X}, found {found:04X}",
    Code.PAGE_FLAGS: "page {lsn}: expected only flags {expected:04X}, found {found:04X}",
    Code.PAGE_NOT_LONG: "page {lsn}: expected the long header that begins a segment, found flags {found:04X}",
    Code.PAGE_SYSTEM_ID: "page {lsn}: expected system identifier {expected}, found {found}",
    Code.PAGE_SEGMENT_SIZE: "page {lsn}: expected segment size {expected}, found {found}",
    Code.PAGE_SIZE: "page {lsn}: expected page size {expected}, found {found}",
    Code.PAGE_TIMELINE: "page {lsn}: expected timeline {expected} or later, found {found}",
    Code.CONTRECORD_UNEXPECTED: "page {lsn}: expected a new record, found the continuation of another",
    Code.CONTRECORD_MISSING: "record {record}: expected its continuation on page {lsn}, found none",
    Code.CONTRECORD_LENGTH: "record {record}: expected {expected} more bytes on page {lsn}, found {found}",
    Code.RECORD_RMGR: "record {record}: expected a resource manager up to {expected}, found {found}",
    Code.RECORD_CRC: "record {record}: expected CRC {expected:08X}, found {found:08X}",
    Code.FRAGMENT_ID: "record {record}: right CRC, but a fragment id that cannot stand there",
    Code.FRAGMENT_LENGTH: "record {record}: right CRC, but its parts do not add up to its length",
    Code.BLOCK_FORK: "record {record}: right CRC, but a block reference to a fork that does not exist",
    Code.BLOCK_DATA: "record {record}: right CRC, but a block reference whose data flag and length disagree",
    Code.BLOCK_IMAGE: "record {record}: right CRC, but an image whose length and hole disagree",
    Code.BLOCK_SAME_REL: "record {record}: right CRC, but a reference to the relation of no earlier block",
}


def break_text(stopped: Break) -> str:
    """One clause, without a full stop; it names the record that a refused page was to continue."""
    text = _break_text(stopped)
    return f"record {stopped.record}: on {text}" if text.startswith("page") and stopped.record < stopped.lsn else text


def _break_text(stopped: Break) -> str:
    if stopped.code is Code.PAGE_ADDRESS:
        return f"page {stopped.lsn}: expected its own address, found {LSN(stopped.found)}"
    if stopped.code is Code.RECORD_PREV:
        expected = str(LSN(stopped.expected)) if stopped.expected else "an earlier LSN"
        return f"record {stopped.record}: expected previous record {expected}, found {LSN(stopped.found)}"
    if stopped.code is Code.RECORD_LENGTH:
        bound = "at least" if stopped.found < stopped.expected else "at most"
        return f"record {stopped.record}: expected a length of {bound} {stopped.expected}, found {stopped.found}"
    return _TEXTS[stopped.code].format(
        lsn=stopped.lsn, record=stopped.record, expected=stopped.expected, found=stopped.found
    )


def size_text(size: int) -> str:
    """A number of bytes for people, in powers of 1024."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1024 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError("unreachable")


def pages_text(pages: int) -> str:
    """A number of pages for people."""
    return f"{pages} page" if pages == 1 else f"{pages} pages"


def percent(part: int, whole: int) -> float:
    """That part of a whole, 0 of nothing, as pg_waldump --stats has it."""
    return 100.0 * part / whole if whole else 0.0
