"""Where WAL goes on behind a break.

Owns: finding the first later record that proves it, and noticing that a server has written on in the meantime.
Must not: name ends; trust a length. Nothing is skipped because a header says how long its record is.

A reader of WAL stops at the first byte that cannot be a record, and every stream ends that way. Whether that is the
end or a hole shows only in what follows: a later record whose xl_prev is the last good record, or lies behind it,
proves that the stream went on (src/backend/access/transam/xlogreader.c has no such notion; pg_waldump just stops).
"""

from __future__ import annotations

from collections.abc import Iterator

from pgreplterm._walscan import lib
from pgreplterm.wal.ends import is_reached
from pgreplterm.wal.feed import Chunk, chunks
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.scan import new_walker
from pgreplterm.wal.source import Run, WalSource
from pgreplterm.wal.walker import Walker

_CANDIDATES_TRIED = 100_000
_PAGES_ASKED = 8


def resume_lsn(source: WalSource, run: Run, walker: Walker) -> LSN | None:
    """The first later record that proves the stream went on behind the break, or None.

    Its xl_prev is the last good record or a later one; that of what an earlier use of the file left is older. Before
    any good record, it must at least lie in this run: images of tables hold much that looks like an older LSN.
    """
    stopped = walker.stopped
    if stopped is None:
        return _behind_the_bytes(source, run, walker)
    page_refused = stopped.lsn != stopped.record and walker.partial is None
    after = stopped.record if page_refused else stopped.record + 8
    if walker.last is not None:
        return _found_record(source, run, after, walker.last)
    found = _found_record(source, run, after, run.segments[0].start or 1)
    told = _told_record(source, run, after)
    return min((lsn for lsn in (found, told) if lsn is not None), default=None)


def _behind_the_bytes(source: WalSource, run: Run, walker: Walker) -> LSN | None:
    """The bytes ran out: of a file that others follow, or in a record that is not as long as it says."""
    if walker.partial is not None:
        return _found_record(source, run, walker.partial + 8, walker.partial)
    if walker.position < run.segments[-1].start:
        return _found_record(source, run, walker.position, walker.last or run.segments[0].start or 1)
    return None


def _found_record(source: WalSource, run: Run, after: int, floor: int) -> LSN | None:
    """The first whole record from after on whose xl_prev lies at floor or behind it."""
    tried = 0
    for chunk in _chunks_from(source, run, after):
        begin = max(after, chunk.lsn)
        while candidate := _next_header(source, chunk, begin, floor):
            if _is_record(source, run, candidate, chunk):
                return candidate
            tried += 1
            if tried == _CANDIDATES_TRIED:
                return None
            begin = candidate + 8
    return None


def _told_record(source: WalSource, run: Run, after: int) -> LSN | None:
    """The first whole record on the pages behind the one that holds after, where their headers say that it begins."""
    page = after - after % source.page_size
    for _ in range(_PAGES_ASKED):
        page += source.page_size
        walker = new_walker(source, LSN(page), collect=False)
        if _finds_record(source, run, walker):
            return walker.first
    return None


def has_grown(source: WalSource, run: Run, walker: Walker) -> bool:
    """Whether a second look gets past the break: a server has written there since the first.

    The look begins at the last good record and on its timeline, so that a page header that is really wrong still
    stops it.
    """
    if walker.stopped is None:
        return False
    start = walker.last or run.segments[0].start
    again = new_walker(source, start, collect=False, timeline=walker.timeline if walker.last else 0)
    wanted = 2 if walker.last else 1
    for chunk in chunks(source, run, again.position):
        if not again.push(chunk.lsn, chunk.data, chunk.length) or again.records >= wanted:
            break
    return again.records >= wanted


def _chunks_from(source: WalSource, run: Run, lsn: int) -> Iterator[Chunk]:
    """The run from the page that holds lsn on: its segment, the next one, and those behind that were ever reached.

    A server keeps many that were not, and reading all of them would take longer than reading its WAL.
    """
    for segment in run.segments:
        ends = segment.start + source.segment_size
        if ends > lsn and (segment.start <= lsn + source.segment_size or is_reached(source, segment)):
            yield from chunks(source, Run(run.timeline, (segment,)), lsn)


def _next_header(source: WalSource, chunk: Chunk, begin: int, floor: int) -> LSN | None:
    found = lib.walscan_find_header(
        source.format.handle, source.page_size, chunk.lsn, chunk.data, chunk.length, begin, floor
    )
    return LSN(found) if found else None


def _is_record(source: WalSource, run: Run, lsn: LSN, chunk: Chunk) -> bool:
    """Whether a whole record with a right CRC begins at lsn, inside that chunk; most end on the page they begin on."""
    walker = new_walker(source, lsn, collect=False)
    for offset in range((lsn - chunk.lsn) // source.page_size * source.page_size, chunk.length, source.page_size):
        if not walker.push(chunk.lsn + offset, chunk.data + offset, source.page_size) or walker.records:
            return walker.records > 0
    return _finds_record(source, run, walker)


def _finds_record(source: WalSource, run: Run, walker: Walker) -> bool:
    for chunk in chunks(source, run, walker.position):
        if not walker.push(chunk.lsn, chunk.data, chunk.length) or walker.records:
            break
    return walker.records > 0
