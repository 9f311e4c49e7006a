"""Walking a run of segments, and the index of what was found.

Owns: driving the walker over a feed. Must not: name the kind of end (verify does) or format anything.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from pgreplterm.wal.feed import Chunk, chunks
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.records import RecordIndex
from pgreplterm.wal.source import Run, Segment, WalSource
from pgreplterm.wal.walker import Break, Rows, Walker, join_rows


@dataclass(frozen=True, slots=True)
class Scan:
    """The records of a run up to the first thing that is no record; stopped says what that was.

    None means that the bytes ran out first.
    """

    index: RecordIndex
    stopped: Break | None


def new_walker(source: WalSource, start: LSN, *, collect: bool, timeline: int = 0) -> Walker:
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
    )


def advance(source: WalSource, run: Run, walker: Walker) -> Generator[Rows, None, Chunk | None]:
    """Push the run from the walker's position on, yielding what each chunk finished; ends when the walker stops.

    The generator's value is the last chunk pushed.
    """
    chunk = None
    for chunk in chunks(source, run, walker.position):
        going = not chunk.length or walker.push(chunk.lsn, chunk.data, chunk.length)
        yield walker.take()
        if not going:
            break
    return chunk


def scan_run(source: WalSource, run: Run) -> Scan:
    """Index every record of a run. Raises WalError when a file cannot be read."""
    walker = new_walker(source, run.segments[0].start, collect=True)
    rows = join_rows([rows for rows in advance(source, run, walker) if rows.records])
    return Scan(RecordIndex(rows), walker.stopped)


def scan_segment(source: WalSource, segment: Segment) -> Scan:
    """Index the records that lie wholly in one segment."""
    return scan_run(source, Run(segment.timeline, (segment,)))
