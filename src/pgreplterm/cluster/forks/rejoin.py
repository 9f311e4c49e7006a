"""What it takes to have one node follow another, and the one fact that decides it.

Owns: the verdict (follow, rewind, rebuild, foreign, unknown) on a node as it stands, running or stopped. Pure.
Must not: read WAL or servers, or do anything about it.

The rules are pg_rewind's own (src/bin/pg_rewind/pg_rewind.c) where it is pg_rewind that decides: it goes by timeline
numbers and switchpoints, so it does nothing for two lines with one number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from pgreplterm.cluster.forks.lineage import Comparison, Relation, compare_lineages
from pgreplterm.cluster.forks.member import Member, member_of, streams
from pgreplterm.cluster.model import Node, NodeSample, NodeState, Rejoin, RejoinAction, Role
from pgreplterm.cluster.words import size_in_words
from pgreplterm.wal.lsn import LSN

_STILL_WRITES = "; but it is still a primary, and a clean shutdown would write past the fork: stop it in immediate mode"
SAME_MOMENT = 0.5  # seconds between two samples of one tick, at most
CHECKPOINT_FIRST_BEFORE = 17  # older pg_rewind takes the source's timeline from its last checkpoint


def reference_of(members: Sequence[Member], sizes: Mapping[int | None, int] | None = None) -> Member | None:
    """The one to judge the others by: the only primary, or of several the one on the newest timeline.

    Of several clusters it is the primary of the one with most nodes; sizes are those, where members are not all. None
    when there is none, or when two primaries share the newest number: then a person has to say which line is the truth.
    """
    sizes = Counter(one.system_identifier for one in members) if sizes is None else sizes
    primaries = [one for one in members if one.writes]
    most = max((sizes[one.system_identifier] for one in primaries), default=0)
    primaries = [one for one in primaries if sizes[one.system_identifier] == most]
    if len(primaries) < 2:
        return primaries[0] if primaries else None
    if len({one.system_identifier for one in primaries}) > 1 or any(one.timeline is None for one in primaries):
        return None
    newest = max(one.timeline or 0 for one in primaries)
    latest = [one for one in primaries if one.timeline == newest]
    return latest[0] if len(latest) == 1 else None


def with_rejoins(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes with a verdict on each but the one primary they are judged by; none while there is no such primary."""
    answering = {node.name: node.sample for node in nodes if node.sample is not None and node.failure is None}
    sizes = Counter[int | None](sample.system_identifier for sample in answering.values())
    writing = {
        node.name: member_of(node.name, answering[node.name], writes=True)
        for node in nodes
        if node.role is Role.PRIMARY and node.name in answering
    }
    reference = reference_of(list(writing.values()), sizes)
    if reference is None:
        return tuple(nodes)
    (name,) = (name for name, member in writing.items() if member is reference)
    primary = answering[name]
    return tuple(
        node if node.name == name else _judged(node, _of(node, answering.get(node.name), reference, primary))
        for node in nodes
    )


def _of(node: Node, sample: NodeSample | None, reference: Member, primary: NodeSample) -> Rejoin:
    if sample is None:
        return Rejoin(RejoinAction.UNKNOWN, "it does not answer, so where its WAL ends is unknown")
    if _follows_plainly(sample, primary):
        return _plainly(sample.timeline)
    return judge(member_of(node.name, sample, writes=node.role is Role.PRIMARY), reference)


def _follows_plainly(sample: NodeSample, primary: NodeSample) -> bool:
    """Nearly every standby of nearly every tick: judged without being looked at any closer."""
    return (
        sample.in_recovery
        and sample.timeline == primary.timeline
        and sample.system_identifier == primary.system_identifier
        and sample.history == primary.history
        and (sample.timeline == 1 or sample.history is not None)
        and streams(sample)
        and sample.evidence.beginnings == primary.evidence.beginnings
        and (sample.timeline == 1 or bool(sample.evidence.beginnings))
    )


@lru_cache
def _plainly(timeline: int | None) -> Rejoin:
    return Rejoin(RejoinAction.FOLLOW, f"it streams on timeline {timeline}")


def _judged(node: Node, rejoin: Rejoin) -> Node:
    """What cannot follow does not stream, whatever both ends call it."""
    apart = rejoin.action in (RejoinAction.REWIND, RejoinAction.REBUILD)
    streams = node.state in (NodeState.STREAMING, NodeState.CATCHUP)
    return replace(node, rejoin=rejoin, state=NodeState.DIVERGED if apart and streams else node.state)


def judge(node: Member, reference: Member, *, decided: bool = False) -> Rejoin:
    """The verdict on a node by the one it should follow; decided: a person said that reference's line is the truth."""
    if node.system_identifier is None:
        return Rejoin(RejoinAction.UNKNOWN, node.unknown)
    if node.system_identifier != reference.system_identifier:
        ids = f"its system identifier is {node.system_identifier}, {reference.name}'s {reference.system_identifier}"
        return Rejoin(RejoinAction.FOREIGN, f"{ids}: it belongs to another cluster")
    if node.major is not None and reference.major is not None and node.major != reference.major:
        text = f"it is PostgreSQL {node.major} and {reference.name} {reference.major}"
        return Rejoin(RejoinAction.REBUILD, f"{text}: WAL crosses no major version")
    for one in (node, reference):
        if one.lineage is None:
            whose = "" if one is node else f"of {one.name}, "
            return Rejoin(RejoinAction.UNKNOWN, whose + (one.unknown or "the timeline is not known"))
    assert node.lineage is not None and reference.lineage is not None
    seen = compare_lineages(node.lineage, reference.lineage)
    action, reason = _decide(node, reference, seen, decided)
    fork = seen.fork
    if fork is None:
        return Rejoin(action, reason)
    return Rejoin(action, reason, fork.lsn, fork.timeline, seen.beyond, seen.theirs)


def _decide(node: Member, reference: Member, seen: Comparison, decided: bool) -> tuple[RejoinAction, str]:
    if seen.fork is None:
        return RejoinAction.REBUILD, f"it has no timeline in common with {reference.name}"
    if node.writes and reference.writes and node.timeline == reference.timeline:
        return _two_writers(node, reference, seen)
    if node.streams and seen.relation in (Relation.FOLLOWS, Relation.AHEAD) and node.timeline == reference.timeline:
        return RejoinAction.FOLLOW, f"it streams on timeline {node.timeline}{_reservation(node, reference, seen)}"
    match seen.relation:
        case Relation.FOLLOWS:
            return _follows(node, reference, seen)
        case Relation.AHEAD:
            return _ahead(node, reference, seen)
    if not decided and (node.timeline or 0) > (reference.timeline or 0) and seen.namesake is None:
        return RejoinAction.UNKNOWN, _later_branch(node, reference, seen)
    return _diverged(node, reference, seen)


def _two_writers(node: Member, reference: Member, seen: Comparison) -> tuple[RejoinAction, str]:
    """Two primaries with one timeline's number write two lines, whatever the histories say."""
    number = f"it and {reference.name} both write on a timeline {node.timeline}"
    if seen.untold is not None:
        told = f"where the two part cannot be told apart: {_why_untold(node, reference)}"
    elif seen.namesake is not None or seen.relation is Relation.DIVERGED:
        told = f"they are two lines {_since(seen)}"
    else:
        told = "where the two part is in no history file"
    return RejoinAction.REBUILD, f"{number}, and pg_rewind does nothing for one number; {told}"


def _follows(node: Member, reference: Member, seen: Comparison) -> tuple[RejoinAction, str]:
    assert node.lineage is not None and seen.fork is not None
    if seen.untold is not None:
        return RejoinAction.UNKNOWN, _untold(node, reference, seen)
    oldest = reference.evidence.oldest_wal
    if oldest is not None and node.lineage.end < oldest:
        return RejoinAction.REBUILD, (
            f"its WAL ends at {node.lineage.end}, and {reference.name} has none before {oldest}, unless an archive does"
        )
    if node.timeline == reference.timeline:
        behind = f", {size_in_words(seen.theirs)} behind" if seen.theirs else ""
        return RejoinAction.FOLLOW, f"its WAL ends at {node.lineage.end} on {reference.name}'s timeline{behind}"
    left = _end_of(reference, seen)
    fork = f"of timeline {node.timeline} at {left}"
    still = _STILL_WRITES if node.writes else ""
    if node.lineage.end == left:
        return RejoinAction.FOLLOW, f"its WAL ends exactly at the fork {fork}{still}"
    return RejoinAction.FOLLOW, f"its WAL ends at {node.lineage.end}, not past the fork {fork}{still}"


def _ahead(node: Member, reference: Member, seen: Comparison) -> tuple[RejoinAction, str]:
    if seen.untold is not None:
        return RejoinAction.UNKNOWN, _untold(node, reference, seen)
    more = size_in_words(seen.beyond or 0)
    if node.timeline == reference.timeline and _is_outdated(reference, node):
        return RejoinAction.UNKNOWN, f"it holds {more} more than {reference.name} did when that was last heard of"
    if node.timeline == reference.timeline:
        text = f"it holds {more} more than {reference.name} on the same timeline {node.timeline}"
        return RejoinAction.REBUILD, f"{text}, for which pg_rewind does nothing; or make it the primary"
    return RejoinAction.UNKNOWN, _later_branch(node, reference, seen)


def _is_outdated(reference: Member, node: Member) -> bool:
    """Whether the primary may have written, and the node received, something since the primary was asked."""
    if reference.taken_at is None or node.taken_at is None:
        return False
    return reference.taken_at + SAME_MOMENT < node.taken_at


def _diverged(node: Member, reference: Member, seen: Comparison) -> tuple[RejoinAction, str]:
    tail = f"it holds {size_in_words(seen.beyond or 0)} past the fork {_fork(seen)}"
    if seen.namesake is not None:
        text = f"its timeline {seen.namesake} and {reference.name}'s are two promotions at one LSN"
        return RejoinAction.REBUILD, f"{tail}; {text}, which pg_rewind takes for one"
    if node.timeline == reference.timeline:
        return RejoinAction.REBUILD, (
            f"{tail}; its timeline and {reference.name}'s are both {node.timeline} by number, "
            "for which pg_rewind does nothing"
        )
    action, ground = _rewind(node, reference, seen)
    return action, f"{tail}; {ground}"


def _rewind(node: Member, reference: Member, seen: Comparison) -> tuple[RejoinAction, str]:
    """The first of pg_rewind's needs that is not met decides; then the first that is unknown; else that all are met."""
    grounds = node.evidence.rewind
    if grounds is None or seen.fork is None or grounds.fork_lsn != seen.fork.lsn:
        return RejoinAction.UNKNOWN, "whether pg_rewind could undo that has not been read yet"
    if grounds.wal_log_hints is False and grounds.has_checksums is False:
        return RejoinAction.REBUILD, "pg_rewind needs data checksums or wal_log_hints = on, and it has neither"
    if grounds.full_page_writes is False:
        return RejoinAction.REBUILD, "pg_rewind needs full_page_writes = on, and there it is off"
    if grounds.reaches_back is False:
        archive = ", unless its restore_command still brings it (pg_rewind -c)" if grounds.restores else ""
        return RejoinAction.REBUILD, f"its WAL no longer reaches back to the last checkpoint before the fork{archive}"
    if not (grounds.has_checksums or grounds.wal_log_hints) or grounds.full_page_writes is None:
        return RejoinAction.UNKNOWN, "whether it has data checksums, wal_log_hints and full_page_writes is not known"
    if grounds.reaches_back is None:
        needs = f" ({grounds.privilege})" if grounds.privilege else ""
        return RejoinAction.UNKNOWN, (
            f"whether its WAL reaches back to the last checkpoint before the fork, as pg_rewind needs, "
            f"could not be read{needs}"
        )
    pages = "data checksums are on" if grounds.has_checksums else "wal_log_hints is on"
    reach = f"its WAL reaches back to the checkpoint at {grounds.common_checkpoint} before it"
    return RejoinAction.REWIND, f"{pages} and {reach}{_checkpoint_first(reference)}"


def _checkpoint_first(reference: Member) -> str:
    """Right after a promotion an older pg_rewind reads the old timeline and finds nothing to do."""
    said = reference.control_timeline
    if said is None or said == reference.timeline or (reference.major or 0) >= CHECKPOINT_FIRST_BEFORE:
        return ""
    return f"; run CHECKPOINT on {reference.name} first, whose pg_control still says timeline {said}"


def _later_branch(node: Member, reference: Member, seen: Comparison) -> str:
    past = f"{size_in_words(seen.beyond or 0)} past the fork {_fork(seen)}"
    return (
        f"it is the later branch, timeline {node.timeline}, {past}: say which line is the truth, its or "
        f"{reference.name}'s"
    )


def _reservation(node: Member, reference: Member, seen: Comparison) -> str:
    return "" if seen.untold is None else f"; {_untold(node, reference, seen)}"


def _untold(node: Member, reference: Member, seen: Comparison) -> str:
    return f"its timeline {seen.untold} and {reference.name}'s cannot be told apart: {_why_untold(node, reference)}"


def _why_untold(node: Member, reference: Member) -> str:
    for one in (node, reference):
        if one.evidence.hidden is not None:
            return f"{one.evidence.hidden} on {one.name}"
    return "their WAL has not been compared yet"


def _fork(seen: Comparison) -> str:
    assert seen.fork is not None
    return f"of timeline {seen.fork.timeline} at {seen.fork.lsn}"


def _since(seen: Comparison) -> str:
    assert seen.fork is not None
    return f"since {seen.fork.lsn} on timeline {seen.fork.timeline}"


def _end_of(reference: Member, seen: Comparison) -> LSN:
    """Where the reference's line left the timeline that the node is still on."""
    assert reference.lineage is not None and seen.fork is not None
    end = reference.lineage.history.end_of(seen.fork.timeline)
    return seen.fork.lsn if end is None else end
