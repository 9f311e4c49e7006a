"""The end of WAL that a server is still writing.

Owns: waiting for more of it, and going on exactly behind the last record. Must not: print, or choose records.

A server makes a segment full-sized before it writes to it, so neither its size nor the end of the file says how far the
WAL goes, and its time of modification is too coarse to trust. What is watched is the page that holds the next byte
wanted, and the ones where an unfinished record begins and ends so far: a server can go on only by changing one of them.
Each look begins behind the last whole record, with all that the walk knew there, so no record is given twice, and one
that was half-written when it was read is read again from its first byte.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from pgreplterm.wal.choice import Choice
from pgreplterm.wal.ends import is_reached
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.follow import follow
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.parts import within
from pgreplterm.wal.report import damage
from pgreplterm.wal.resume import resume_lsn
from pgreplterm.wal.scan import advance, new_walker
from pgreplterm.wal.source import Run, Segment, WalSource, open_store
from pgreplterm.wal.stores.local import LocalFolder
from pgreplterm.wal.stores.store import WalGoneError
from pgreplterm.wal.verification import RunWalk, is_past, page_behind
from pgreplterm.wal.walker import Rows, Walker

_PAUSE = 0.1  # seconds between two looks at a page; afar, a look is a round trip
_PAUSE_AFAR = 0.25
_LISTING = 1.0  # seconds of waiting between two looks at the list of files
_REFUSALS = 5  # listings in a row that may fail, since a server renames files under them

Say = Callable[[str], object]


class Seen(NamedTuple):
    """What must change before a look can find more; pages are None where their file is not there.

    is_passed: the server has begun the segment behind, so it will not write to this one again.
    """

    pages: tuple[tuple[str, bytes | int] | None, ...]
    is_passed: bool

    @property
    def is_missing(self) -> bool:
        """A file is not there."""
        return None in self.pages


class Tail:
    """The rows of a run from start (LSN) on, and then what a server adds: iterate, and be waited for.

    Ends where no record behind could end before end (LSN), or with the one segment that was named; else never. With
    latest it goes on behind a promotion, in the segments of the newest timeline. say is told, in a sentence, what a
    person should know besides; pause waits that many seconds. Raises WalError when WAL goes away unread.
    """

    def __init__(
        self,
        source: WalSource,
        run: Run,
        *,
        start: LSN | None = None,
        end: LSN | None = None,
        latest: bool = False,
        say: Say = bool,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        _check_grows(source)
        self.source, self.run = source, run
        self._start, self._end, self._latest, self._say, self._pause = start, end, latest, say, pause
        self._began = run.segments[0].start  # where the walk in hand began
        self._seconds = _PAUSE if isinstance(run.segments[0].file.store, LocalFolder) else _PAUSE_AFAR
        self._waited, self._refused, self._told = 0.0, 0, False

    def __iter__(self) -> Iterator[Rows]:
        walk = RunWalk(self.source, self.run, collect=True, start=self._start, end=self._end)
        with suppress(WalGoneError):  # what follows looks whether that matters
            yield from walk
            for each in walk.report.damages:
                self._say(each.sentence)
        assert walk.walker is not None
        walker, self._began = walk.walker, walk.began
        seen: Seen | None = None
        while not self._is_over(walker):
            now = self._look_at(walker)
            if now != seen and not now.is_missing:
                seen, before = now, walker.following
                walker = self._again(walker)
                with suppress(WalGoneError):
                    yield from self._advance(walker)
                if now.is_passed and walker.following == before and (leapt := self._leap_over_damage(walker)):
                    walker, seen = leapt, None
                if self._is_over(walker):
                    break
            walker = self._wait(walker, now.is_missing)

    def _advance(self, walker: Walker) -> Iterator[Rows]:
        for rows in advance(self.source, self.run, walker, collect=True, end=page_behind(self.source, self._end)):
            yield rows if self._start is None else Choice(start=self._start).keep(rows)

    def _is_over(self, walker: Walker) -> bool:
        behind = self.run.segments[-1].start + self.source.segment_size
        return is_past(walker, self._end) or (self.source.single and walker.following >= behind)

    def _again(self, walker: Walker) -> Walker:
        """A walker right behind the last whole record, knowing what this one knew there."""
        if walker.first is None:
            return new_walker(self.source, self._began, collect=True)
        page = LSN(self._began - self._began % self.source.page_size)
        walked, fresh = walker.walked(page), new_walker(self.source, page, collect=True)
        joined = walked is not None and fresh.leap(walked)
        assert joined, "a walker that has seen nothing joins whatever begins where it does"
        return fresh

    def _leap_over_damage(self, walker: Walker) -> Walker | None:
        """A walker where later records prove that WAL goes on, in segments that the server has left behind it."""
        behind = within(self.source, self.run, walker.partial or walker.position, None)
        resumed = resume_lsn(self.source, behind, walker)
        if resumed is None or walker.stopped is None:
            return None
        self._say(damage(walker.stopped, resumed, self.source.page_size).sentence)
        self._began = resumed
        return new_walker(self.source, resumed, collect=True)

    # ---- looking at the bytes ----

    def _look_at(self, walker: Walker) -> Seen:
        """The pages on which an unfinished record begins, reading stopped, and the last byte lies that was read."""
        size, following = self.source.page_size, walker.following
        stopped = walker.stopped.lsn if walker.stopped else following
        last = max(stopped, walker.position - 1)
        pages = sorted({lsn // size for lsn in (walker.partial or following, stopped, last)})
        behind = self._segment(last + self.source.segment_size)
        return Seen(tuple(self._page(number * size) for number in pages), self._is_begun(behind))

    def _segment(self, lsn: int) -> Segment | None:
        number = lsn // self.source.segment_size - self.run.segments[0].number
        return self.run.segments[number] if 0 <= number < len(self.run.segments) else None

    def _page(self, lsn: int) -> tuple[str, bytes | int] | None:
        """The page at lsn, with its file's name; an archive's size, since all of it would have to be read."""
        segment = self._segment(lsn)
        if segment is None:
            return None
        if segment.file.codec is not None:
            return segment.file.name, segment.stored_size
        try:
            return segment.file.name, segment.read_at(lsn - segment.start, self.source.page_size)
        except WalGoneError:
            return None

    def _is_begun(self, segment: Segment | None) -> bool:
        try:
            return segment is not None and is_reached(self.source, segment)
        except WalGoneError:
            return False

    # ---- looking at the files ----

    def _wait(self, walker: Walker, is_missing: bool) -> Walker:
        """Pause, and now and then see which files there are by now: soon where one is missing."""
        if self.source.single and is_missing:
            raise self._lost(walker, walker.following // self.source.segment_size)
        self._pause(self._seconds)
        self._waited += self._seconds
        if self.source.single or self._waited < (_PAUSE_AFAR if is_missing else _LISTING):
            return walker
        self._waited = 0.0
        try:
            listed = self._relisted()
        except WalError:
            self._refused += 1
            if self._refused == _REFUSALS:
                raise
            return walker
        self._refused = 0
        return self._move_to(listed, walker)

    def _relisted(self) -> WalSource:
        source = open_store(self.run.segments[0].file.store)
        if self.source.lineage is None:
            return source
        return follow(source, None if self._latest else self.source.lineage.timeline)

    def _move_to(self, listed: WalSource, walker: Walker) -> Walker:
        """Go on in the files that are there now, on the timeline that they say."""
        number = walker.following // self.source.segment_size
        runs = [run for run in listed.runs if listed.lineage is not None or run.timeline == self.run.timeline]
        holding = next((run for run in runs if run.segments[0].number <= number <= run.segments[-1].number), None)
        if holding is None:
            later = [run.segments[0] for run in runs if run.segments[0].number > number]
            if any(map(self._is_begun, later)):
                raise self._lost(walker, number)
            return walker
        self._tell_of_promotion(listed)
        before, self.source, self.run = self.source, listed, holding
        return self._back_to_switchpoint(before, walker)

    def _lost(self, walker: Walker, number: int) -> WalError:
        name = self.source.segment_name(self.run.timeline, number)
        return WalError(
            f"{self.source.path}: expected {name} with the WAL from {walker.following} on; it was removed or recycled "
            "before it was read. A replication slot or wal_keep_size makes a server keep it."
        )

    def _tell_of_promotion(self, listed: WalSource) -> None:
        for history in listed.histories:
            ancestor = history.ancestors[-1] if history.ancestors else None
            if ancestor and ancestor.timeline == self.run.timeline and not (self._latest or self._told):
                self._told = True
                self._say(
                    f"timeline {ancestor.timeline} was left at {ancestor.switchpoint} for timeline {history.timeline}; "
                    "with --timeline latest this goes on there."
                )

    def _back_to_switchpoint(self, before: WalSource, walker: Walker) -> Walker:
        """Where the new timeline began before the end of what was read of the old one, go back to that place."""
        if before.lineage is None or self.source.lineage is None:
            return walker
        left = self.source.lineage.end_of(before.lineage.timeline)
        if left is None or walker.following <= left:
            return walker
        self._say(
            f"timeline {before.lineage.timeline} was left at {left}; its records from there on, given before, are not "
            f"part of timeline {self.source.lineage.timeline}, whose own follow."
        )
        self._start, self._began = left, LSN(left - left % self.source.page_size)
        return new_walker(self.source, self._began, collect=True)


def _check_grows(source: WalSource) -> None:
    from pgreplterm.wal.stores.tar import PackedTar, PlainTar

    if isinstance(source.segments[0].file.store, (PackedTar, PlainTar)):
        raise WalError(f"{source.path}: expected WAL that can grow, to follow it; a tar archive does not.")
