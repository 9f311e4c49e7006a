"""How far each candidate has the primary's WAL, by the best evidence there is.

Owns: the flush LSN of every standby, whose word it is, and how old. Must not: read WAL, or rank.

A flush LSN only grows on one line of timelines, so the highest word of all is the newest: the standby's own, the
walsender's row on its upstream, or, of a standby that is away, what its slot keeps WAL from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pgreplterm.cluster.forks.lineage import Relation, compare
from pgreplterm.cluster.model import ClusterSnapshot, Link, LinkKind, Node, NodeSample
from pgreplterm.wal.lsn import LSN

_PHYSICAL = "physical"


class Evidence(StrEnum):
    """Whose word a position is."""

    OWN = "its own word"
    WALSENDER = "its upstream's walsender row"
    SLOT = "its slot's restart_lsn"


_Word = tuple[LSN, Evidence, float | None]
_NO_WORD: tuple[LSN | None, Evidence | None, float | None] = (None, None, None)


@dataclass(frozen=True, slots=True)
class Standing:
    """One candidate. flushed is None where nobody knows; age is that of the evidence, in seconds.

    problem is why it cannot take the primary's place at all, as a clause; doubt why nobody can tell that its WAL is the
    primary's, so that its position proves nothing; remark what else to know.
    """

    name: str
    flushed: LSN | None = None
    evidence: Evidence | None = None
    age: float | None = None
    address: str | None = None
    problem: str | None = None
    remark: str | None = None
    doubt: str | None = None

    @property
    def is_sound(self) -> bool:
        """Its position says what it would lose."""
        return self.problem is None and self.doubt is None


def standings(snapshot: ClusterSnapshot, primary: NodeSample | None) -> tuple[Standing, ...]:
    """Every standby that the snapshot knows of, in its order, then those known only by a slot nobody uses."""
    found = [_of_node(snapshot, node, primary) for node in snapshot.nodes if _is_candidate(node)]
    found += [_of_link(link) for link in _unwatched(snapshot)]
    known = {node.name for node in snapshot.nodes} | {standing.name for standing in found}
    return (*found, *_of_slots(snapshot, known))


def _is_candidate(node: Node) -> bool:
    """A standby, or a node that does not say what it is."""
    return node.sample is None or node.sample.in_recovery


def _of_node(snapshot: ClusterSnapshot, node: Node, primary: NodeSample | None) -> Standing:
    link = snapshot.link_to(node.name)
    words = [*_own_word(node), *_senders_word(link), *_slots_word(snapshot, node.name)]
    flushed, evidence, age = max(words, key=lambda word: word[0], default=_NO_WORD)
    standing = Standing(node.name, flushed, evidence, age, node.address)
    if node.sample is None or primary is None:
        return standing
    return _on_line(standing, node.sample, primary)


def _on_line(standing: Standing, sample: NodeSample, primary: NodeSample) -> Standing:
    """The same, judged by where its WAL lies: what it holds past a fork is not the primary's."""
    seen = compare(sample, primary)
    match seen.relation:
        case Relation.UNRELATED:
            problem = "it belongs to another cluster, or shares no timeline with this one"
            return Standing(standing.name, address=standing.address, problem=problem)
        case Relation.DIVERGED if seen.fork is not None:
            remark = f"it has diverged: {seen.beyond} bytes past the fork at {seen.fork.lsn} are not the primary's"
            return Standing(standing.name, seen.fork.lsn, Evidence.OWN, standing.age, standing.address, None, remark)
        case Relation.UNKNOWN if sample.timeline is None or primary.timeline is None:
            lacks = sample.missing_privilege or primary.missing_privilege
            because = f"this role lacks {lacks}" if lacks else "no timeline is known"
            return replace(standing, doubt=f"whether its WAL is on the primary's timeline cannot be seen: {because}")
        case Relation.UNKNOWN if sample.timeline != primary.timeline:
            problem = f"it is on timeline {sample.timeline}, and the history that says where that left ours is unread"
            return Standing(standing.name, address=standing.address, problem=problem)
    return standing


def _own_word(node: Node) -> Iterator[_Word]:
    if node.sample is not None and node.sample.position is not None:
        yield node.sample.position, Evidence.OWN, node.sample_age


def _senders_word(link: Link | None) -> Iterator[_Word]:
    if link is not None and link.sender is not None and link.sender.flush_lsn is not None:
        yield link.sender.flush_lsn, Evidence.WALSENDER, link.evidence_age


def _slots_word(snapshot: ClusterSnapshot, name: str) -> Iterator[_Word]:
    for node in snapshot.nodes:
        for slot in node.sample.slots if node.sample is not None else ():
            if slot.kind == _PHYSICAL and slot.name == name and slot.restart_lsn is not None:
                yield slot.restart_lsn, Evidence.SLOT, node.sample_age


def _unwatched(snapshot: ClusterSnapshot) -> list[Link]:
    watched = {node.name for node in snapshot.nodes}
    return [
        link
        for link in snapshot.links
        if link.downstream not in watched and link.kind is LinkKind.STANDBY and link.sender is not None
    ]


def _of_link(link: Link) -> Standing:
    flushed, evidence, age = next(_senders_word(link), _NO_WORD)
    return Standing(link.downstream, flushed, evidence, age, remark="not watched: its own word is missing")


def _of_slots(snapshot: ClusterSnapshot, known: set[str]) -> Iterator[Standing]:
    """Standbys that are away and not watched, by the slots they left."""
    used = {link.sender.slot_name for link in snapshot.links if link.sender is not None}
    for node in snapshot.nodes:
        for slot in node.sample.slots if node.sample is not None else ():
            if slot.kind != _PHYSICAL or slot.active or slot.name in known | used or slot.restart_lsn is None:
                continue
            remark = f"known only by slot {slot.name} on {node.name}, which nobody uses now"
            yield Standing(slot.name, slot.restart_lsn, Evidence.SLOT, node.sample_age, None, None, remark)
