"""What promoting each standby now would lose: commits, rows by table, bytes.

Owns: joining the standbys' positions with the primary's WAL, and which candidate would lose least. Must not: word or
draw it, or take "not readable" for "nothing".

    async with Sampler(targets) as sampler:
        report = assess(await sampler.sample_once(), targets)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pgreplterm.cluster.connecting.connect import Target
from pgreplterm.cluster.decoded.catalog import Catalog
from pgreplterm.cluster.decoded.commits import Lost, Survey, lost_past, survey
from pgreplterm.cluster.decoded.standing import Standing, standings
from pgreplterm.cluster.decoded.tables import TableChanges, named, tables_of
from pgreplterm.cluster.decoded.wal_range import wal_at, wal_of
from pgreplterm.cluster.model import ClusterSnapshot, Node
from pgreplterm.cluster.words import printable
from pgreplterm.errors import ExitCode, PgReplTermError
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.source import WalSource

_NO_PRIMARY = (
    "expected a primary that answers, or its WAL; found neither. Add its DSN, or name its data directory or archive "
    "with --wal PATH."
)


@dataclass(frozen=True, slots=True)
class PrimaryEnd:
    """Where the primary's WAL ends. age (seconds) is that of the answer; 0 when its files were read instead.

    clock_offset is its clock minus this machine's, in seconds, None when unknown. where says what was read.
    """

    node: str | None
    timeline: int | None
    end: LSN | None
    age: float
    where: str
    clock_offset: float | None = None


@dataclass(frozen=True, slots=True)
class Risk:
    """What one candidate lacks. gap in bytes, None when unknown; lost is None where unknown says why."""

    standing: Standing
    gap: int | None
    lost: Lost | None = None
    tables: tuple[TableChanges, ...] = ()
    unknown: str | None = None

    @property
    def is_known(self) -> bool:
        """Commits and rows are known, if only as lower bounds."""
        return self.lost is not None


@dataclass(frozen=True, slots=True)
class RiskReport:
    """All candidates at one moment (epoch seconds). denied: a privilege lacked to read WAL or timelines."""

    taken_at: float
    primary: PrimaryEnd
    risks: tuple[Risk, ...]
    denied: bool = False

    @property
    def least(self) -> tuple[Risk, ...]:
        """Those that would lose least of those that could take over: more than one when equal, none when unknown."""
        able = [risk for risk in self.risks if risk.gap is not None and risk.standing.is_sound]
        if not able:
            return ()
        best = min(map(loss_rank, able))
        return tuple(risk for risk in able if loss_rank(risk) == best)


def loss_rank(risk: Risk) -> tuple[int, int]:
    """Orders candidates by what they would lose: their WAL lies on one line, so fewer bytes are never more commits."""
    commits = risk.lost.commits if risk.lost is not None else 0
    return (risk.gap or 0), commits


def the_primary(snapshot: ClusterSnapshot) -> Node | None:
    """The one node that answers as primary. Raises PgReplTermError when two do."""
    if len(snapshot.primaries) > 1:
        names = printable(", ".join(node.name for node in snapshot.primaries))
        raise PgReplTermError(
            f"expected one primary, found {len(snapshot.primaries)}: {names}. Name the nodes of one side only."
        )
    return snapshot.primaries[0] if snapshot.primaries else None


def assess(
    snapshot: ClusterSnapshot,
    targets: Sequence[Target],
    wal: Path | str | None = None,
    candidate: str | None = None,
) -> RiskReport:
    """Read what lies between each standby (or one candidate) and the primary's end.

    wal is where the primary's WAL lies when it does not answer, or is to be read as files. Raises PgReplTermError when
    there is neither a primary nor wal, or no such candidate, and WalError when wal cannot be read.
    """
    primary = the_primary(snapshot)
    if primary is None and wal is None:
        raise PgReplTermError(_NO_PRIMARY)
    found = _chosen(standings(snapshot, primary.sample if primary is not None else None), candidate)
    end = _end_of(primary, wal)
    hidden = any(each.doubt is not None for each in found)
    if end.end is not None and all(_needs_no_reading(each, end.end) for each in found):
        return RiskReport(time.time(), end, tuple(_unread(each, end.end, None) for each in found), hidden)
    try:
        source = _source(primary, targets, wal, end.timeline or _newest_timeline(snapshot))
        surveyed = _survey(source, found, end.end)
    except PgReplTermError as error:
        if wal is not None:
            raise
        risks = tuple(_unread(standing, end.end, str(error)) for standing in found)
        return RiskReport(time.time(), end, risks, denied=error.exit_code == ExitCode.NO_PRIVILEGE)
    if surveyed is None:  # a primary that is gone, and nobody's position is known
        return RiskReport(time.time(), end, tuple(_unread(each, None, None) for each in found))
    end = replace(end, end=surveyed.end)
    catalogs = _catalogs(snapshot, targets, primary)
    return RiskReport(time.time(), end, tuple(_risk(each, source, surveyed, catalogs) for each in found), hidden)


def _needs_no_reading(standing: Standing, end: LSN) -> bool:
    return standing.flushed is None or standing.doubt is not None or standing.flushed >= end


def _chosen(found: tuple[Standing, ...], candidate: str | None) -> tuple[Standing, ...]:
    if candidate is None:
        return found
    chosen = tuple(each for each in found if each.name == candidate)
    if not chosen:
        names = printable(", ".join(each.name for each in found)) or "no standby at all"
        raise PgReplTermError(f"expected a standby named {candidate!r}, found {names}.")
    return chosen


def _end_of(primary: Node | None, wal: Path | str | None) -> PrimaryEnd:
    if primary is None or primary.sample is None:
        return PrimaryEnd(None, None, None, 0.0, str(wal))
    sample = primary.sample
    where = primary.name if wal is None else str(wal)
    return PrimaryEnd(
        primary.name, sample.timeline, sample.position, primary.sample_age or 0.0, where, sample.clock_offset
    )


def _newest_timeline(snapshot: ClusterSnapshot) -> int | None:
    """Of a primary that is gone: the one its standbys are on. Another's files would be another line."""
    return max((node.timeline for node in snapshot.nodes if node.timeline is not None), default=None)


def _source(primary: Node | None, targets: Sequence[Target], wal: Path | str | None, timeline: int | None) -> WalSource:
    if wal is not None:
        return wal_at(wal, timeline)
    assert primary is not None
    target = target_of(primary, targets)
    if target is None:
        name = printable(primary.name)
        raise PgReplTermError(
            f"{name} was found through its standbys; its WAL is read only when {primary.address} is named"
        )
    return wal_of(target, timeline)


def target_of(node: Node, targets: Sequence[Target]) -> Target | None:
    """How to connect to a node the user named; None for one that was discovered."""
    return next((target for target in targets if target.address == node.address), None)


def _survey(source: WalSource, found: Sequence[Standing], end: LSN | None) -> Survey | None:
    """One read for all candidates, from the one furthest behind on."""
    positions = [each.flushed for each in found if each.flushed is not None and each.is_sound]
    if not positions:
        return None
    lowest = min(positions)
    return survey(source, lowest if end is None else LSN(min(lowest, end)), end)


def _unread(standing: Standing, end: LSN | None, reason: str | None) -> Risk:
    """Bytes only."""
    gap = None if standing.flushed is None or end is None else max(0, end - standing.flushed)
    unknown = standing.problem or standing.doubt or reason
    if standing.flushed is None:
        unknown = standing.problem or standing.doubt or "nobody knows how far it has flushed"
    elif gap == 0 and standing.is_sound:
        return Risk(standing, 0, Lost(standing.flushed, standing.flushed, 0, (), 0, (), 0, 0, None, None))
    return Risk(standing, gap, unknown=unknown)


def _risk(standing: Standing, source: WalSource, surveyed: Survey, catalogs: Sequence[Catalog]) -> Risk:
    if standing.flushed is None or standing.problem is not None or standing.doubt is not None:
        return _unread(standing, surveyed.end, None)
    lost = lost_past(source, surveyed, standing.flushed)
    return Risk(standing, lost.bytes, lost, tables_of(lost.relations, named(lost.relations, *catalogs)))


def _catalogs(snapshot: ClusterSnapshot, targets: Sequence[Target], primary: Node | None) -> list[Catalog]:
    """The primary's, then the standbys': they still know the files that a commit past their position has removed."""
    behind = sorted((position, node.name) for node in snapshot.nodes if (position := _replayed(node)) is not None)
    names = [*([primary.name] if primary is not None else []), *(name for _, name in behind)]
    nodes = [node for name in names if (node := snapshot.node(name)) is not None]
    return [Catalog(target) for node in nodes if (target := target_of(node, targets)) is not None]


def _replayed(node: Node) -> LSN | None:
    """How far the catalog of a standby that answers has come."""
    if node.sample is None or node.failure is not None or not node.sample.in_recovery:
        return None
    return node.sample.replay_lsn
