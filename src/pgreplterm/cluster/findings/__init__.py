"""What is wrong with a cluster, each fault as one sentence with a severity.

Owns: the list of rules, in the order in which they are told, and applying them to a snapshot. Pure.
Must not: choose words for a healthy cluster (``verdict`` does). What cannot be known is a finding of its own: silence
is never taken for health.
"""

from __future__ import annotations

from collections.abc import Iterable

from pgreplterm.cluster.findings import cluster, commits, contact, lag, replay, slots, standbys, upkeep
from pgreplterm.cluster.findings.rule import Finding, Rule, Severity, View
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.cluster.thresholds import Thresholds
from pgreplterm.cluster.words import printable

__all__ = ["RULES", "Finding", "Rule", "Severity", "findings", "rule_of"]

# Of two findings as bad, the one whose rule stands first is told first: causes before what follows from them.
RULES: tuple[Rule, ...] = (
    *cluster.RULES,
    *commits.RULES,
    *standbys.RULES,
    *replay.RULES,
    *slots.RULES,
    *contact.RULES,
    *lag.RULES,
    *slots.INACTIVE,
    *upkeep.RULES,
)
_BY_ID = {rule.id: rule for rule in RULES}


def rule_of(finding: Finding) -> Rule:
    """The rule that found it, which says what it means, what to do, and what MySQL calls it."""
    return _BY_ID[finding.rule]


def findings(
    snapshot: ClusterSnapshot, thresholds: Thresholds | None = None, earlier: Iterable[ClusterSnapshot] = ()
) -> tuple[Finding, ...]:
    """Every fault the snapshot shows, worst first, then in the order of the rules, then in topology order.

    earlier are snapshots of the same watch, oldest first: without them, what only shows over time is not found.
    """
    view = View(snapshot, thresholds or Thresholds(), tuple(earlier))
    found = [
        Finding(hit.severity, hit.node, printable(hit.sentence), rule.id, printable(hit.evidence))
        for rule in RULES
        for hit in rule.condition(view)
    ]
    return tuple(sorted(found, key=lambda finding: -finding.severity))
