"""What a snapshot shows of a standby whose upstream has not the WAL it needs.

Owns: those readings, each a sentence or None. Must not: look anywhere but at the snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgreplterm.cluster.words import size_in_words
from pgreplterm.lab.faults import evidence

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot, NodeSample

ASKED_WITHIN = 1.0
"""Seconds within which a standby that was started has asked for WAL several times."""


def answering(snapshot: ClusterSnapshot, name: str) -> NodeSample | None:
    """What the node says of itself now; None when it does not answer."""
    node = snapshot.node(name)
    return None if node is None or node.failure is not None else node.sample


def left_behind(snapshot: ClusterSnapshot, downstream: str, upstream: str) -> str | None:
    """The standby answers and gets nothing, since long enough to have asked often, though its upstream has more WAL."""
    unfed = evidence.cut_off(snapshot, downstream)
    below, above = answering(snapshot, downstream), answering(snapshot, upstream)
    if unfed is None or below is None or above is None or above.position is None or below.replay_lsn is None:
        return None
    missing = above.position - below.replay_lsn
    if missing <= 0 or _age(below) < ASKED_WITHIN:
        return None
    return f"{unfed}, stands at {below.replay_lsn} and is {size_in_words(missing)} behind {upstream}"


def refuses_wal(snapshot: ClusterSnapshot, downstream: str, upstream: str) -> str | None:
    """The standby stands in front of WAL that it has received, waits for none, and gets none."""
    behind = left_behind(snapshot, downstream, upstream)
    below = answering(snapshot, downstream)
    if behind is None or below is None or below.flush_lsn is None or below.replay_lsn is None:
        return None
    return f"{behind}, though it has received up to {below.flush_lsn}" if below.flush_lsn > below.replay_lsn else None


def _age(sample: NodeSample) -> float:
    """Seconds since the server was started."""
    return sample.taken_at + (sample.clock_offset or 0.0) - sample.postmaster_started_at
