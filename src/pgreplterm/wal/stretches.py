"""Stretches of a run, walked apart from each other and joined as if walked in one.

Owns: cutting a run, walking one stretch, and handing stretches out ahead of the walk that joins them.
Must not: trust a stretch; the walk that reads up to it decides whether it joins (Walker.leap).

A page says how many bytes of an earlier record it begins with, so reading can begin at any page. What cannot be known
there is whether the first record's xl_prev is right: that shows where the walk before comes to.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pgreplterm.wal.errors import WalError
from pgreplterm.wal.feed import Chunk
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.scan import advance, new_walker
from pgreplterm.wal.source import Run, Segment, WalSource
from pgreplterm.wal.walker import Rows, Walked

if TYPE_CHECKING:
    from pgreplterm.wal.choice import Choice
    from pgreplterm.wal.tally import Counting, Tally

LENGTH = 16 << 20  # bytes of WAL, at least; long enough that joining costs nothing, short enough to share out
_WAITING = 3  # stretches under way for each thread


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records that begin from start on and before end (LSNs of pages)."""

    start: LSN
    end: LSN


def cut(source: WalSource, run: Run, length: int = LENGTH, choice: Choice | None = None) -> list[Stretch]:
    """The run, or the pages of it that hold what is chosen, in stretches.

    These are whole segments, or parts of segments that are longer and can be read from any place. length is in bytes
    of WAL, a multiple of the page size; only the last stretch is shorter. None are cut of WAL whose system identifier
    is not known, since every stretch would take what it finds for the right one.
    """
    begin, end = run.segments[0].start, run.segments[-1].start + source.segment_size
    if choice is not None and choice.start is not None:
        begin = max(begin, LSN(choice.start - choice.start % source.page_size))
    if choice is not None and choice.end is not None:
        end = min(end, LSN(choice.end + -choice.end % source.page_size))
    if not source.system_identifier or begin >= end:
        return []
    starts = [begin]
    for segment in run.segments:
        for place in _places(source, segment, length):
            if place - starts[-1] >= length and place < end:
                starts.append(place)
    return [Stretch(start, end) for start, end in zip(starts, [*starts[1:], end], strict=True)]


def _places(source: WalSource, segment: Segment, length: int) -> Iterator[LSN]:
    yield segment.start
    if segment.file.codec is None:
        for offset in range(length, source.segment_size, length):
            yield segment.start + offset


@dataclass(frozen=True, slots=True)
class Found:
    """What one stretch holds. walked is None when no record could be read there; the tally is what was counted.

    trouble is why the stretch could not be read at all, in a sentence.
    """

    walked: Walked | None = None
    tally: Tally | None = None
    trouble: str | None = None


def walk_stretch(source: WalSource, run: Run, stretch: Stretch, counting: Counting | None) -> Found:
    """Walk the records of one stretch, counting them.

    It ends early where the walker stops, and finds nothing where a file cannot be read or ends early: the walk that
    joins it will come to that place, too, and knows better what to say of it.
    """
    # Timeline 0 is none, but a walk that knows no earlier page could not tell: the lowest there is, then.
    tally = counting.tally() if counting is not None else None
    table = tally.table(counting.choice) if counting is not None and tally is not None else None
    collect = tally is not None and table is None
    walker = new_walker(source, stretch.start, collect=collect, timeline=1, totals=table)
    walk = advance(source, run, walker, collect=collect, end=stretch.end)
    try:
        last_chunk = _count(walk, counting, tally)
    except WalError as error:
        return Found(trouble=str(error))
    walked = walker.walked(stretch.start)
    # Two ends that the state does not tell of: the file's, and a timeline that rose inside the last, unfinished record.
    is_short = last_chunk is not None and last_chunk.short
    if walked is None or is_short or (walker.partial is not None and walked.timeline != walked.first_timeline):
        return Found()
    return Found(walked, tally)


def _count(walk: Generator[Rows, None, Chunk | None], counting: Counting | None, tally: Tally | None) -> Chunk | None:
    while True:
        try:
            rows = next(walk)
        except StopIteration as end:
            last_chunk: Chunk | None = end.value
            return last_chunk
        if counting is not None and tally is not None:
            tally.add(counting.choice.keep(rows))


class Ahead:
    """The stretches of a run, handed out in order before the walk that joins them comes to them.

    submit has one stretch walked, somewhere; waiting is how many may be under way. What is counted goes into tally.
    """

    def __init__(
        self,
        stretches: Sequence[Stretch],
        submit: Callable[[Stretch], Awaited],
        waiting: int,
        tally: Tally | None = None,
    ) -> None:
        self._stretches = deque(stretches)
        self._starts = [each.start for each in self._stretches]
        self._end = self._stretches[-1].end
        self._submit, self._waiting, self._tally = submit, waiting, tally
        self._given: deque[tuple[Stretch, Awaited]] = deque()
        self._found = Found()
        self._give()

    def holding(self, lsn: int) -> LSN | None:
        """Where the stretch that holds lsn begins."""
        place = bisect_right(self._starts, lsn)
        return self._starts[place - 1] if place and lsn < self._end else None

    def behind(self, lsn: int) -> LSN | None:
        """Where the first stretch behind lsn begins."""
        place = bisect_right(self._starts, lsn)
        return self._starts[place] if place < len(self._starts) else None

    def walked(self, start: LSN) -> Walked | None:
        """What the stretch that begins there holds; None if there is none. Waits for whoever walks it."""
        while self._given and self._given[0][0].start < start:
            self._given.popleft()
            self._give()
        self._found = Found()
        if self._given and self._given[0][0].start == start:
            self._found = self._given.popleft()[1].result()
            self._give()
        return self._found.walked

    def joined(self) -> None:
        """The walk went on behind the stretch it asked for last: what was counted there counts."""
        if self._tally is not None and self._found.tally is not None:
            self._tally.join(self._found.tally)

    def _give(self) -> None:
        while self._stretches and len(self._given) < self._waiting:
            stretch = self._stretches.popleft()
            self._given.append((stretch, self._submit(stretch)))


class Awaited(Protocol):
    """What a concurrent.futures.Future is, wherever the work is done."""

    def result(self) -> Found:
        """What was found, once it is."""
        ...


class Engine(Protocol):
    """Who walks a run's stretches."""

    def ahead(
        self, source: WalSource, run: Run, counting: Counting | None = None, tally: Tally | None = None
    ) -> AbstractContextManager[Ahead | None]:
        """The stretches, given out as long as the context lasts; None to have the reader walk everything itself.

        What is counted in them goes into tally when they are joined.
        """
        ...


class Threads:
    """Walks with that many threads of this process; with one, the reader does it alone.

    length is that of a stretch, in bytes of WAL, a multiple of the page size.
    """

    def __init__(self, jobs: int, length: int = LENGTH) -> None:
        self._jobs, self._length = jobs, length

    @contextmanager
    def ahead(
        self, source: WalSource, run: Run, counting: Counting | None = None, tally: Tally | None = None
    ) -> Iterator[Ahead | None]:
        """See Engine. At the end what has not begun is dropped."""
        stretches = (
            cut(source, run, self._length, None if counting is None else counting.choice) if self._jobs > 1 else []
        )
        if len(stretches) < 2:
            yield None
            return
        from pgreplterm.wal.threads import Workers  # not wanted by a command with one job, and not for free

        with Workers[Found](self._jobs) as workers:
            yield Ahead(
                stretches,
                lambda stretch: workers.submit(lambda: walk_stretch(source, run, stretch, counting)),
                self._jobs * _WAITING,
                tally,
            )


HERE = Threads(1)
