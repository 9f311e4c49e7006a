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
    """The sentence, its severity, and every finding behind it, worst first."""

    severity: Severity
    sentence: str
    findings: tuple[Finding, ...] = ()

    @property
    def line(self) -> str:
        """The sentence behind its mark: nothing when ok, ``!`` for trouble, ``?`` for what cannot be known."""
        return _MARKS[self.severity] + self.sentence


def verdict(snapshot: ClusterSnapshot, thresholds: Thresholds | None = None) -> Verdict:
    """Judge a snapshot."""
    found = findings(snapshot, thresholds)
    if not snapshot.nodes:
        return Verdict(Severity.UNKNOWN, "no server is watched")
    if not found:
        return Verdict(Severity.OK, _healthy(snapshot))
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
    ages = [link.evidence_age for link in links if link.evidence_age is not None]
    evidence = f", evidence {duration_in_words(max(ages))} old" if ages else ""
    if not known:
        return f"replay gaps unknown{evidence}"
    gap, name = max(known)
    if gap == 0:
        return f"no replay gap{evidence}"
    return f"largest replay gap {size_in_words(gap)} ({name}){evidence}"
