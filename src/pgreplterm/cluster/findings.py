"""What is wrong with a cluster, each fault as one sentence with a severity.

Owns: the list of faults a snapshot can show, and their thresholds. Pure.
Must not: rank them against each other or choose words for a healthy cluster (``verdict`` does). What cannot be
known is a finding of its own: silence is never taken for health.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from pgreplterm.cluster.lineage import Relation, compare
from pgreplterm.cluster.model import ClusterSnapshot, Node, NodeState, Role, Slot
from pgreplterm.cluster.words import duration_in_words, printable, size_in_words

_SYNCHRONOUS = frozenset({"sync", "quorum", "potential"})
_SYNCHRONOUS_COUNT = re.compile(r"\s*(?:(?:any|first)\s+)?(\d+)\s*\(", re.IGNORECASE)


class Severity(IntEnum):
    """How bad, in rising order; unknown is worse than ok."""

    OK = 0
    UNKNOWN = 1
    WARNING = 2
    CRITICAL = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a figure becomes a finding, in bytes."""

    replay_gap: int = 16 * 1024 * 1024
    safe_wal_size: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: severity, the node it is about (None: the whole cluster), and a sentence without its full stop."""

    severity: Severity
    node: str | None
    sentence: str


def findings(snapshot: ClusterSnapshot, thresholds: Thresholds | None = None) -> tuple[Finding, ...]:
    """Every fault the snapshot shows, worst first, then in topology order."""
    limits = thresholds or Thresholds()
    found = [*_cluster(snapshot), *_commits(snapshot)]
    for node in snapshot.nodes:
        found += _node(snapshot, node, limits)
        found += _slots(node, limits)
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def _cluster(snapshot: ClusterSnapshot) -> Iterator[Finding]:
    by_system: dict[int, list[str]] = {}
    for node in snapshot.primaries:
        if node.sample is not None:
            by_system.setdefault(node.sample.system_identifier, []).append(node.name)
    for names in by_system.values():
        if len(names) > 1:
            yield Finding(Severity.CRITICAL, None, f"{len(names)} primaries accept writes: {_and(names)}")
    known = {node.sample.system_identifier for node in snapshot.nodes if node.sample is not None}
    if len(known) > 1:
        yield Finding(Severity.WARNING, None, f"the watched servers belong to {len(known)} different clusters")
    if snapshot.nodes and not snapshot.primaries:
        yield _no_primary(snapshot)


def _no_primary(snapshot: ClusterSnapshot) -> Finding:
    """A lost primary is critical; one that was never watched leaves the standbys' distance unknown."""
    last = [node for node in snapshot.nodes if node.sample is not None and not node.sample.in_recovery]
    if last:
        was = _and([f"{node.name} {_failure(node)}" for node in last])
        return Finding(Severity.CRITICAL, last[0].name, f"no primary answers: {was}")
    if not any(node.sample or node.failure for node in snapshot.nodes):
        return Finding(Severity.UNKNOWN, None, "no server has answered yet")
    if not any(node.sample for node in snapshot.nodes):
        first, more = snapshot.nodes[0], len(snapshot.nodes) - 1
        text = f"no server answers: {first.name} {_failure(first)}"
        return Finding(Severity.CRITICAL, None, f"{text}, nor do {more} others" if more else text)
    if any(node.failure for node in snapshot.nodes):
        return Finding(Severity.CRITICAL, None, "no primary answers")
    return Finding(Severity.UNKNOWN, None, "no primary is watched, so how far its standbys are behind is unknown")


def _commits(snapshot: ClusterSnapshot) -> Iterator[Finding]:
    """Commits hang while fewer standbys are attached than synchronous_standby_names asks for."""
    for node in snapshot.primaries:
        sample = node.sample
        if sample is None or not sample.synchronous_standby_names or sample.missing_privilege is not None:
            continue
        wanted = _required(sample.synchronous_standby_names)
        attached = sum(row.sync_state in _SYNCHRONOUS and row.state == "streaming" for row in sample.senders)
        if attached < wanted:
            rule = printable(sample.synchronous_standby_names)
            text = f"commits on {node.name} wait: {rule} needs {wanted} standbys and {attached} of them streams"
            yield Finding(Severity.CRITICAL, node.name, text.replace("1 standbys", "1 standby"))


def _required(names: str) -> int:
    """How many standbys must confirm: the number before the list, 1 without one (syncrep_gram.y)."""
    match = _SYNCHRONOUS_COUNT.match(names)
    return int(match[1]) if match else 1


def _node(snapshot: ClusterSnapshot, node: Node, limits: Thresholds) -> Iterator[Finding]:
    if node.failure is not None:
        lost_primary = node.sample is not None and not node.sample.in_recovery and not snapshot.primaries
        if not lost_primary and any(other.sample for other in snapshot.nodes):
            refused = node.state is NodeState.UNKNOWN
            severity = Severity.UNKNOWN if refused else Severity.WARNING
            yield Finding(severity, node.name, f"{node.name} {_failure(node)}")
        return
    if node.sample is None:
        if any(other.sample or other.failure for other in snapshot.nodes):
            yield Finding(Severity.UNKNOWN, node.name, f"{node.name} has not answered yet")
        return
    if node.role is not Role.PRIMARY:
        yield from _standby(snapshot, node, limits)
    elif node.state is NodeState.STALE:
        yield _stale(snapshot, node)
    if node.sample.missing_privilege is not None and (node.state is NodeState.UNKNOWN or node.role is Role.PRIMARY):
        text = f"the role used on {node.name} lacks {node.sample.missing_privilege}, so its links cannot be judged"
        yield Finding(Severity.UNKNOWN, node.name, text)


def _standby(snapshot: ClusterSnapshot, node: Node, limits: Thresholds) -> Iterator[Finding]:
    match node.state:
        case NodeState.DIVERGED:
            yield _diverged(snapshot, node)
        case NodeState.NOT_STREAMING:
            yield Finding(Severity.WARNING, node.name, f"{node.name} is not streaming from anyone")
        case NodeState.STARTUP:
            yield Finding(Severity.WARNING, node.name, f"{node.name} is attached and receives nothing")
        case NodeState.STALE:
            yield _stale(snapshot, node)
        case NodeState.STREAMING | NodeState.CATCHUP:
            yield from _lag(snapshot, node, limits)
        case _ if node.sample is None or node.sample.missing_privilege is None:
            yield Finding(Severity.UNKNOWN, node.name, f"whether {node.name} ({node.state}) streams is unknown")


def _lag(snapshot: ClusterSnapshot, node: Node, limits: Thresholds) -> Iterator[Finding]:
    link = snapshot.link_to(node.name)
    gap = link.gaps.replay if link is not None else None
    if gap is None:
        if snapshot.primaries:
            yield Finding(Severity.UNKNOWN, node.name, f"how far {node.name} is behind is unknown")
        return
    behind = f"{size_in_words(gap)} behind in replay"
    if node.state is NodeState.CATCHUP:
        yield Finding(Severity.WARNING, node.name, f"{node.name} is catching up, {behind}")
    elif gap >= limits.replay_gap:
        yield Finding(Severity.WARNING, node.name, f"{node.name} is {behind}")
    if node.sample is not None and node.sample.replay_paused:
        yield Finding(Severity.WARNING, node.name, f"replay is paused on {node.name}, {behind}")


def _slots(node: Node, limits: Thresholds) -> Iterator[Finding]:
    for slot in node.sample.slots if node.sample is not None and node.failure is None else ():
        name = f"slot {printable(slot.name)} on {node.name}"
        if slot.wal_status == "lost":
            why = f" ({slot.invalidation_reason})" if slot.invalidation_reason else ""
            text = f"{name} is lost{why}: its standby needs a rebuild or an archive"
            yield Finding(Severity.CRITICAL, node.name, text)
        elif slot.wal_status == "unreserved":
            yield Finding(Severity.CRITICAL, node.name, f"{name} loses its WAL at the next checkpoint")
        elif _nearly_full(slot, limits):
            left = size_in_words(max(0, slot.safe_wal_size or 0))
            yield Finding(Severity.WARNING, node.name, f"{name} is lost after {left} more WAL")


def _nearly_full(slot: Slot, limits: Thresholds) -> bool:
    """safe_wal_size shrinks long before wal_status changes; it matters only while nobody consumes the slot."""
    return slot.safe_wal_size is not None and slot.safe_wal_size < limits.safe_wal_size and not slot.active


def _diverged(snapshot: ClusterSnapshot, node: Node) -> Finding:
    reference = snapshot.node(node.upstream) if node.upstream is not None else None
    for other in (reference, *snapshot.primaries):
        if node.sample is None or other is None or other.sample is None or other.failure is not None:
            continue
        seen = compare(node.sample, other.sample)
        if seen.relation is Relation.DIVERGED and seen.fork is not None and seen.beyond is not None:
            fork = f"timeline {seen.fork.timeline} at {seen.fork.lsn}"
            text = f"{node.name} has diverged from {other.name}: {size_in_words(seen.beyond)} past the fork on {fork}"
            return Finding(Severity.CRITICAL, node.name, text)
    return Finding(Severity.CRITICAL, node.name, f"{node.name} has diverged")


def _stale(snapshot: ClusterSnapshot, node: Node) -> Finding:
    """Either the node's sample is old, or what its link says is."""
    link = snapshot.link_to(node.name)
    age = max(node.sample_age or 0.0, (link.evidence_age or 0.0) if link is not None else 0.0)
    if link is not None and link.receiver is not None and link.receiver.last_message_age is not None:
        age = max(age, link.receiver.last_message_age if link.sender is None else 0.0)
    gap = link.gaps.replay if link is not None else None
    behind = f", at least {size_in_words(gap)} behind in replay" if gap else ""
    text = f"{node.name} has not confirmed anything for {duration_in_words(age)}{behind}"
    return Finding(Severity.WARNING, node.name, text)


def _failure(node: Node) -> str:
    failure = node.failure
    if failure is None:
        return "has not answered yet"
    age = "" if node.sample_age is None else f" for {duration_in_words(node.sample_age)}"
    match failure.state:
        case NodeState.SILENT:
            return f"is silent{age}"
        case NodeState.DOWN:
            return f"is down{age} ({printable(failure.reason)})"
        case NodeState.STARTING:
            return f"is starting or stopping ({printable(failure.reason)})"
        case _:
            return f"cannot be read ({printable(failure.reason)})"


def _and(names: list[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1] if names else "nobody"
