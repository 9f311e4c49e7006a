"""One plain sentence on a whole cluster, and how bad it is.

Owns: choosing the worst finding, or saying what a healthy cluster looks like with the age of the evidence. Pure.
Must not: find faults itself, colour, or call anything ok that is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pgreplterm.cluster.findings import Finding, Severity, findings
from pgreplterm.cluster.model import ClusterSnapshot, Link, LinkKind, NodeState, Role
from pgreplterm.cluster.thresholds import Thresholds
from pgreplterm.cluster.words import duration_in_words, printable, size_in_words

__all__ = ["Finding", "Severity", "Thresholds", "Verdict", "findings", "verdict"]

_MARKS = {Severity.OK: "", Severity.UNKNOWN: "? ", Severity.WARNING: "! ", Severity.CRITICAL: "! "}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence, its severity (never INFO), and every finding, worst first: an ok one may have some of INFO.

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


def verdict(
    snapshot: ClusterSnapshot, thresholds: Thresholds | None = None, earlier: Iterable[ClusterSnapshot] = ()
) -> Verdict:
    """Judge a snapshot; earlier ones of the same watch, oldest first, let it see what only shows over time."""
    found = findings(snapshot, thresholds, earlier)
    if not snapshot.nodes:
        return Verdict(Severity.UNKNOWN, "no server is watched")
    faults = [finding for finding in found if finding.severity > Severity.INFO]
    if not faults:
        ages = [link.evidence_age for link in _to_standbys(snapshot) if link.evidence_age is not None]
        return Verdict(Severity.OK, _healthy(snapshot), found, max(ages, default=None))
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Verdict(faults[0].severity, faults[0].sentence + more, found)


def _healthy(snapshot: ClusterSnapshot) -> str:
    standbys = [node for node in snapshot.nodes if node.role in (Role.STANDBY, Role.CASCADE)]
    streaming = sum(node.state is NodeState.STREAMING for node in standbys)
    if not standbys and not snapshot.links:
        return f"{printable(snapshot.primaries[0].name)} is primary, nothing is attached to it"
    links = _to_standbys(snapshot)
    count = f"{streaming} of {len(standbys)} standbys streaming"
    if not standbys:
        name = printable(snapshot.primaries[0].name)
        if not links:
            return f"{name} is primary, no standby is attached to it"
        count = f"{name} is primary, {len(links)} unwatched downstreams attached"
    return f"{count}; {_largest_gap(links)}"


def _to_standbys(snapshot: ClusterSnapshot) -> list[Link]:
    """Without backups, pg_receivewal and logical walsenders, which replay nothing."""
    return [link for link in snapshot.links if link.kind is LinkKind.STANDBY]


def _largest_gap(links: list[Link]) -> str:
    known = [(link.gaps.replay, link.downstream) for link in links if link.gaps.replay is not None]
    if not known:
        return "replay gaps unknown"
    gap, name = max(known)
    return f"largest replay gap {size_in_words(gap)} ({printable(name)})" if gap else "no replay gap"
