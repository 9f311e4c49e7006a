"""A node as the verdict on it needs it, whether it runs or is down.

Owns: what a sample says of a node's line, and in words what it does not say. Pure. Must not: judge.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.cluster.forks.grounds import NO_EVIDENCE, LineageEvidence
from pgreplterm.cluster.forks.lineage import Lineage, lineage_of
from pgreplterm.cluster.model import Missing, NodeSample
from pgreplterm.cluster.words import printable

HISTORY = "timeline history"  # as a Missing names it


@dataclass(frozen=True, slots=True)
class Member:
    """A node as a verdict needs it. lineage is None while unknown, and then unknown says why; so may the system be.

    writes: it is a primary. streams: its walreceiver is streaming on its timeline. control_timeline is pg_control's.
    """

    name: str
    system_identifier: int | None
    major: int | None
    lineage: Lineage | None
    evidence: LineageEvidence = NO_EVIDENCE
    writes: bool = False
    streams: bool = False
    control_timeline: int | None = None
    unknown: str = ""
    timeline: int | None = None  # known by number even where its history is not
    taken_at: float | None = None  # None: it is down, and stays as it is


def member_of(name: str, sample: NodeSample, writes: bool | None = None) -> Member:
    """A sampled node as a verdict needs it; writes, if given, corrects what the sample says of its role."""
    control = sample.activity.control
    return Member(
        name=printable(name),
        system_identifier=sample.system_identifier,
        major=sample.server_version_num // 10000,
        lineage=lineage_of(sample),
        evidence=sample.evidence,
        writes=not sample.in_recovery if writes is None else writes,
        streams=streams(sample),
        control_timeline=None if control is None else control.timeline,
        unknown=_what_lacks(sample),
        timeline=sample.timeline,
        taken_at=sample.taken_at,
    )


def streams(sample: NodeSample) -> bool:
    """Its walreceiver streams on its timeline, from an upstream that has at least what it holds.

    One that is ahead streams all the same: it begins at the start of a segment, and both ends call that streaming. But
    the upstream then reports an end of WAL before the receiver's own, both of one instant.
    """
    receiver = sample.receiver
    if receiver is None or receiver.status != "streaming":
        return False
    if receiver.flushed_lsn is not None and receiver.latest_end_lsn is not None:
        return receiver.received_timeline == sample.timeline and receiver.flushed_lsn <= receiver.latest_end_lsn
    return False


def is_about_history(missing: Missing) -> bool:
    """Whether it is a timeline's history that is hidden."""
    return "history" in missing.hidden


def _what_lacks(sample: NodeSample) -> str:
    """Why a sample has no lineage, in words."""
    hidden = next(filter(is_about_history, sample.missing_privileges), None)
    if sample.timeline is None:
        return "the timeline is not known to this role (pg_monitor)"
    if sample.position is None:
        return "the end of the WAL is not known"
    if hidden is not None:
        return f"the history of timeline {sample.timeline} is hidden from this role ({hidden.privilege})"
    return f"the history of timeline {sample.timeline} has not been read"
