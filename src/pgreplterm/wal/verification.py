"""Every record's CRC and chain, and on behind damage to the end of each run of segments.

Owns: driving a walk over a run from its first segment, or from where an earlier walk came to, to its end.
Must not: print; name the end itself (ends does), or search behind a break (resume does).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pgreplterm.wal.ends import Reached, exhausted, judge, reached
from pgreplterm.wal.feed import Chunk
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.parts import Part, parts, within
from pgreplterm.wal.report import Counted, Damage, EndKind, RunReport, Unreadable, damage, run_report, unreadable
from pgreplterm.wal.resume import has_grown, resume_lsn
from pgreplterm.wal.scan import Ahead, advance, new_walker
from pgreplterm.wal.source import Run, WalSource
from pgreplterm.wal.stretches import HERE, Engine
from pgreplterm.wal.walker import Rows, Walker

if TYPE_CHECKING:
    from pgreplterm.wal.tally import Counting, Tally

__all__ = ["Damage", "EndKind", "RunReport", "RunWalk", "Unreadable", "unreadable", "verify", "verify_run"]

CHASES = 3  # how often the end of a file that grows is followed


class SoFar:
    """What a verification that goes on has found: for a bar that shows it, and for whoever interrupts it."""

    def __init__(self) -> None:
        self.reports: list[RunReport] = []
        self.walk: RunWalk | None = None  # of the run in hand
        self.tally: Tally | None = None  # of a count
        self.total: int | None = None  # bytes of WAL there are to read
        self._done = 0

    def __iter__(self) -> Iterator[RunReport]:
        """The reports on the runs that are done, and on the one in hand as far as it was read."""
        yield from self.reports
        if self.walk is not None:
            yield self.walk.interrupted()

    @property
    def done(self) -> int:
        """Bytes of WAL that have been read, or were found to hold none."""
        return self._done + (self.walk.done if self.walk is not None else 0)

    def begin(self, walk: RunWalk) -> RunWalk:
        """Take a run in hand."""
        self.walk = walk
        return walk

    def end(self, walk: RunWalk) -> RunReport:
        """The run in hand is done."""
        self.reports.append(walk.report)
        self.walk = None
        self._done += walk.size
        return walk.report


def verify(source: WalSource, engine: Engine = HERE, so_far: SoFar | None = None) -> Iterator[RunReport]:
    """Verify each run of the source, telling so_far how it goes. Raises WalError when a file cannot be read."""
    if so_far is not None:
        so_far.total = sum(len(run.segments) for run in source.runs) * source.segment_size
    for run in source.runs:
        yield verify_run(source, run, engine, so_far)


def verify_run(source: WalSource, run: Run, engine: Engine = HERE, so_far: SoFar | None = None) -> RunReport:
    """Walk one run to its end, and on behind every damage that later records prove."""
    so_far = so_far or SoFar()
    with engine.ahead(source, run) as ahead:
        walk = so_far.begin(RunWalk(source, run, collect=False, ahead=ahead))
        for _ in walk:
            pass
        return so_far.end(walk)


def count(
    source: WalSource,
    counting: Counting,
    engine: Engine = HERE,
    of: Sequence[Part] | None = None,
    so_far: SoFar | None = None,
) -> tuple[Tally, list[RunReport]]:
    """Count the source's records while verifying them. of are the choice's parts, where they are known already.

    Raises WalError when a file cannot be read, or when the choice's bounds leave nothing.
    """
    so_far = so_far or SoFar()
    so_far.tally = tally = counting.tally()
    of = parts(source, counting.choice) if of is None else of
    bounded_runs = [within(source, part.run, part.choice.start, part.choice.end) for part in of]
    so_far.total = sum(len(run.segments) for run in bounded_runs) * source.segment_size
    for part, run in zip(of, bounded_runs, strict=True):
        bounded, choice = replace(counting, choice=part.choice), part.choice
        with engine.ahead(source, run, bounded, tally) as ahead:
            table = tally.table(choice)
            walk = RunWalk(
                source,
                part.run,
                collect=table is None,
                ahead=ahead,
                start=choice.start,
                end=choice.end,
                totals=table,
            )
            for rows in so_far.begin(walk):
                tally.add(choice.keep(rows))
            so_far.end(walk)
    return tally, so_far.reports


class RunWalk:
    """One run, walked to its end and on behind damage: iterate for its rows, then ask for the report.

    Without collect there are no rows, only what totals (see Walker) get to count, and none of the stretches that are
    walked ahead. With start and end (LSNs) only the segments between them are opened: reading begins on the page that
    holds start, which may give rows before it, and is over where no record behind it could end before end. Raises
    WalError when a file cannot be read.
    """

    def __init__(
        self,
        source: WalSource,
        run: Run,
        *,
        collect: bool,
        ahead: Ahead | None = None,
        start: LSN | None = None,
        end: LSN | None = None,
        totals: Any = None,
    ) -> None:
        self._source, self._run, self._collect, self._ahead = source, run, collect, ahead
        self._totals = totals
        self._start, self._end = start, end
        self._bounded = within(source, run, start, end)
        self._report: RunReport | None = None
        self.walker: Walker | None = None  # the last of the walkers, and where it began
        self.began = run.segments[0].start
        self._walks = 0
        self._counted: list[Counted] = []  # by each of the walkers that are done
        self._damages: list[Damage] = []

    @property
    def size(self) -> int:
        """How many bytes of WAL there are to read."""
        return len(self._bounded.segments) * self._source.segment_size

    @property
    def done(self) -> int:
        """How many of them lie behind it."""
        return min(max(self.position - self._bounded.segments[0].start, 0), self.size)

    @property
    def position(self) -> LSN:
        """How far it has come."""
        return self.began if self.walker is None else max(self.began, self.walker.position)

    def interrupted(self) -> RunReport:
        """What was found up to here, by a walk that is left before its end."""
        walker, counted = self.walker, self._counted
        if walker is not None and len(counted) < self._walks:
            counted = [*counted, counted_by(walker)]
        end = (walker and walker.partial) or self.position
        sentence = f"interrupted at {end}: what lies behind was not read."
        return run_report(self._run, counted, self._damages, end, (EndKind.INTERRUPTED, sentence))

    @property
    def report(self) -> RunReport:
        """What was found; there once the iteration has ended."""
        assert self._report is not None, "iterate to the end first"
        return self._report

    def __iter__(self) -> Iterator[Rows]:
        source, run = self._source, self._bounded
        counted, damages = self._counted, self._damages
        start, chased, limit = self._begin(run), 0, page_behind(source, self._end)
        while True:
            walker = new_walker(source, start, collect=self._collect, totals=self._totals)
            self.walker, self.began, self._walks = walker, start, self._walks + 1
            chunk = yield from advance(source, run, walker, collect=self._collect, end=limit, ahead=self._ahead)
            counted.append(counted_by(walker))
            if is_past(walker, self._end):
                break
            if walker.first is None and not damages and start > run.segments[0].start:
                start = run.segments[0].start  # its first page says more: WAL may end, or be switched, before start
                continue
            stop = look_behind(source, run, walker, chunk)
            if stop.growing and chased < CHASES:
                chased, start = chased + 1, stop.at.partial or stop.at.position
            elif stop.damage is not None and not stop.growing:
                damages.append(stop.damage)
                start = stop.damage.resumed
            else:
                self._report = run_report(self._run, counted, damages, stop.at.end_lsn, stop.end(source, self._run))
                return
        end = walker.partial or walker.position
        sentence = f"end of range: read up to {end}, as was asked."
        self._report = run_report(self._run, counted, damages, end, (EndKind.RANGE_END, sentence))

    def _begin(self, run: Run) -> LSN:
        """The page that holds the start."""
        first, start = run.segments[0].start, self._start
        return first if start is None or start < first else LSN(start - start % self._source.page_size)


def page_behind(source: WalSource, lsn: LSN | None) -> LSN | None:
    """The first page that begins at lsn or behind it: what a walk that ends there is limited to."""
    return None if lsn is None else LSN(-(-lsn // source.page_size) * source.page_size)


def is_past(walker: Walker, end: LSN | None) -> bool:
    """Whether every record that is over by end (LSN) has been read: the walk came to it, or stopped behind it."""
    stopped = walker.stopped
    came_to = walker.following if stopped is None else max(stopped.record, stopped.lsn, walker.position)
    return end is not None and came_to >= end


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a walk came to: the evidence, the damage if records follow it, and whether a server is writing there."""

    at: Reached
    damage: Damage | None
    growing: bool

    def end(self, source: WalSource, run: Run) -> tuple[EndKind, str]:
        """The kind of end this is when reading ends here, and its sentence."""
        if self.growing:
            return EndKind.CLEAN, f"clean end: read to {self.at.position}; the server is writing on."
        return judge(source, run, self.at)


def look_behind(source: WalSource, run: Run, walker: Walker, chunk: Chunk | None) -> Stop:
    """What lies behind the place where the walker stopped, chunk being the last one it was given."""
    resumed = resume_lsn(source, run, walker)
    at = reached(source, run, walker, chunk)
    found = None
    if resumed is not None:
        found = damage(at.stopped or exhausted(source, run, at, resumed), resumed, source.page_size)
    # Asked last: whatever was read after the stop may have been written after it, too.
    return Stop(at, found, has_grown(source, run, walker))


def counted_by(walker: Walker) -> Counted:
    """What the walker has counted so far."""
    return Counted(walker.first, walker.last, walker.records, walker.record_bytes, walker.images, walker.image_bytes)
