"""Who is there: checks on the shape of the cluster.

Owns: those checks. Must not: ask a server.
"""

from __future__ import annotations

from pgreplterm.cluster.model import LinkKind, NodeState
from pgreplterm.cluster.words import printable
from pgreplterm.drill.choose import primary_is_lost
from pgreplterm.drill.managers import detect
from pgreplterm.drill.preflight.subject import GONE, Drill, Finding, Subject, listed, ok, refuse, unknown, warn


def one_primary(subject: Subject) -> Finding:
    """Two, and nobody knows whose writes count; none, and there is nothing to do it with.

    A second one that is to be brought back is no trouble: that is the way out of a split brain.
    """
    comes_back = subject.node if subject.drill is Drill.REJOIN else None
    found = [node.name for node in subject.snapshot.primaries if node.name != comes_back]
    if len(found) == 1:
        return ok(found[0])
    if found:
        return refuse(f"{len(found)}: {listed(found)}", "decide which one is the truth, and stop the other")
    return refuse("none answers", "start it, or fail over")


def primary_gone(subject: Subject) -> Finding:
    """Two signals: it does not answer us, and no standby receives from it any more."""
    assert subject.primary is not None
    if primary_is_lost(subject.snapshot, subject.primary):
        node = subject.seen(subject.primary)
        return ok(
            f"{subject.primary} is {node.state if node is not None else 'unknown'}, and a standby has lost it, too"
        )
    others = [node.name for node in subject.snapshot.primaries]
    if others:
        return refuse(f"{listed(others)} answers as a primary", "switch over instead")
    return refuse(
        f"{subject.primary} does not answer us, but no standby says that it lost it", "wait, or look from there"
    )


def everyone_answers(subject: Subject) -> Finding:
    """What the drill is about must answer; the others are only not looked after."""
    about = {subject.primary, subject.candidate, subject.source}
    quiet = [node for node in subject.snapshot.nodes if node.sample is None or node.state in GONE]
    if subject.drill is Drill.TAKEOVER:
        about.discard(subject.primary)
        quiet = [node for node in quiet if node.name != subject.primary]
    if subject.drill is Drill.REJOIN:
        quiet = [node for node in quiet if node.name != subject.node]
    shown = listed(f"{node.name} {node.state}" for node in quiet)
    if not quiet:
        return ok(f"{len(subject.snapshot.nodes)} nodes")
    if any(node.name in about for node in quiet):
        return refuse(shown, "start it, or heal what keeps it quiet")
    return warn(shown, "it will not be looked after")


def one_cluster(subject: Subject) -> Finding:
    """WAL of another cluster is noise."""
    known = {node.sample.system_identifier for node in subject.snapshot.nodes if node.sample is not None}
    if len(known) > 1:
        return refuse(f"{len(known)} system identifiers: {listed(str(each) for each in sorted(known))}")
    return ok(f"system identifier {known.pop()}") if known else unknown("no node has answered")


def one_version(subject: Subject) -> Finding:
    """Physical replication wants one major; a minor may differ."""
    versions = {node.name: node.sample.server_version_num for node in subject.snapshot.nodes if node.sample is not None}
    if not versions:
        return unknown("no node has answered")
    shown = listed(f"{name} {number // 10000}.{number % 10000}" for name, number in versions.items())
    if len({number // 10000 for number in versions.values()}) > 1:
        return refuse(shown)
    return ok(shown) if len(set(versions.values())) == 1 else warn(shown, "run the same minor everywhere")


def one_line(subject: Subject) -> Finding:
    """A node past a fork holds WAL that the others never will."""
    lost = [node for node in subject.snapshot.nodes if node.state is NodeState.DIVERGED or node.orphaned]
    lost = [node for node in lost if node.name != subject.node]
    if not lost:
        return ok("no node is past a fork")
    shown = listed(f"{node.name} on timeline {node.timeline}" for node in lost)
    if any(node.name in (subject.candidate, subject.source) for node in lost):
        return refuse(shown)
    return warn(shown, "rejoin it")


def all_watched(subject: Subject) -> Finding:
    """A walsender that belongs to no node we know will not be repointed."""
    names = {node.name for node in subject.snapshot.nodes}
    others = [link for link in subject.snapshot.links if link.downstream not in names]
    senders = [link for link in others if link.kind is not LinkKind.BACKUP and link.sender is not None]
    if not senders:
        return ok("every walsender feeds a node of ours")
    shown = listed(f"{printable(link.downstream)} ({link.kind}) from {link.upstream}" for link in senders)
    return warn(shown, "look after it by hand: it follows nobody by itself")


def no_manager(subject: Subject) -> Finding:
    """Two hands on one switch: a manager undoes what we do, or promotes while we do."""
    found = detect(subject.facts)
    if not found:
        if all(facts.traces is None for facts in subject.facts.nodes.values()):
            return unknown("no node could be asked for traces of one")
        return ok("no trace of Patroni, repmgr, pg_auto_failover, CloudNativePG, Stolon or Pgpool-II")
    first = found[0]
    said = "; ".join(first.evidence)
    return refuse(f"{first.name}: {said}", first.command(subject.drill, subject.candidate, subject.primary))
