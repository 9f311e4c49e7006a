"""When transactions ended, which is the only clock that WAL has.

Owns: times as people write them, and finding the LSNs between which the transactions of a time range ended.
Must not: print; walk more than the segments at the range's two ends, and others up to their first commit.

Only a record that ends a transaction says when (xact_time in xl_xact_commit and xl_xact_abort, access/xact.h), taken
just before it was written. Two sessions that commit at once may therefore stand in the other order, and a server whose
clock is set back writes earlier times behind later ones: PostgreSQL does not promise that times rise with the LSN.
Bisecting needs them to, nearly. So each end of the range is looked for one segment further than bisecting says, which
is more than sessions can disagree by, and times that fall from one segment to the next are reported, not hidden.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.ends import is_reached
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.records import RecordIndex
from pgreplterm.wal.resume import resume_lsn
from pgreplterm.wal.scan import advance, new_walker
from pgreplterm.wal.source import Run, WalSource
from pgreplterm.wal.walker import Rows, show_pages

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
ALIGNMENT = 8  # of records: MAXALIGN
_EVER = 1 << 62  # microseconds: before and behind any time


def parse_time(text: str) -> datetime:
    """The time that text spells in ISO 8601, in the local time zone unless it names one. Raises WalError."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise WalError(
            "expected a time such as 2026-10-17T08:31, 2026-10-17 08:31:05.25 or 2026-10-17T08:31Z (ISO 8601, in the "
            f"local time zone unless it names one); found {text!r}."
        ) from error


def time_of(timestamp: int) -> datetime | None:
    """A TimestampTz (microseconds since 2000) in UTC; None where Python's calendar ends."""
    try:
        return _EPOCH + timedelta(microseconds=timestamp)
    except OverflowError:
        return None


def timestamp_of(time: datetime) -> int:
    """A time as PostgreSQL's TimestampTz. time has a time zone."""
    return (time - _EPOCH) // _MICROSECOND


class Ending(NamedTuple):
    """A record that ends a transaction: where it begins, where the next belongs, and its TimestampTz."""

    lsn: LSN
    end: LSN
    time: int


_NEVER = Ending(LSN(0), LSN(0), _EVER)


@dataclass(frozen=True, slots=True)
class Bounds:
    """LSNs of a time range: start and end, or None where there is nothing before or behind it.

    fell is where times were seen to go backwards from one segment to a later one; the range is then one of several.
    """

    start: LSN | None
    end: LSN | None
    fell: tuple[Ending, Ending] | None = None


def endings(rows: Rows, since: int = -_EVER, until: int = _EVER) -> Iterator[Ending]:
    """Those of a walk's rows that end a transaction from since to until (TimestampTz), while the rows are valid."""
    records, pages = ffi.from_buffer("walscan_record[]", rows.records), show_pages(rows.pages)
    index, time, number = RecordIndex(rows), ffi.new("int64_t *"), -1
    while (number := lib.walscan_find_time(records, rows.count, number + 1, pages.c, since, until, time)) < rows.count:
        row = index[number]
        yield Ending(LSN(row.lsn), LSN(-(-row.end // ALIGNMENT) * ALIGNMENT), int(time[0]))


def bounds(source: WalSource, run: Run, since: datetime | None, until: datetime | None) -> Bounds | None:
    """The LSNs from the first transaction of the run that ended at or behind since to the last at or before until.

    start is right behind the ending before it, and end is that of the last: records that lie between two endings
    count for the later one. None when every transaction of the run ended later than until. Raises WalError when a
    file cannot be read.
    """
    clock = _Clock(source, run)
    start = clock.start(timestamp_of(since)) if since is not None else None
    last = clock.last(timestamp_of(until)) if until is not None else None
    if until is not None and last is None:
        return None
    return Bounds(start, last.end if last is not None and last is not _NEVER else None, clock.fell())


@dataclass(slots=True)
class _Clock:
    """The endings of one run, read as they are asked for."""

    source: WalSource
    run: Run
    _firsts: dict[int, Ending | None] = field(default_factory=dict)

    def start(self, since: int) -> LSN | None:
        """Right behind the last ending before the first at or behind since; None when that is the run's first."""
        before = bisect_left(self._places, True, key=lambda place: self._first_from(place) >= since)
        place = max(before - 2, 0)
        start = self.run.segments[place].start if place else None
        for ending in self._endings(place):
            if ending.time >= since:
                break
            start = ending.end
        return start

    def last(self, until: int) -> Ending | None:
        """The last ending at or before until, or _NEVER when no later one follows; None when all are later."""
        later = bisect_left(self._places, True, key=lambda place: self._first_from(place) > until)
        found, followed = None, False
        for ending in self._endings(max(later - 1, 0), later + 1):
            found, followed = (ending, False) if ending.time <= until else (found, True)
        if not followed and self._first_from(later) == _EVER:
            return _NEVER
        return found

    def fell(self) -> tuple[Ending, Ending] | None:
        """Two segments' first endings, the later one with the earlier time."""
        seen = [self._firsts[number] for number in sorted(self._firsts)]
        known = [ending for ending in seen if ending is not None]
        return next(((one, other) for one, other in pairwise(known) if other.time < one.time), None)

    @property
    def _places(self) -> range:
        return range(len(self.run.segments))

    def _first_from(self, place: int) -> int:
        """The time of the first ending in that segment or a later one; _EVER where there is none."""
        found = (ending for each in self._places[place:] if (ending := self._first(each)) is not None)
        return next((ending.time for ending in found), _EVER)

    def _first(self, place: int) -> Ending | None:
        """The first ending in one segment, reading it no further than that; None where there is none."""
        segment = self.run.segments[place]
        if segment.number not in self._firsts:
            reached = is_reached(self.source, segment)
            self._firsts[segment.number] = next(self._endings(place, place + 1), None) if reached else None
        return self._firsts[segment.number]

    def _endings(self, first: int, end: int | None = None) -> Iterator[Ending]:
        """The endings in the run's segments from a place up to another."""
        run = Run(self.run.timeline, self.run.segments[first:end])
        start: LSN | None = run.segments[0].start if run.segments else None
        while start is not None:
            walker = new_walker(self.source, start, collect=True)
            for rows in advance(self.source, run, walker, collect=True):
                yield from endings(rows)
            start = resume_lsn(self.source, run, walker)
