"""Decisions of a failover, as pure functions of snapshots.

Owns: may it start, is the primary lost, who takes over. Must not: act or wait.
"""

from __future__ import annotations

from pgreplterm.cluster.model import ClusterSnapshot, LinkKind, Node, NodeState, Role
from pgreplterm.drill.check import Check, Verdict

_GONE = (NodeState.DOWN, NodeState.SILENT, NodeState.STARTING)


def preflight(snapshot: ClusterSnapshot) -> tuple[Check, ...]:
    """What must hold before a primary is killed on purpose."""
    primaries = [node.name for node in snapshot.primaries]
    quiet = [f"{node.name} {node.state}" for node in snapshot.nodes if node.sample is None or node.state in _GONE]
    candidates = [node.name for node in standbys_of(snapshot, primaries[0])] if primaries else []
    return (
        Check("one primary", _must(len(primaries) == 1), ", ".join(primaries) or "none answers"),
        Check("every node answers", _must(not quiet), ", ".join(quiet) or f"{len(snapshot.nodes)} nodes"),
        Check("a standby streams from it", _must(bool(candidates)), ", ".join(candidates) or "none"),
    )


def _must(holds: bool) -> Verdict:
    return Verdict.OK if holds else Verdict.REFUSAL


def standbys_of(snapshot: ClusterSnapshot, primary: str) -> tuple[Node, ...]:
    """Direct standbys that stream."""
    return tuple(node for node in snapshot.nodes if node.upstream == primary and node.state is NodeState.STREAMING)


def bytes_at_risk(snapshot: ClusterSnapshot, primary: str) -> int | None:
    """What the best direct standby lacks of the primary's WAL, in bytes; None when no standby's position is known."""
    links = [link for link in snapshot.links if link.upstream == primary and link.kind is LinkKind.STANDBY]
    return min((link.gaps.flush for link in links if link.gaps.flush is not None), default=None)


def primary_is_lost(snapshot: ClusterSnapshot, primary: str) -> bool:
    """Two independent signals: it does not answer us, and no standby that answers still receives from it."""
    node = snapshot.node(primary)
    if node is None or node.failure is None or node.state not in _GONE:
        return False
    since = node.failure.since
    witnesses = [
        each.sample
        for each in snapshot.nodes
        if each.name != primary and each.sample is not None and each.failure is None and each.sample.taken_at > since
    ]
    cut_off = [sample for sample in witnesses if sample.receiver is None or sample.receiver.status != "streaming"]
    return bool(cut_off)


def candidates(snapshot: ClusterSnapshot, timeline: int, not_before: float) -> tuple[Node, ...]:
    """Standbys that may take over: answering since not_before (epoch seconds), on the lost primary's timeline.

    Most received WAL first: what a standby has flushed counts, not what it has replayed, because a promotion replays
    all of it. Among equals a direct standby goes before a cascade, then the name decides.
    """
    able = [
        node
        for node in snapshot.nodes
        if node.sample is not None
        and node.failure is None
        and node.sample.in_recovery
        and node.sample.taken_at >= not_before
        and node.sample.timeline == timeline
        and node.sample.position is not None
    ]
    return tuple(sorted(able, key=_rank))


def _rank(node: Node) -> tuple[int, bool, str]:
    assert node.sample is not None and node.sample.position is not None
    return -int(node.sample.position), node.role is Role.CASCADE, node.name
