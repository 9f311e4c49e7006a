"""The lag of every link as rows: what ``pgreplterm lag`` prints and gives as JSON.

Owns: which rows there are (a standby without a link is one, of unknowns), and the keys of the document, which are a
contract: gaps in bytes, times in seconds, rates in bytes a second; null is unknown or not applicable.
Must not: sample, or lay out text.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pgreplterm.cluster.history import LagHistory, LagStatistics, series_names
from pgreplterm.cluster.joining.state import is_evidence_old
from pgreplterm.cluster.model import ClusterSnapshot, Gaps, Link, LinkKind, Node, Role
from pgreplterm.cluster.verdict import Verdict, verdict
from pgreplterm.cluster.words import NOT_APPLICABLE, UNKNOWN, catch_up, duration, instant, lag_time, pace, size

_WITHOUT_REPLAY = frozenset({LinkKind.RECEIVEWAL, LinkKind.BACKUP})
_NO_GAPS = Gaps(None, None, None, None)


@dataclass(frozen=True, slots=True)
class LagRow:
    """One downstream. name tells it from others of its name; link is None for a standby that streams from nobody."""

    name: str
    upstream: str | None
    state: str
    link: Link | None

    @property
    def replays(self) -> bool:
        """False for a backup and for pg_receivewal: what they never do is not unknown."""
        return self.link is None or self.link.kind not in _WITHOUT_REPLAY

    @property
    def cells(self) -> tuple[str, ...]:
        """UNSENT, WRITE, FLUSH, REPLAY, TIME, ETA, AGE, WAL/S and REPLAY/S."""
        link = self.link
        if link is None:
            return (UNKNOWN,) * 9
        absent = UNKNOWN if self.replays else NOT_APPLICABLE
        stages = (link.gaps.unsent, link.gaps.write, link.gaps.flush)
        copied = UNKNOWN if link.kind is not LinkKind.BACKUP else NOT_APPLICABLE
        rates = link.rates
        return (
            *(copied if stage is None else size(stage) for stage in stages),
            absent if link.gaps.replay is None else size(link.gaps.replay),
            absent if link.gaps.replay is None else lag_time(link),
            absent if link.gaps.replay is None else catch_up(link),
            copied if link.evidence_age is None else duration(link.evidence_age),
            UNKNOWN if rates is None else pace(rates.wal),
            absent if rates is None or rates.replay is None else pace(rates.replay),
        )


def lag_rows(snapshot: ClusterSnapshot) -> tuple[LagRow, ...]:
    """One row a link, then one for each node that should have a link and has none."""
    rows = [
        LagRow(name, link.upstream, _state(snapshot.node(link.downstream), link), link)
        for name, link in zip(series_names(snapshot), snapshot.links, strict=True)
    ]
    fed = {link.downstream for link in snapshot.links}
    rows += [
        LagRow(node.name, node.upstream, str(node.state), None)
        for node in snapshot.nodes
        if node.name not in fed and not _is_head(node)
    ]
    return tuple(rows)


def lag_document(
    snapshot: ClusterSnapshot,
    history: LagHistory | None = None,
    since: float | None = None,
    judged: Verdict | None = None,
) -> dict[str, Any]:
    """Every row as plain data, with the verdict (judged now unless given); with a history also the percentiles since
    that instant.
    """
    judged = judged or verdict(snapshot)
    links: list[dict[str, Any]] = []
    for row in lag_rows(snapshot):
        measured = {}
        if history is not None and since is not None:
            measured["percentiles"] = _statistics(history.statistics(row.name, since), row.replays)
        links.append({**_row(row), **measured})
    return {
        "taken_at": instant(snapshot.taken_at),
        "verdict": {"severity": judged.severity.name.lower(), "text": judged.sentence},
        "links": links,
    }


def _is_head(node: Node) -> bool:
    """A primary, also one that fell silent: there is nothing it lags behind."""
    return node.role is Role.PRIMARY or (node.sample is not None and not node.sample.in_recovery)


def _state(node: Node | None, link: Link) -> str:
    """The node's where it is watched (but not that of a walsender that only shares its name), else the walsender's."""
    if node is not None and (link.receiver is not None or link.sender is None or node.failure is not None):
        return str(node.state)
    if is_evidence_old(link, None):
        return "stale"
    return (link.sender.state if link.sender is not None else None) or UNKNOWN


def _row(row: LagRow) -> dict[str, Any]:
    link = row.link
    return {
        "name": row.name,
        "downstream": row.name if link is None else link.downstream,
        "upstream": row.upstream,
        "kind": None if link is None else str(link.kind),
        "state": None if row.state == UNKNOWN else row.state,
        "gaps": asdict(_NO_GAPS if link is None else link.gaps),
        "time_lag": None if link is None else _rounded(link.time_lag),
        "caught_up": None if link is None or link.gaps.replay is None else link.gaps.replay == 0,
        "evidence_age": None if link is None else _rounded(link.evidence_age),
        "catch_up": None if link is None or link.catch_up is None else _plain(asdict(link.catch_up)),
        "rates": None if link is None or link.rates is None else _plain(asdict(link.rates)),
    }


def _statistics(seen: LagStatistics | None, replays: bool) -> dict[str, Any] | None:
    if seen is None:
        return None
    of_replay = {"replay": seen.replay, "time": seen.time}
    spreads = {"flush": seen.flush, **{name: spread if replays else None for name, spread in of_replay.items()}}
    return {
        "seconds": _rounded(seen.until - seen.since),
        **{name: None if spread is None else _plain(asdict(spread)) for name, spread in spreads.items()},
    }


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: _rounded(value) if isinstance(value, float) else value for key, value in fields.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
