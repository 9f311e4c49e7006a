"""Page headers as Python values.

Owns: reading the header of one page, and recognising the first page of a segment.
Must not: judge a page's place in a stream; the walker does.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.format import WalFormat, format_for
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.segment import SEGMENT_SIZE_MAX, SEGMENT_SIZE_MIN

SHORT_HEADER, LONG_HEADER = 24, 40


@dataclass(frozen=True, slots=True)
class PageHeader:
    """XLogPageHeaderData, and XLogLongPageHeaderData where the page has one (sizes in bytes, else 0)."""

    magic: int
    info: int
    timeline: int
    address: LSN
    remaining: int
    system_identifier: int
    segment_size: int
    page_size: int
    header_length: int


def read_page_header(data: bytes | memoryview) -> PageHeader | None:
    """The header at the front of data, or None when data is shorter than the header it announces."""
    page = ffi.new("walscan_page *")
    if not lib.walscan_read_page(ffi.from_buffer(data), len(data), page):
        return None
    return PageHeader(
        page.magic,
        page.info,
        page.timeline,
        LSN(page.address),
        page.remaining,
        page.system_id,
        page.segment_size,
        page.page_size,
        page.header_length,
    )


def read_first_page(data: bytes, where: str) -> tuple[PageHeader, WalFormat]:
    """The long header that begins every segment. Raises WalError, whose sentence begins with where."""
    header = read_page_header(data)
    if header is None:
        raise WalError(
            f"{where}: expected a WAL segment, which begins with a {LONG_HEADER}-byte page header; "
            f"found {len(data)} bytes."
        )
    found = format_for(header.magic, where)
    if header.header_length != LONG_HEADER:
        raise WalError(
            f"{where}: expected the long page header that begins a segment; found a short one "
            f"(page address {header.address}), so this is no whole segment."
        )
    if not _is_power_of_two(header.segment_size, SEGMENT_SIZE_MIN, SEGMENT_SIZE_MAX):
        raise WalError(
            f"{where}: expected a segment size of 1 MB to 1 GB, a power of two; "
            f"found {header.segment_size} bytes in its page header."
        )
    if not _is_power_of_two(header.page_size, lib.WALSCAN_PAGE_SIZE_MIN, lib.WALSCAN_PAGE_SIZE_MAX):
        raise WalError(
            f"{where}: expected a WAL page size of 1 to 64 kB, a power of two; "
            f"found {header.page_size} bytes in its page header."
        )
    return header, found


def _is_power_of_two(number: int, low: int, high: int) -> bool:
    return low <= number <= high and number & (number - 1) == 0
