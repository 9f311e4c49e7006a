"""The commits past an LSN: what whoever has flushed only up to there would lose.

Owns: reading a stretch of one server's WAL once, and the share of it that lies past any LSN in it. Must not: know
standbys, names, or a terminal.

A transaction that commits past the LSN loses all its rows, also those written before it. So reading begins a little
earlier, and whose transactions may have begun earlier still is known from the server's own RUNNING_XACTS record: an xid
not assigned there yet has no record before it. Rows of the others are a lower bound, and said to be.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from re import compile as pattern

from pgreplterm.cluster.decoded.wal_range import oldest
from pgreplterm.wal.changes import Changes, RelationChanges, Transaction, changes
from pgreplterm.wal.choice import Choice
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.reader import read
from pgreplterm.wal.report import EndKind
from pgreplterm.wal.source import WalSource

LOOK_BACK = 16 * 1024**2
LISTED = 50_000  # transactions that are kept one by one
_STANDBY = 8  # the resource manager of RUNNING_XACTS
_NEXT_XID = pattern(r"nextXid (\d+)")


@dataclass(frozen=True, slots=True)
class Lost:
    """What commits between after and end, LSNs on one line of timelines.

    commits counts all of them; transactions are they in commit order, all but omitted of them. relations are the rows
    they changed; unsure is how many of them may have changed more rows than were counted. unread says which part of
    the range could not be read, None when all of it was: counts are then exact, otherwise lower bounds.
    """

    after: LSN
    end: LSN
    commits: int
    transactions: tuple[Transaction, ...]
    omitted: int
    relations: tuple[RelationChanges, ...]
    unsure: int
    unfinished: int
    oldest_commit: float | None
    newest_commit: float | None
    unread: str | None = None

    @property
    def bytes(self) -> int:
        """WAL between the two."""
        return max(0, self.end - self.after)

    @property
    def rows(self) -> int:
        """Rows inserted, updated and deleted, in tables and catalogs alike."""
        return sum(each.rows for each in self.relations)

    @property
    def is_nothing(self) -> bool:
        """Known to hold no commit at all."""
        return self.commits == 0 and self.unread is None

    @property
    def is_exact(self) -> bool:
        """Every figure is what would be lost, none a lower bound."""
        return self.unread is None and not self.unsure


@dataclass(frozen=True, slots=True)
class Survey:
    """One read of the WAL between after and end. next_xid: no xid from it on has a record before read_from."""

    after: LSN
    end: LSN
    read_from: LSN
    found: Changes
    next_xid: int | None
    unread: str | None


def survey(source: WalSource, after: LSN, end: LSN | None, look_back: int = LOOK_BACK) -> Survey:
    """Read what was written from after on, up to end or to the end of WAL. Raises WalError when it cannot be read.

    Where the WAL right behind after is gone, reading begins with the oldest there is, and unread says so.
    """
    begin, unread = _beginning(source, after)
    read_from = LSN(max(begin, after - look_back, 0))
    found = changes(source, read_from, end, limit=LISTED, listed_behind=after)
    if not found.complete and unread is None:
        # What lacks may lie before after: there it makes rows uncertain, not commits.
        behind = changes(source, after, end, limit=0)
        unread = None if behind.complete else behind.sentence
    reached = end if end is not None else found.reached
    first = None if found.ended is EndKind.DAMAGE else next_xid(source, read_from, reached)
    return Survey(after, reached, read_from, found, first, unread)


def lost_past(source: WalSource, surveyed: Survey, lsn: LSN) -> Lost:
    """What whoever flushed up to lsn (at surveyed.after or behind it) would lose."""
    if lsn >= surveyed.end:
        return Lost(lsn, LSN(lsn), 0, (), 0, (), 0, 0, None, None)
    if surveyed.found.omitted:
        return _counted(changes(source, lsn, surveyed.end, limit=LISTED), surveyed)
    past = tuple(each for each in surveyed.found.committed if each.commit_end is not None and each.commit_end > lsn)
    times = [each.committed_at for each in past if each.committed_at is not None]
    return Lost(
        after=lsn,
        end=surveyed.end,
        commits=len(past),
        transactions=past,
        omitted=0,
        relations=summed(each.relations for each in past),
        unsure=sum(not is_past(each.xid, surveyed.next_xid) for each in past),
        unfinished=surveyed.found.unfinished,
        oldest_commit=min(times, default=None),
        newest_commit=max(times, default=None),
        unread=surveyed.unread,
    )


def summed(groups: Iterable[Iterable[RelationChanges]]) -> tuple[RelationChanges, ...]:
    """The changes of several transactions, a row a relation."""
    sums: dict[tuple[int, int, int], RelationChanges] = {}
    for each in (change for group in groups for change in group):
        key = (each.tablespace, each.database, each.relation)
        sums[key] = _plus(sums[key], each) if key in sums else each
    return tuple(sums[key] for key in sorted(sums))


def _plus(one: RelationChanges, other: RelationChanges) -> RelationChanges:
    return replace(
        one,
        inserted=one.inserted + other.inserted,
        updated=one.updated + other.updated,
        deleted=one.deleted + other.deleted,
        truncated=one.truncated or other.truncated,
        dropped=one.dropped or other.dropped,
        record_bytes=one.record_bytes + other.record_bytes,
        image_bytes=one.image_bytes + other.image_bytes,
    )


def _counted(found: Changes, surveyed: Survey) -> Lost:
    """Too many to keep one by one: the commits are counted, their rows only from the LSN on."""
    return Lost(
        after=found.start,
        end=surveyed.end,
        commits=found.commits,
        transactions=found.committed,
        omitted=found.commits - len(found.committed),
        relations=found.relations,
        unsure=found.commits if found.start > surveyed.read_from else 0,
        unfinished=found.unfinished,
        oldest_commit=found.oldest_commit,
        newest_commit=found.newest_commit,
        unread=surveyed.unread,
    )


def _beginning(source: WalSource, after: LSN) -> tuple[LSN, str | None]:
    """Where the readable WAL around an LSN begins; with a sentence when it begins only behind it."""
    begin = oldest(source, after)
    if begin is not None:
        return begin, None
    starts = [run.segments[0].start for run in source.runs if run.segments[0].start >= after]
    if not starts:
        raise WalError(f"{source.path}: expected the WAL from {after} on; what is here ends before it.")
    return min(starts), f"the WAL from {after} to {min(starts)} is no longer in {source.path}"


def next_xid(source: WalSource, start: LSN, end: LSN) -> int | None:
    """The first xid that was not assigned yet at the first RUNNING_XACTS record of a range; None without one."""
    if end <= start:
        return None
    for record in read(source, Choice(rmgrs=frozenset({_STANDBY}), start=start, end=end)):
        if record.name == "RUNNING_XACTS" and (match := _NEXT_XID.search(record.description)):
            return int(match[1])
    return None


def is_past(xid: int, first: int | None) -> bool:
    """Whether xid is first or a later one, in the server's modular order; False where first is unknown."""
    return first is not None and (xid - first) % 2**32 < 2**31
