"""What a check is asked about, and what it answers.

Owns: the vocabulary of checks. Must not: hold any check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from pgreplterm.cluster.model import ClusterSnapshot, Link, LinkKind, Node, NodeState
from pgreplterm.cluster.words import printable
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.preflight.facts import Facts, NodeFacts

GONE = (NodeState.DOWN, NodeState.SILENT, NodeState.STARTING)


class Drill(StrEnum):
    """The drills that have a preflight; the words are those of the command line."""

    SWITCHOVER = "switchover"
    FAILOVER = "failover"
    TAKEOVER = "takeover"  # a failover after the primary was lost
    REPOINT = "repoint"
    REJOIN = "rejoin"
    NEW_STANDBY = "new-standby"
    SYNC_MODE = "sync-mode"
    PITR = "pitr"


@dataclass(frozen=True, slots=True)
class Subject:
    """primary is the one there is (or was), candidate the one to be promoted, node the one that is to follow source.

    rule is a synchronous_standby_names that is to be set; None when it stays as it is.
    """

    drill: Drill
    snapshot: ClusterSnapshot
    facts: Facts
    primary: str | None = None
    candidate: str | None = None
    node: str | None = None
    source: str | None = None
    rule: str | None = None

    def seen(self, name: str | None) -> Node | None:
        """That node in the snapshot."""
        return self.snapshot.node(name) if name is not None else None

    @property
    def server(self) -> str | None:
        """Whom others will stream from when the drill is over."""
        return self.candidate or self.source or self.primary

    @property
    def siblings(self) -> tuple[Node, ...]:
        """The direct standbys of the primary but the candidate and the node the drill is about."""
        others = [node for node in self.snapshot.nodes if node.name not in (self.primary, self.candidate, self.node)]
        if self.drill is Drill.TAKEOVER:  # what they followed is gone, and may never have been seen
            return tuple(node for node in others if node.failure is None and node.state is not NodeState.STREAMING)
        return tuple(node for node in others if node.upstream == self.primary is not None)

    @property
    def link(self) -> Link | None:
        """The one between primary and candidate."""
        found = self.snapshot.link_to(self.candidate) if self.candidate is not None else None
        return found if found is not None and found.upstream == self.primary else None

    @property
    def newcomers(self) -> tuple[str, ...]:
        """Who will newly stream from the server."""
        if self.candidate is not None:
            there = [node.name for node in self.siblings]
            returns = self.primary is not None and self.drill is not Drill.TAKEOVER
            return (*there, self.primary) if returns and self.primary is not None else tuple(there)
        return (self.node,) if self.node is not None else ()

    def facts_of(self, name: str | None) -> NodeFacts:
        """The facts of a node."""
        return self.facts.of(name)


class Finding(NamedTuple):
    """An answer; the rule adds its name."""

    verdict: Verdict
    evidence: str
    remedy: str = ""


def ok(evidence: str) -> Finding:
    """All is as it must be."""
    return Finding(Verdict.OK, evidence)


def warn(evidence: str, remedy: str = "") -> Finding:
    """It may go on, knowing this."""
    return Finding(Verdict.WARNING, evidence, remedy)


def refuse(evidence: str, remedy: str = "") -> Finding:
    """It must not go on."""
    return Finding(Verdict.REFUSAL, evidence, remedy)


def unknown(what: str, facts: NodeFacts | None = None) -> Finding:
    """It could not be looked at: a warning that says so."""
    why = f": {facts.reason}" if facts is not None and facts.reason else ""
    return warn(f"unknown: {what}{why}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One check of the list. looks, warns and refuses are for the reader; "" where it never does."""

    name: str
    looks: str
    warns: str
    refuses: str
    drills: frozenset[Drill]
    ask: Callable[[Subject], Finding]

    def check(self, subject: Subject) -> Check:
        """Its answer."""
        verdict, evidence, remedy = self.ask(subject)
        return Check(self.name, verdict, printable(evidence), printable(remedy))


def standbys(snapshot: ClusterSnapshot) -> tuple[Link, ...]:
    """The links that feed standbys, not backups or archives."""
    return tuple(link for link in snapshot.links if link.kind is LinkKind.STANDBY)


def listed(names: Iterable[str], nothing: str = "none") -> str:
    """Names in a clause."""
    return ", ".join(names) or nothing
