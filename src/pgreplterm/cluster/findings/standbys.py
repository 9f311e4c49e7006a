"""Rules on whether a standby follows at all, and on the one line of WAL.

Owns: those rules. Must not: judge by how much it is behind (``lag`` and ``replay`` do).
"""

from __future__ import annotations

from collections.abc import Iterator

from pgreplterm.cluster.findings.phrases import gaps_told, sampled
from pgreplterm.cluster.findings.rule import Hit, Rule, Severity, View
from pgreplterm.cluster.forks.lineage import Relation, compare
from pgreplterm.cluster.model import Node, NodeState, RejoinAction
from pgreplterm.cluster.words import size_in_words

_OWN_RULES = frozenset(
    {NodeState.DIVERGED, NodeState.NOT_STREAMING, NodeState.STARTUP, NodeState.STALE}
    | {NodeState.STREAMING, NodeState.CATCHUP}
)


def diverged(view: View) -> Iterator[Hit]:
    """A standby that holds WAL the primary's line never had."""
    for node, _ in view.standbys:
        if node.state is NodeState.DIVERGED:
            text, evidence = _fork(view, node)
            if node.rejoin is not None and node.rejoin.action is not RejoinAction.UNKNOWN:
                evidence = "; ".join(filter(None, (evidence, f"{node.rejoin.action}: {node.rejoin.reason}")))
            yield Hit(Severity.CRITICAL, node.name, text, evidence)


def _fork(view: View, node: Node) -> tuple[str, str]:
    reference = view.snapshot.node(node.upstream) if node.upstream is not None else None
    for other in (reference, *view.snapshot.primaries):
        if node.sample is None or other is None or other.sample is None or other.failure is not None:
            continue
        seen = compare(node.sample, other.sample)
        if seen.relation is Relation.DIVERGED and seen.fork is not None and seen.beyond is not None:
            fork = f"timeline {seen.fork.timeline} at {seen.fork.lsn}"
            text = f"{node.name} has diverged from {other.name}: {size_in_words(seen.beyond)} past the fork on {fork}"
            return text, f"{node.name} ends at {node.sample.position}, {other.name} at {other.sample.position}"
    return f"{node.name} has diverged", ""


def not_streaming(view: View) -> Iterator[Hit]:
    """A standby without a walreceiver."""
    for node, _ in view.standbys:
        if node.state is NodeState.NOT_STREAMING and not node.feeds_itself:
            yield Hit(Severity.WARNING, node.name, f"{node.name} is not streaming from anyone", sampled(node))


def not_receiving(view: View) -> Iterator[Hit]:
    """A walreceiver whose upstream has not begun to send."""
    for node, _ in view.standbys:
        if node.state is NodeState.STARTUP:
            evidence = gaps_told(view.snapshot.link_to(node.name))
            yield Hit(Severity.WARNING, node.name, f"{node.name} is attached and receives nothing", evidence)


def state_unknown(view: View) -> Iterator[Hit]:
    """A standby of which neither end says what it does, though both may be asked."""
    for node, sample in view.standbys:
        if node.state not in _OWN_RULES and sample.missing_privilege is None:
            text = f"whether {node.name} ({node.state}) streams is unknown"
            yield Hit(Severity.UNKNOWN, node.name, text, sampled(node))


RULES = (
    Rule(
        "diverged",
        (Severity.CRITICAL,),
        diverged,
        meaning="The standby holds WAL past the point where its line and the primary's part: transactions that the "
        "cluster does not have. It may look attached, answer queries with rows that are lost elsewhere, and it will "
        "never catch up.",
        action="Save what only it has before anything else (`wal risk`). Then pg_rewind (checkpoint the new primary "
        "first) or a new base backup.",
        mysql="errant transactions: GTID_SUBTRACT(the replica's gtid_executed, the source's) is not empty",
    ),
    Rule(
        "not-streaming",
        (Severity.WARNING,),
        not_streaming,
        meaning="The standby runs and has no walreceiver. It gets no WAL, or only from an archive, and falls behind "
        "with every write.",
        action="Read its log: the primary cannot be reached, refuses it (pg_hba.conf, slot, password), or no longer "
        "has the WAL it needs. Check primary_conninfo and primary_slot_name.",
        mysql="Replica_IO_Running: No, or Connecting",
        settles=4.0,
    ),
    Rule(
        "not-receiving",
        (Severity.WARNING,),
        not_receiving,
        meaning="A walreceiver is attached and its upstream sends it nothing. That is right for a moment after "
        "connecting; a standby that has diverged does it again and again.",
        action="If it lasts, read both servers' logs: they name the timeline or the WAL that is missing.",
        mysql="Replica_IO_State: Requesting binlog dump, over and over",
        settles=4.0,
    ),
    Rule(
        "state-unknown",
        (Severity.UNKNOWN,),
        state_unknown,
        meaning="Neither the standby nor its upstream says what it does.",
        action="Watch its upstream, too, with a role that has pg_monitor.",
        mysql="SHOW REPLICA STATUS is empty or not permitted",
    ),
)
