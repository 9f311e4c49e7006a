"""What transactions did between two LSNs: which ended how, when, and how many rows of which relation they changed.

    found = changes(open_source(path), standby_flush, primary_flush)
    print(found.commits, [(row.relation, row.inserted) for row in found.relations])

Owns: reading the range, and saying what of it could not be read. Must not: know relation names; a live catalog has
those. What a row and a transaction are is in ``change_table``; import them from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pgreplterm.wal.change_table import ChangeTable, Outcome, RelationChanges, Transaction
from pgreplterm.wal.follow import follow
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page import LONG_HEADER, SHORT_HEADER, PageHeader, read_page_header
from pgreplterm.wal.parts import within
from pgreplterm.wal.report import EndKind, RunReport, unreadable
from pgreplterm.wal.source import Run, WalSource
from pgreplterm.wal.verification import RunWalk

__all__ = ["LIMIT", "Changes", "Outcome", "RelationChanges", "Transaction", "changes"]

LIMIT = 10_000
_CONTRECORD = 0x0001


@dataclass(frozen=True, slots=True)
class Changes:
    """What lies between start and end.

    transactions are those that ended, in the order of their ends, then prepared and open ones in the order of their
    first records; omitted is how many more there were than the limit. Everything else counts those, too: commits,
    aborts, unfinished (open or prepared), and relations, the rows that the commits changed, by relation.

    end is what was asked for, None for all there is; reached is the LSN up to which WAL was read. complete: all of the
    range was read; with end None, up to where recovery would end. If not, ended and sentence say what is missing first,
    and what was counted is what could be read. record_bytes are of records with a transaction, other_bytes of those
    without. oldest_commit and newest_commit are Unix seconds.
    """

    start: LSN
    end: LSN | None
    reached: LSN
    transactions: tuple[Transaction, ...]
    omitted: int
    commits: int
    aborts: int
    unfinished: int
    relations: tuple[RelationChanges, ...]
    record_bytes: int
    other_bytes: int
    oldest_commit: float | None
    newest_commit: float | None
    complete: bool
    ended: EndKind
    sentence: str

    @property
    def bytes(self) -> int:
        """All records of the range."""
        return self.record_bytes + self.other_bytes

    @property
    def committed(self) -> tuple[Transaction, ...]:
        """Those of the transactions that committed, in commit order."""
        return tuple(each for each in self.transactions if each.outcome is Outcome.COMMIT)

    @property
    def rows(self) -> int:
        """Rows that the commits inserted, updated and deleted."""
        return sum(each.rows for each in self.relations)


def changes(
    source: WalSource,
    start: LSN,
    end: LSN | None = None,
    *,
    timeline: int | None = None,
    limit: int = LIMIT,
    listed_behind: LSN | None = None,
) -> Changes:
    """What transactions did from start up to end (or to the end of WAL), read as recovery to that timeline reads it.

    timeline None is the newest there is, unless the source follows one already. A row counts where its record begins
    at start or behind it and is over by end. A commit (abort, prepare) counts where its record ends behind start: a
    standby that has flushed up to the middle of it does not have it. At most limit transactions are listed; all are
    counted. Those that ended by listed_behind are left out of the list, and not of the counts. Raises WalError when a
    file cannot be read.
    """
    table = ChangeTable(source.format.major, start, end, limit)
    if end is not None and end <= start:
        return _changes(
            table, start, end, limit, end, [], (EndKind.RANGE_END, f"end of range: {end}, as was asked."), None
        )
    source = _followed(source, timeline)
    reports: list[RunReport] = []
    gaps: list[_Gap] = []
    for run in source.runs:
        if within(source, run, start, end).segments:
            if not reports:
                gaps += _gap_before(source, run, start)
            walk = RunWalk(source, run, collect=True, start=_begin(source, run, start), end=end)
            for rows in walk:
                table.add(rows)
            reports.append(walk.report)
    if not reports:
        gap = _Gap(start, EndKind.MISSING_SEGMENT, f"missing segment: no WAL from {start} on is here.")
        return _changes(table, start, end, limit, start, [gap], (gap.kind, gap.sentence), None)
    gaps += _gaps(source, reports, end)
    if table.unread:
        gaps.append(_Gap(start, EndKind.DAMAGE, f"damage: {table.unread} records could not be read again."))
    last = reports[-1]
    return _changes(table, start, end, limit, last.end_lsn, gaps, (last.end, last.sentence), listed_behind)


def _followed(source: WalSource, timeline: int | None) -> WalSource:
    if timeline is not None:
        return follow(source, timeline)
    several = len({segment.timeline for segment in source.segments}) > 1
    return follow(source) if several and source.lineage is None else source


# ---- where reading begins ----


def _header(source: WalSource, run: Run, page: int) -> PageHeader | None:
    segment = run.segments[page // source.segment_size - run.segments[0].number]
    return read_page_header(segment.read_at(page - segment.start, LONG_HEADER))


def _goes_on_over(source: WalSource, run: Run, page: int, lsn: int) -> bool:
    """Whether the record that a page continues ends behind lsn, which is on that page or at its end."""
    header = _header(source, run, page)
    if header is None or header.address != page or not header.info & _CONTRECORD:
        return False
    return page + (SHORT_HEADER if page % source.segment_size else LONG_HEADER) + header.remaining > lsn


def _begin(source: WalSource, run: Run, start: LSN) -> LSN:
    """The page on which the record begins that start lies in, or start's own."""
    first = run.segments[0].start
    page, lsn = max(start - start % source.page_size, first), int(start)
    while page > first and _goes_on_over(source, run, page, lsn):
        page, lsn = page - source.page_size, page
    return LSN(page)


# ---- what could not be read ----


@dataclass(frozen=True, slots=True)
class _Gap:
    lsn: LSN
    kind: EndKind
    sentence: str


def _gap_before(source: WalSource, run: Run, start: LSN) -> Iterator[_Gap]:
    """What is missing between start and the first segment there is, or of the record that start lies in."""
    first = run.segments[0]
    if first.start > start:
        yield _Gap(start, EndKind.MISSING_SEGMENT, f"missing segment: WAL from {start} to {first.start} is not here.")
    elif start - first.start < source.page_size and _goes_on_over(source, run, first.start, start):
        yield _Gap(
            start, EndKind.MISSING_SEGMENT, f"missing segment: the record at {start} begins before {first.file_name}."
        )


def _gaps(source: WalSource, reports: list[RunReport], end: LSN | None) -> Iterator[_Gap]:
    """Damage in the runs, what is missing between them, and an end before the one that was asked for."""
    last = reports[-1]
    for each in unreadable(reports, source.page_size):
        if each.end is not None:
            kind = EndKind.DAMAGE if each.cause.startswith(EndKind.DAMAGE) else EndKind.MISSING_SEGMENT
            yield _Gap(each.start, kind, each.cause)
    if last.end is EndKind.RANGE_END:
        return
    if (_next_record(source, last.end_lsn) < end) if end is not None else _is_cut_short(last.end):
        yield _Gap(last.end_lsn, last.end, last.sentence)


def _next_record(source: WalSource, lsn: LSN) -> int:
    """Where a record behind lsn would begin: behind the page header, if one stands there."""
    if lsn % source.page_size:
        return lsn
    return lsn + (SHORT_HEADER if lsn % source.segment_size else LONG_HEADER)


def _is_cut_short(kind: EndKind) -> bool:
    """An end that is no end of WAL. A torn record is one: recovery ends there, too."""
    return kind.is_finding and kind is not EndKind.TORN


def _changes(
    table: ChangeTable,
    start: LSN,
    end: LSN | None,
    limit: int,
    reached: LSN,
    gaps: list[_Gap],
    stopped: tuple[EndKind, str],
    listed_behind: LSN | None,
) -> Changes:
    ended = list(table.ended(listed_behind or 0))
    listed = [each for each in ended if each is not None]
    left_out = len(ended) - len(listed)
    unfinished, others = table.unfinished()
    listed += islice(others, max(limit - len(ended), 0))
    oldest, newest = table.commit_times
    missing = min(gaps, key=lambda gap: gap.lsn, default=None)
    kind, sentence = stopped if missing is None else (missing.kind, missing.sentence)
    return Changes(
        start=start,
        end=end,
        reached=reached if end is None else min(reached, end),
        transactions=tuple(listed),
        omitted=table.commits + table.aborts + unfinished - len(listed) - left_out,
        commits=table.commits,
        aborts=table.aborts,
        unfinished=unfinished,
        relations=table.relations(),
        record_bytes=table.record_bytes,
        other_bytes=table.other_bytes,
        oldest_commit=oldest,
        newest_commit=newest,
        complete=missing is None,
        ended=kind,
        sentence=sentence,
    )
