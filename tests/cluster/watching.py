"""Waiting for a cluster to be seen in some state, with what was seen instead when it never is."""

from __future__ import annotations

import time
from collections.abc import Callable

from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.cluster.model import ClusterSnapshot, Gaps, NodeState
from pgreplterm.cluster.sampling.sampler import Sampler
from pgreplterm.cluster.verdict import verdict

from .replicas import Cluster

PATIENCE = 20.0


def watch(cluster: Cluster, role: str = "postgres", interval: float = 0.1) -> Sampler:
    """A sampler on every node of the cluster, under their names."""
    named = [named_target(name, node.dsn_as(role)) for name, node in cluster.nodes.items()]
    return Sampler(named, interval=interval)


async def until(
    sampler: Sampler, condition: Callable[[ClusterSnapshot], object], within: float = PATIENCE
) -> ClusterSnapshot:
    """The first snapshot for which the condition holds."""
    deadline = time.monotonic() + within
    async for snapshot in sampler.snapshots():
        if condition(snapshot):
            return snapshot
        assert time.monotonic() < deadline, f"never seen; last: {verdict(snapshot).line}\n{snapshot}"
    raise AssertionError("the sampler ended")


def states(snapshot: ClusterSnapshot) -> dict[str, NodeState]:
    """Each node's state by name."""
    return {node.name: node.state for node in snapshot.nodes}


def gaps(snapshot: ClusterSnapshot, name: str) -> Gaps:
    """The gaps of the link that feeds that node."""
    link = snapshot.link_to(name)
    assert link is not None, f"{name} has no link: {snapshot.links}"
    return link.gaps
