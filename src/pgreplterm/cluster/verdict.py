"""One plain sentence on a whole cluster, and how bad it is.

Owns: choosing the worst finding, or saying what a healthy cluster looks like with the age of the evidence. Pure.
Must not: find faults itself, colour, or call anything ok that is not known.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.cluster.findings import Finding, Severity, Thresholds, findings
from pgreplterm.cluster.model import ClusterSnapshot, Link, NodeState, Role
from pgreplterm.cluster.words import duration_in_words, size_in_words

__all__ = ["Finding", "Severity", "Thresholds", "Verdict", "findings", "verdict"]

_MARKS = {Severity.OK: "", Severity.UNKNOWN: "? ", Severity.WARNING: "! ", Severity.CRITICAL: "! "}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence, its severity, and every finding behind it, worst first.

    evidence_age is that of the oldest word a healthy cluster's standbys were judged by, in seconds; None is unknown.
    It stands apart from the sentence because it changes every tick and the rest does not.
    """

    severity: Severity
    sentence: str
    findings: tuple[Finding, ...] = ()
    evidence_age: float | None = None

    @property
    def line(self) -> str:
        """The sentence behind its mark: nothing when ok, ``!`` for trouble, ``?`` for what cannot be known."""
        evidence = "" if self.evidence_age is None else f", evidence {duration_in_words(self.evidence_age)} old"
        return f"{_MARKS[self.severity]}{self.sentence}{evidence}"


def verdict(snapshot: ClusterSnapshot, thresholds: Thresholds | None = None) -> Verdict:
    """Judge a snapshot."""
    found = findings(snapshot, thresholds)
    if not snapshot.nodes:
        return Verdict(Severity.UNKNOWN, "no server is watched")
    if not found:
        ages = [link.evidence_age for link in snapshot.links if link.evidence_age is not None]
        return Verdict(Severity.OK, _healthy(snapshot), (), max(ages, default=None))
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Verdict(found[0].severity, found[0].sentence + more, found)


def _healthy(snapshot: ClusterSnapshot) -> str:
    standbys = [node for node in snapshot.nodes if node.role in (Role.STANDBY, Role.CASCADE)]
    streaming = sum(node.state is NodeState.STREAMING for node in standbys)
    if not standbys and not snapshot.links:
        return f"{snapshot.primaries[0].name} is primary, nothing is attached to it"
    count = f"{streaming} of {len(standbys)} standbys streaming"
    if not standbys:
        count = f"{snapshot.primaries[0].name} is primary, {len(snapshot.links)} unwatched downstreams attached"
    return f"{count}; {_largest_gap(snapshot.links)}"


def _largest_gap(links: tuple[Link, ...]) -> str:
    known = [(link.gaps.replay, link.downstream) for link in links if link.gaps.replay is not None]
    if not known:
        return "replay gaps unknown"
    gap, name = max(known)
    return f"largest replay gap {size_in_words(gap)} ({name})" if gap else "no replay gap"
