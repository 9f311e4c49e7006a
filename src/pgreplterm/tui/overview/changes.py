"""What happened between two snapshots, as sentences.

Owns: the comparison of two snapshots; every sentence names the node and both the old and the new fact.
Must not: keep state or judge lag (the verdict does); an unknown fact never counts as a change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from pgreplterm.cluster.model import ClusterSnapshot, Link, Node, NodeState, Role


class Weight(IntEnum):
    """How much a change matters to whoever is watching."""

    NOTE = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the events list; at is seconds since the epoch."""

    at: float
    weight: Weight
    text: str


_GONE = frozenset({NodeState.DOWN, NodeState.SILENT, NodeState.STALE})
_ATTACHED = frozenset({"streaming", "catchup", "backup"})


def changes(before: ClusterSnapshot | None, after: ClusterSnapshot) -> tuple[Change, ...]:
    """Every change between two ticks, in node order; on the first tick only what is wrong already."""
    return tuple(
        Change(after.taken_at, weight, text)
        for finder in (_nodes, _links, _primaries)
        for weight, text in finder(before, after)
    )


def _nodes(before: ClusterSnapshot | None, after: ClusterSnapshot) -> Iterator[tuple[Weight, str]]:
    for node in after.nodes:
        old = before.node(node.name) if before else None
        if old is None:
            if node.state in _GONE:
                yield Weight.CRITICAL, f"{node.name} {node.state}{_why(node)}"
            elif before is not None:
                yield Weight.NOTE, f"{node.name} appeared as {node.role}, {node.state}"
            continue
        yield from _node(old, node)
    for old in before.nodes if before else ():
        if after.node(old.name) is None:
            yield Weight.WARNING, f"{old.name} is no longer seen"


def _node(old: Node, new: Node) -> Iterator[tuple[Weight, str]]:
    if new.role is not old.role and Role.UNKNOWN not in (old.role, new.role):
        yield Weight.WARNING, f"{new.name} was {old.role}, is now {new.role}"
    if new.state is not old.state:
        if new.state in _GONE:
            yield Weight.CRITICAL, f"{new.name} {new.state}{_why(new)}"
        elif old.state in _GONE:
            yield Weight.NOTE, f"{new.name} is back: {new.state}"
        elif NodeState.UNKNOWN not in (old.state, new.state):
            worse = new.state in (NodeState.NOT_STREAMING, NodeState.STARTUP)
            yield Weight.WARNING if worse else Weight.NOTE, f"{new.name} {old.state} -> {new.state}"
    if old.timeline is not None and new.timeline is not None and old.timeline != new.timeline:
        yield Weight.WARNING, f"{new.name} timeline {old.timeline} -> {new.timeline}{_fork(new)}"
    if _restarted(old, new):
        yield Weight.WARNING, f"{new.name} has restarted"


def _links(before: ClusterSnapshot | None, after: ClusterSnapshot) -> Iterator[tuple[Weight, str]]:
    if before is None:
        return
    for link in after.links:
        old = before.link_to(link.downstream)
        if old is not None and old.upstream != link.upstream:
            yield Weight.NOTE, f"{link.downstream} now follows {link.upstream}, before {old.upstream}"
        if _attached(link) and not (old and _attached(old)):
            yield Weight.NOTE, f"link {link.upstream} -> {link.downstream} attached"
        if old and _attached(old) and not _attached(link):
            yield Weight.WARNING, f"link {link.upstream} -> {link.downstream} lost"
        yield from _sync(old, link)
    for old in before.links:
        if _attached(old) and after.link_to(old.downstream) is None:
            yield Weight.WARNING, f"link {old.upstream} -> {old.downstream} lost"


def _sync(old: Link | None, new: Link) -> Iterator[tuple[Weight, str]]:
    was = old.sender.sync_state if old and old.sender else None
    now = new.sender.sync_state if new.sender else None
    if was and now and was != now:
        yield Weight.NOTE, f"{new.downstream} was {was}, is now {now}"


def _primaries(before: ClusterSnapshot | None, after: ClusterSnapshot) -> Iterator[tuple[Weight, str]]:
    old = len(before.primaries) if before else 1
    new = len(after.primaries)
    if new > 1 and old <= 1:
        names = " and ".join(node.name for node in after.primaries)
        yield Weight.CRITICAL, f"split brain: {names} both accept writes"
    if new == 0 and old > 0:
        yield Weight.CRITICAL, "no primary answers: writes fail"


def _attached(link: Link) -> bool:
    if link.sender is not None:
        return link.sender.state in _ATTACHED
    return link.receiver is not None and link.receiver.status == "streaming"


def _restarted(old: Node, new: Node) -> bool:
    if old.sample is None or new.sample is None:
        return False
    return new.sample.postmaster_started_at - old.sample.postmaster_started_at > 1.0


def _why(node: Node) -> str:
    return f": {node.failure.reason}" if node.failure and node.failure.reason else ""


def _fork(node: Node) -> str:
    history = node.sample.history if node.sample else None
    if history is None or not history.ancestors:
        return ""
    return f", forked at {history.ancestors[-1].switchpoint}"
