"""Rules on the cluster as a whole: its primaries, its identity, its lineage.

Owns: those rules. Must not: judge a single link's lag.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgreplterm.cluster.findings.phrases import failure_of, listed, sampled
from pgreplterm.cluster.findings.rule import Hit, Rule, Severity, View
from pgreplterm.cluster.model import Node, NodeSample, NodeState


def split_brain(view: View) -> Iterator[Hit]:
    """Two nodes of one system that both accept writes, whatever their timelines."""
    by_system: dict[int, list[tuple[Node, NodeSample]]] = {}
    for node, sample in view.primaries:
        by_system.setdefault(sample.system_identifier, []).append((node, sample))
    for both in by_system.values():
        if len(both) > 1:
            names = listed([node.name for node, _ in both])
            told = "; ".join(_place(node, sample) for node, sample in both)
            yield Hit(Severity.CRITICAL, None, f"{len(both)} primaries accept writes: {names}", told)


def _place(node: Node, sample: NodeSample) -> str:
    timeline = "an unknown timeline" if node.timeline is None else f"timeline {node.timeline}"
    return f"{node.name} is on {timeline} at {sample.position or 'an unknown LSN'}"


def no_primary(view: View) -> Iterator[Hit]:
    """A lost primary is critical; one that was never watched leaves the standbys' distance unknown."""
    nodes = view.snapshot.nodes
    if not nodes or view.snapshot.primaries:
        return
    last = [node for node in nodes if node.sample is not None and not node.sample.in_recovery]
    if last:
        was = listed([f"{node.name} {failure_of(node)}" for node in last])
        yield Hit(Severity.CRITICAL, last[0].name, f"no primary answers: {was}")
    elif not any(node.sample or node.failure for node in nodes):
        yield Hit(Severity.UNKNOWN, None, "no server has answered yet")
    elif not any(node.sample for node in nodes):
        yield _nobody(nodes)
    elif any(node.failure for node in nodes):
        yield Hit(Severity.CRITICAL, None, "no primary answers")
    else:
        text = "no primary is watched, so how far its standbys are behind is unknown"
        yield Hit(Severity.UNKNOWN, None, text)


def _nobody(nodes: tuple[Node, ...]) -> Hit:
    """Servers that are there and refuse us say nothing of the cluster; servers that are not there say enough."""
    refused = all(node.failure is not None and node.failure.state is NodeState.UNKNOWN for node in nodes)
    first, more = nodes[0], len(nodes) - 1
    others = "" if not more else ", nor does 1 other" if more == 1 else f", nor do {more} others"
    text = f"no server {'can be read' if refused else 'answers'}: {first.name} {failure_of(first)}{others}"
    return Hit(Severity.UNKNOWN if refused else Severity.CRITICAL, None, text)


def different_clusters(view: View) -> Iterator[Hit]:
    """Two system identifiers among the watched servers."""
    known: dict[int, str] = {}
    for node in view.snapshot.nodes:
        if node.sample is not None:
            known.setdefault(node.sample.system_identifier, node.name)
    if len(known) > 1:
        told = "; ".join(f"{name} has system identifier {system}" for system, name in known.items())
        yield Hit(Severity.WARNING, None, f"the watched servers belong to {len(known)} different clusters", told)


def feeds_itself(view: View) -> Iterator[Hit]:
    """A walreceiver connected to its own server or to one it feeds: a wrong primary_conninfo, as after a rewind."""
    for node, sample in view.standbys:
        if node.feeds_itself:
            text = f"{node.name} is to stream from itself or from a node that it feeds"
            yield Hit(Severity.CRITICAL, node.name, text, _conninfo(sample))


def _conninfo(sample: NodeSample) -> str:
    host, port = sample.primary_conninfo_host, sample.primary_conninfo_port
    return f"primary_conninfo names {host or 'no host'}, port {port or 'by default'}"


def orphaned_timeline(view: View) -> Iterator[Hit]:
    """A node on a timeline that the one primary of its cluster never went through."""
    primaries = list(view.primaries)
    references = {sample.system_identifier: (node, sample) for node, sample in primaries}
    for node, sample in view.standbys if len(references) == len(primaries) else ():
        above, reference = references.get(sample.system_identifier, (None, None))
        if node.timeline is None or node.state is NodeState.DIVERGED:
            continue
        line = _line(reference) if reference is not None else None
        if above is not None and line is not None and node.timeline not in line:
            text = f"{node.name} is on timeline {node.timeline}, which {above.name} never was on"
            yield Hit(Severity.CRITICAL, node.name, text, f"{above.name} went through {', '.join(map(str, line))}")
        elif node.orphaned:
            text = f"{node.name} is on timeline {node.timeline}, which no other node ever was on"
            yield Hit(Severity.CRITICAL, node.name, text, sampled(node))


def _line(sample: NodeSample) -> list[int] | None:
    """The timelines a server went through, oldest first; None when that is unknown."""
    if sample.history is not None and sample.history.timeline == sample.timeline:
        return [*(step.timeline for step in sample.history.ancestors), sample.history.timeline]
    return [1] if sample.timeline == 1 else None


RULES = (
    Rule(
        "split-brain",
        (Severity.CRITICAL,),
        split_brain,
        meaning="Two servers of one cluster accept writes. Each holds transactions the other never gets, and every "
        "second adds to what must be thrown away.",
        action="Stop one of them now, or cut it off from its clients. Then list what only it has (`wal risk`), save "
        "that, and bring it back by pg_rewind or a new base backup.",
        mysql="two sources with super_read_only=OFF; each one's extra GTIDs are errant transactions on the other",
    ),
    Rule(
        "no-primary",
        (Severity.CRITICAL, Severity.UNKNOWN),
        no_primary,
        meaning="No watched server accepts writes, or none answers at all. Where no primary was ever watched, the "
        "standbys' distance from it is unknown.",
        action="If the primary is down, start it, or promote the standby that has received most. If it is only not "
        "watched, add its DSN.",
        mysql="the source is gone: no server has read_only=OFF",
    ),
    Rule(
        "feeds-itself",
        (Severity.CRITICAL,),
        feeds_itself,
        meaning="A standby's walreceiver is connected to the standby's own server. It waits for WAL that only it could "
        "send, so it will never get any. This follows a pg_rewind that copied the source's settings.",
        action="Set its primary_conninfo to the primary and reload.",
        mysql='refused there: "source and replica have equal MySQL server ids"',
    ),
    Rule(
        "orphaned-timeline",
        (Severity.CRITICAL,),
        orphaned_timeline,
        meaning="A standby follows a timeline that the primary never went through, as of a server that was promoted "
        "and then given up. It cannot follow the primary.",
        action="Decide which line is the truth. Bring the others back to it by pg_rewind or a new base backup.",
        mysql="a replica whose gtid_executed has a server UUID that its source does not know",
    ),
    Rule(
        "different-clusters",
        (Severity.WARNING,),
        different_clusters,
        meaning="The servers have different system identifiers: they were made by different runs of initdb and can "
        "never replicate from each other.",
        action="Check the DSNs. Watch each cluster by itself.",
        mysql="servers with no GTID in common",
    ),
)
