"""What a lab's nodes do right now.

Owns: joining the state file, the process table and each server's own word into one status per node.
Must not: change anything. Lag and judgement are the ``cluster`` room's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pgreplterm.cluster.model import Role
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import server, sql
from pgreplterm.lab.site import Site
from pgreplterm.lab.state import LabState, NodeRecord


class Activity(StrEnum):
    """What a node does; the words are those of ``cluster.model.NodeState`` where it has one."""

    RUNNING = "running"  # a primary that answers
    STREAMING = "streaming"
    NOT_STREAMING = "not streaming"
    STARTING = "starting"
    FROZEN = "frozen"  # its processes are stopped by SIGSTOP
    SILENT = "silent"  # it runs and does not answer
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node now. pid is None when it does not run; upstream is None on a primary."""

    name: str
    role: Role
    state: Activity
    dsn: str
    pid: int | None
    port: int
    data_directory: str
    upstream: str | None


def status(site: Site) -> tuple[NodeStatus, ...]:
    """All nodes, in the order they were made."""
    lab = site.read()
    return tuple(_node_status(site, lab, node) for node in lab.nodes)


def _node_status(site: Site, lab: LabState, node: NodeRecord) -> NodeStatus:
    activity, in_recovery = _observe(site, node)
    role = _role(lab, node) if in_recovery else Role.PRIMARY
    return NodeStatus(
        name=node.name,
        role=role,
        state=activity,
        dsn=site.dsn(node),
        pid=next(iter(site.backend.pids(node)), None) if activity is not Activity.DOWN else None,
        port=node.port,
        data_directory=node.data_directory,
        upstream=None if role is Role.PRIMARY else node.upstream,
    )


def _observe(site: Site, node: NodeRecord) -> tuple[Activity, bool]:
    """What the node does and whether it is (or would start) in recovery; a frozen one is not asked."""
    would_recover = server.is_standby(node)
    if not site.is_running(node):
        return Activity.DOWN, would_recover
    if site.is_frozen(node):
        return Activity.FROZEN, would_recover
    lock = server.read_lock_file(Path(node.data_directory))
    if lock is None or lock.status not in ("ready", "standby"):
        return Activity.STARTING, would_recover
    try:
        with site.connect(node) as link:
            standing = sql.standing(link)
    except PgReplTermError:
        return Activity.SILENT, would_recover
    if not standing.in_recovery:
        return Activity.RUNNING, False
    return (Activity.STREAMING if standing.receiver == "streaming" else Activity.NOT_STREAMING), True


def _role(lab: LabState, node: NodeRecord) -> Role:
    """A standby; a cascade when what it follows is itself a standby."""
    if node.upstream is None:
        return Role.STANDBY
    return Role.CASCADE if server.is_standby(lab.node(node.upstream)) else Role.STANDBY
