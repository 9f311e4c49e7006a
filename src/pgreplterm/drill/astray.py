"""Which standbys do not get their WAL from the primary, and whether they could.

Owns: walking the tree of a snapshot, and the comparison of a node's WAL with the fork, in words. Must not: change
anything, or wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgreplterm.cluster.model import ClusterSnapshot, Node, NodeState, RejoinAction, Role
from pgreplterm.wal.lsn import LSN

_FED = (NodeState.STREAMING, NodeState.CATCHUP)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a standby's WAL ends, and the LSN that it must not be past: the fork, or the primary's own position.

    action is the verdict on it, reason the one fact that decides.
    """

    node: str
    received: LSN | None
    limit: LSN | None
    action: RejoinAction
    reason: str

    @property
    def behind(self) -> int | None:
        """Bytes of the primary's line that it does not have up to there."""
        return None if self.received is None or self.limit is None else max(0, self.limit - self.received)


def astray(snapshot: ClusterSnapshot, primary: str) -> tuple[str, ...]:
    """The standbys to be pointed elsewhere so that all get the primary's WAL: not those that hang below one of them."""
    return tuple(
        node.name
        for node in snapshot.nodes
        if _is_standby(node) and not _is_fed_by(snapshot, node, primary) and not _hangs_below_another(snapshot, node)
    )


def standing(snapshot: ClusterSnapshot, name: str, primary: str) -> Standing:
    """What is known of that node now."""
    node, reference = snapshot.node(name), snapshot.node(primary)
    if node is None or node.sample is None or node.failure is not None:
        return Standing(name, None, None, RejoinAction.UNKNOWN, "it does not answer")
    rejoin = node.rejoin
    if rejoin is None:
        return Standing(
            name, node.sample.position, None, RejoinAction.UNKNOWN, "there is no single primary to judge by"
        )
    return Standing(name, node.sample.position, _limit(node, reference), rejoin.action, rejoin.reason)


def _limit(node: Node, reference: Node | None) -> LSN | None:
    """Where the primary's line left the node's timeline; on one timeline, where the primary is."""
    if reference is None or reference.sample is None or node.timeline is None:
        return None
    if reference.timeline == node.timeline:
        return reference.sample.position
    return reference.sample.history.end_of(node.timeline) if reference.sample.history is not None else None


def _is_standby(node: Node) -> bool:
    return node.role in (Role.STANDBY, Role.CASCADE) and node.sample is not None and node.failure is None


def _is_fed_by(snapshot: ClusterSnapshot, node: Node, primary: str) -> bool:
    """Whether WAL comes to it from that primary, directly or through standbys that all stream."""
    return any(each.name == primary for each in _above(snapshot, node))


def _hangs_below_another(snapshot: ClusterSnapshot, node: Node) -> bool:
    """Whether it streams from a standby, which is then the one to be pointed elsewhere, or one above it."""
    return any(_is_standby(each) for each in _above(snapshot, node))


def _above(snapshot: ClusterSnapshot, node: Node) -> Iterator[Node]:
    """The nodes its WAL comes through, up to the first that does not stream."""
    seen = {node.name}
    while node.state in _FED and node.upstream is not None and node.upstream not in seen:
        seen.add(node.upstream)
        above = snapshot.node(node.upstream)
        if above is None:
            return
        yield above
        node = above
