"""Walking a run of segments, and the index of what was found.

Owns: driving the walker over a feed. Must not: name the kind of end (verify does) or format anything.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pgreplterm._walscan import ffi
from pgreplterm.wal.feed import Chunk, chunks, pushed
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.records import RecordIndex
from pgreplterm.wal.source import Run, Segment, WalSource
from pgreplterm.wal.walker import Break, Pages, Rows, Walked, Walker, join_rows


@dataclass(frozen=True, slots=True)
class Scan:
    """The records of a run up to the first thing that is no record; stopped says what that was.

    None means that the bytes ran out first.
    """

    index: RecordIndex
    stopped: Break | None


def new_walker(source: WalSource, start: LSN, *, collect: bool, timeline: int = 0, totals: Any = None) -> Walker:
    """A walker for this source's format and sizes, beginning at start (LSN) on that timeline or later."""
    return Walker(
        source.format,
        source.page_size,
        source.segment_size,
        start,
        block_size=source.block_size,
        system_identifier=source.system_identifier,
        timeline=timeline,
        collect=collect,
        totals=totals,
    )


class Ahead(Protocol):
    """Stretches of a run that are walked apart, by others, and joined by the walk that comes to them."""

    def holding(self, lsn: int) -> LSN | None:
        """Where the stretch that holds lsn begins."""
        ...

    def behind(self, lsn: int) -> LSN | None:
        """Where the first stretch behind lsn begins."""
        ...

    def walked(self, start: LSN) -> Walked | None:
        """What the stretch that begins there holds; None if there is none."""
        ...

    def joined(self) -> None:
        """The walk went on behind the stretch it asked for last."""
        ...


def advance(
    source: WalSource, run: Run, walker: Walker, *, collect: bool, end: LSN | None = None, ahead: Ahead | None = None
) -> Generator[Rows, None, Chunk | None]:
    """Push the run from the walker's position on, yielding the rows it finishes; ends when the walker stops.

    With end (a page's LSN) only records that begin before it are read; with ahead, stretches that were walked apart
    are leapt over where they join, without their rows. Rows and their pages are valid until the next are asked for.
    The generator's value is the last chunk pushed, None if the walk ended with a leap.
    """
    while True:
        stop = end
        if ahead is not None and (behind := _leap(walker, ahead)) is not None:
            stop = behind if end is None else min(behind, end)
        walker.limit(stop or 0)
        if end is not None and walker.reached and walker.position >= end:
            return None
        chunk = yield from _push(source, run, walker, collect=collect, end=stop)
        if ahead is None or stop in (None, end) or not walker.reached or _is_over(chunk, walker):
            return chunk


def _is_over(chunk: Chunk | None, walker: Walker) -> bool:
    """Whether the file ends before the place where the walk would go on."""
    return chunk is not None and chunk.short and walker.following > chunk.lsn + chunk.length


def _leap(walker: Walker, ahead: Ahead) -> LSN | None:
    """Leap over the stretches that join; where the one behind them begins."""
    while walker.stopped is None and (start := ahead.holding(walker.following)) is not None:
        walked = ahead.walked(start)
        if walked is None or not walker.leap(walked):
            break
        ahead.joined()
    return ahead.behind(walker.following)


def _push(
    source: WalSource, run: Run, walker: Walker, *, collect: bool, end: LSN | None
) -> Generator[Rows, None, Chunk | None]:
    chunk, before = None, b""
    for chunk in chunks(source, run, walker.position, end) if collect else pushed(source, run, walker, end):
        if collect and chunk.length:
            pages = Pages(chunk.lsn, chunk.data, chunk.length, before, source.page_size)
            for rows in walker.rows_of(chunk.lsn, chunk.data, chunk.length):
                yield replace(rows, pages=pages)
            before = _unfinished(walker, pages)
        if walker.stopped is not None or (walker.reached and end is not None and chunk.lsn + chunk.length >= end):
            break  # not before the end, even where a switch left nothing to walk: a file's own end is to be seen
    return chunk


def _unfinished(walker: Walker, pages: Pages) -> bytes:
    """The pages of the record that goes on behind these ones, to be read once it is whole."""
    if walker.partial is None:
        return b""
    begin = walker.partial - walker.partial % pages.page_size - pages.lsn
    piece = bytes(ffi.buffer(pages.data)[max(begin, 0) : pages.length])
    return piece if begin >= 0 else pages.before + piece


def scan_run(source: WalSource, run: Run) -> Scan:
    """Index every record of a run. Raises WalError when a file cannot be read."""
    walker = new_walker(source, run.segments[0].start, collect=True)
    rows = join_rows([rows.kept() for rows in advance(source, run, walker, collect=True)])
    return Scan(RecordIndex(rows), walker.stopped)


def scan_segment(source: WalSource, segment: Segment) -> Scan:
    """Index the records that lie wholly in one segment."""
    return scan_run(source, Run(segment.timeline, (segment,)))
