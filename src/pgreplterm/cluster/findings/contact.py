"""Rules on evidence that is missing: servers that do not answer, words that are old, privileges that lack.

Owns: those rules. Must not: take silence for health.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgreplterm.cluster.findings.lag import is_unwatched_standby
from pgreplterm.cluster.findings.phrases import failure_of, gaps_told, sampled
from pgreplterm.cluster.findings.rule import Hit, Rule, Severity, View
from pgreplterm.cluster.joining.state import is_evidence_old
from pgreplterm.cluster.model import Link, Node, NodeSample, NodeState, Role
from pgreplterm.cluster.words import duration_in_words, size_in_words

_LATE = 2.0  # seconds


def unreachable(view: View) -> Iterator[Hit]:
    """A node that is down, silent or starting, beside others that answer."""
    for node in _failed(view):
        if node.failure is not None and node.failure.state is not NodeState.UNKNOWN:
            yield Hit(Severity.WARNING, node.name, f"{node.name} {failure_of(node)}", node.address)


def unreadable(view: View) -> Iterator[Hit]:
    """A node that is there and refuses us."""
    for node in _failed(view):
        if node.failure is not None and node.failure.state is NodeState.UNKNOWN:
            yield Hit(Severity.UNKNOWN, node.name, f"{node.name} {failure_of(node)}", node.address)


def unasked(view: View) -> Iterator[Hit]:
    """A node that has neither answered nor failed yet."""
    nodes = view.snapshot.nodes
    if any(node.sample or node.failure for node in nodes):
        for node in nodes:
            if node.sample is None and node.failure is None:
                yield Hit(Severity.UNKNOWN, node.name, f"{node.name} has not answered yet", node.address)


def _failed(view: View) -> Iterator[Node]:
    """Failed nodes that ``no-primary`` does not name already."""
    if not any(node.sample for node in view.snapshot.nodes):
        return
    for node in view.snapshot.nodes:
        was_primary = node.sample is not None and not node.sample.in_recovery
        if node.failure is not None and (view.snapshot.primaries or not was_primary):
            yield node


def stale(view: View) -> Iterator[Hit]:
    """The node's own sample is old, or what its link says is: figures that say nothing of now."""
    for node, sample in view.answering:
        if node.state is NodeState.STALE:
            link = view.snapshot.link_to(node.name)
            if _is_late(sample, link):
                yield _late(node)
            else:
                yield _stale(view, node.name, _age(node, link), link)
    for link in view.snapshot.links:
        if is_unwatched_standby(view, link) and is_evidence_old(link, None):
            yield _stale(view, link.downstream, link.evidence_age or 0.0, link)


def _is_late(sample: NodeSample, link: Link | None) -> bool:
    """It is its own answer that is old, not what its link says."""
    if not sample.in_recovery:
        return True
    return link is not None and link.sender is not None and not is_evidence_old(link, sample)


def _late(node: Node) -> Hit:
    """At ten looks a second a busy server is late for a moment: then nothing is known of it, and nothing is wrong."""
    age = node.sample_age or 0.0
    severity = Severity.WARNING if age > _LATE else Severity.UNKNOWN
    return Hit(severity, node.name, f"{node.name} has not answered for {duration_in_words(age)}", node.address)


def _stale(view: View, name: str, age: float, link: Link | None) -> Hit:
    gap = link.gaps.replay if link is not None else None
    behind = f", at least {size_in_words(gap)} behind in replay" if gap else ""
    severity = Severity.CRITICAL if (gap or 0) > view.limits.replay_gap_critical else Severity.WARNING
    text = f"{name} has not confirmed anything for {duration_in_words(age)}{behind}"
    return Hit(severity, name, text, gaps_told(link))


def _age(node: Node, link: Link | None) -> float:
    age = max(node.sample_age or 0.0, (link.evidence_age or 0.0) if link is not None else 0.0)
    if link is not None and link.sender is None and link.receiver is not None:
        age = max(age, link.receiver.last_message_age or 0.0)
    return age


def missing_privilege(view: View) -> Iterator[Hit]:
    """A role that sees too little to judge by. What it sees beside that is judged all the same."""
    for node, sample in view.answering:
        judged_blind = node.state is NodeState.UNKNOWN or node.role is Role.PRIMARY
        if sample.missing_privilege is not None and judged_blind:
            text = f"the role used on {node.name} lacks {sample.missing_privilege}, so its links cannot be judged"
            hidden = "; ".join(f"{missing.hidden}: {missing.privilege}" for missing in sample.missing_privileges)
            yield Hit(Severity.UNKNOWN, node.name, text, hidden or sampled(node))


RULES = (
    Rule(
        "stale",
        (Severity.WARNING, Severity.CRITICAL, Severity.UNKNOWN),
        stale,
        meaning="The newest word on this node is older than a healthy one ever gets. Its figures are what was true "
        "then: a stalled link reads as a perfect one in pg_stat_replication, with state streaming and no lag at all.",
        action="Look at the standby and the way to it: its walreceiver is stopped or starved, or the network loses "
        "what it sends. wal_receiver_timeout ends such a link after a minute.",
        mysql="Replica_IO_Running: Yes with an old LAST_HEARTBEAT_TIMESTAMP in replication_connection_status",
    ),
    Rule(
        "unreachable",
        (Severity.WARNING,),
        unreachable,
        meaning="The server refuses connections, does not answer in time, or is starting or stopping. Nothing is known "
        "of it now.",
        action="Check its process, its port, the network, and its log.",
        mysql="a replica that SHOW REPLICAS on the source no longer lists",
        settles=2.0,
    ),
    Rule(
        "unreadable",
        (Severity.UNKNOWN,),
        unreadable,
        meaning="The server is there and does not let this role in, or answers in a way that cannot be read.",
        action="Check role, password, database and pg_hba.conf; `psql` with the same DSN says the same.",
        mysql="Access denied for user",
    ),
    Rule(
        "unasked",
        (Severity.UNKNOWN,),
        unasked,
        meaning="The watch has just begun and this server has not answered its first question.",
        action="Wait for the next sample.",
        mysql="no counterpart",
        settles=10.0,
    ),
    Rule(
        "missing-privilege",
        (Severity.UNKNOWN,),
        missing_privilege,
        meaning="The role may connect and may not see walsenders, walreceivers or settings. What is hidden is unknown, "
        "not well.",
        action="GRANT pg_monitor TO the role: it reads statistics and settings, never a table.",
        mysql="a user without REPLICATION CLIENT: SHOW REPLICA STATUS is denied",
    ),
)
