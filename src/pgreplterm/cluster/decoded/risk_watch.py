"""What each candidate would lose, tick by tick: reads only the WAL that came since the last look.

Owns: the commits between the standby furthest behind and the primary's end, kept from look to look, and how many bytes
one look may read. Must not: keep a slow server waiting for more than that, or show an old answer as a new one.

A look blocks while it reads; the terminal gives each a thread. Reading starts again at the first record of the oldest
transaction still open, as far as one look's bytes reach back, so that a commit is counted with all its rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pgreplterm.cluster.connecting.connect import Target
from pgreplterm.cluster.decoded.catalog import Catalog, Filenode, Named
from pgreplterm.cluster.decoded.commits import Lost, is_past, next_xid, summed
from pgreplterm.cluster.decoded.risk import target_of
from pgreplterm.cluster.decoded.standing import Standing, standings
from pgreplterm.cluster.decoded.tables import TableChanges, tables_of
from pgreplterm.cluster.decoded.wal_range import oldest, wal_of
from pgreplterm.cluster.model import ClusterSnapshot, Node
from pgreplterm.errors import PgReplTermError
from pgreplterm.wal.changes import Outcome, RelationChanges, Transaction, changes
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.source import WalSource

BYTES_A_LOOK = 8 * 1024**2
KEPT = 50_000  # commits; a standby that lacks more is told "more than"
ALL = 1 << 30  # of what one look reads, every transaction is listed
_ASK_AGAIN = 10  # looks until what was refused, or has no name, is asked for again


@dataclass(frozen=True, slots=True)
class AtRisk:
    """What one candidate would lose now. lost is None where unknown says why; tables are in order of rows."""

    name: str
    gap: int | None
    lost: Lost | None
    tables: tuple[TableChanges, ...] = ()
    unknown: str | None = None


@dataclass
class _Line:
    """The WAL of one primary on one timeline, and the commits found in it: all past begin, as far as caught_up says."""

    target: Target
    node: str
    timeline: int | None
    source: WalSource
    begin: LSN
    reached: LSN  # commits that end up to here are known
    again: LSN  # where the next look reads from: the first record of what is still open
    read_to: int = 0
    caught_up: bool = False  # with the end that the last look was for
    next_xid: int | None = None  # see commits.Survey
    cut_xid: int | None = None  # of what was open when its beginning had to be left behind, the highest xid
    open_xid: int | None = None  # the highest xid still open
    commits: list[Transaction] = field(default_factory=list)
    unsure: set[int] = field(default_factory=set)  # xids of commits that may have changed more rows

    def skip_to(self, lowest: LSN, most: int) -> None:
        """Leave out WAL that every candidate has had before we came to read it."""
        if lowest - self.reached > most:
            self.reached, self.again = lowest, LSN(lowest - most)
            self.next_xid = self.cut_xid = self.open_xid = None

    def go_on(self, end: LSN, most: int) -> None:
        """Read up to end, at most that many new bytes. Raises WalError."""
        if self.caught_up and end == self.read_to:
            return
        if len(self.commits) >= KEPT:
            self.caught_up = False
            return
        if oldest(self.source, end) is None:  # the server has begun a segment that was not there
            self.source = wal_of(self.target, self.timeline)
        start = LSN(max(self.again, self.reached - most))
        if start > self.again:
            self.cut_xid = _later(self.cut_xid, self.open_xid)
        stop = LSN(min(end, self.reached + most))
        found = changes(self.source, start, stop, limit=ALL, listed_behind=self.reached)
        if self.next_xid is None:
            self.next_xid = next_xid(self.source, start, stop)
        for each in found.committed:
            if each.commit_end is not None and each.commit_end > self.reached:
                self.commits.append(each)
                if not self._is_whole(each.xid):
                    self.unsure.add(each.xid)
        self.reached = LSN(max(self.reached, found.reached))
        still = [each for each in found.transactions if each.outcome in (Outcome.OPEN, Outcome.PREPARED)]
        self.again = LSN(min([each.begin for each in still] + [self.reached]))
        self.open_xid = max((each.xid for each in still), default=None)
        self.read_to, self.caught_up = stop, stop == end and found.complete

    def _is_whole(self, xid: int) -> bool:
        """Whether every record of a transaction was read: see commits.Survey, and nothing of it was left behind."""
        if self.cut_xid is not None and not is_past(xid, self.cut_xid + 1):
            return False
        return is_past(xid, self.next_xid)

    def forget(self, begin: LSN) -> None:
        """Commits that every candidate has by now."""
        self.commits = [each for each in self.commits if each.commit_end is not None and each.commit_end > begin]
        self.unsure &= {each.xid for each in self.commits}
        self.begin = begin

    def lost(self, after: LSN, end: LSN) -> Lost:
        """What lies past an LSN, as far as it was read."""
        past = tuple(each for each in self.commits if each.commit_end is not None and each.commit_end > after)
        times = [each.committed_at for each in past if each.committed_at is not None]
        return Lost(
            after=after,
            end=end,
            commits=len(past),
            transactions=past,
            omitted=0,
            relations=summed(each.relations for each in past),
            unsure=sum(each.xid in self.unsure for each in past),
            unfinished=0,
            oldest_commit=min(times, default=None),
            newest_commit=max(times, default=None),
            unread=None if self.caught_up else f"read up to {self.reached} so far",
        )


def _later(one: int | None, other: int | None) -> int | None:
    """The later of two xids."""
    if one is None or other is None:
        return one if other is None else other
    return one if is_past(one, other) else other


class RiskWatch:
    """Give each snapshot to ``look``; it answers for every candidate."""

    def __init__(self, targets: Sequence[Target], bytes_a_look: int = BYTES_A_LOOK) -> None:
        self.targets = targets  # may be replaced when more servers were found
        self._most = bytes_a_look
        self._line: _Line | None = None
        self._catalog: tuple[str, Catalog] | None = None
        self._names: dict[Filenode, Named] = {}
        self._looks = 0
        self._problem = ""  # why the WAL could not be read, until that is tried again
        self._again_at = 0

    def look(self, snapshot: ClusterSnapshot) -> Mapping[str, AtRisk]:
        """What each candidate would lose, by name. Never raises: what cannot be read is unknown, with the reason."""
        if len(snapshot.primaries) != 1:
            self._line = None
            problem = "two primaries answer" if snapshot.primaries else "no primary answers"
            return {each.name: AtRisk(each.name, None, None, unknown=problem) for each in standings(snapshot, None)}
        (primary,) = snapshot.primaries
        assert primary.sample is not None
        found, end = standings(snapshot, primary.sample), primary.sample.position
        self._looks += 1
        problem = f"the position of {primary.name} is unknown"
        if end is not None:
            problem = self._read(primary, found, end)
        return {each.name: self._at_risk(each, end, problem) for each in found}

    def _read(self, primary: Node, found: Sequence[Standing], end: LSN) -> str:
        """Bring the line up to date, as far as one look goes; why that failed, or nothing."""
        behind = [each.flushed for each in found if each.is_sound and each.flushed is not None and each.flushed < end]
        lowest = min(behind, default=end)
        if self._looks < self._again_at:
            return self._problem
        try:
            if self._line is None or not self._goes_on(self._line, primary, lowest):
                self._line = None
                if not behind:
                    return ""
                self._line = self._begin(primary, lowest)
            self._line.skip_to(lowest, self._most)
            self._line.go_on(end, self._most)
            self._line.forget(lowest)
        except PgReplTermError as error:
            self._line, self._problem = None, str(error)
            self._again_at = self._looks + _ASK_AGAIN
            return self._problem
        return ""

    @staticmethod
    def _goes_on(line: _Line, primary: Node, lowest: LSN) -> bool:
        return (line.node, line.timeline) == (primary.name, primary.timeline) and line.begin <= lowest

    def _begin(self, primary: Node, lowest: LSN) -> _Line:
        target = target_of(primary, self.targets)
        if target is None:
            raise PgReplTermError(f"{primary.name} was found through others; its WAL is read only when it is named")
        if self._catalog is None or self._catalog[0] != primary.name:
            self._catalog, self._names = (primary.name, Catalog(target)), {}
        source = wal_of(target, primary.timeline)
        first = oldest(source, lowest)
        if first is None:
            raise PgReplTermError(f"{primary.name} no longer has the WAL from {lowest} on")
        again = LSN(max(first, lowest - self._most))
        return _Line(target, primary.name, primary.timeline, source, lowest, lowest, again)

    def _at_risk(self, standing: Standing, end: LSN | None, problem: str) -> AtRisk:
        if not standing.is_sound or standing.flushed is None or end is None:
            unknown = standing.problem or standing.doubt or problem or "nobody knows how far it has flushed"
            return AtRisk(standing.name, None, None, unknown=unknown)
        gap = max(0, end - standing.flushed)
        if gap == 0:
            return AtRisk(standing.name, 0, Lost(standing.flushed, end, 0, (), 0, (), 0, 0, None, None))
        if self._line is None:
            return AtRisk(standing.name, gap, None, unknown=problem)
        lost = self._line.lost(standing.flushed, end)
        return AtRisk(standing.name, gap, lost, tables_of(lost.relations, self._named(lost.relations)))

    def _named(self, relations: Sequence[RelationChanges]) -> dict[Filenode, Named]:
        """Names that were found once are kept; the others are asked for again now and then."""
        wanted = {Filenode(each.tablespace, each.database, each.relation) for each in relations}
        known = {filenode for filenode, name in self._names.items() if name.table is not None}
        again = self._looks % _ASK_AGAIN == 0
        missing = {each for each in wanted - known if again or each not in self._names}
        if missing and self._catalog is not None:
            self._names |= self._catalog[1].names(missing)
        return {each: self._names[each] for each in wanted if each in self._names}
