"""All timelines of a cluster as one tree, who stands where on them, and what that means for each node.

Owns: the tree, the survey of running and stopped nodes together, and its JSON. Pure. Must not: read servers or
directories, or draw.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from pgreplterm.cluster.forks.lineage import Comparison, Relation, compare_lineages
from pgreplterm.cluster.forks.member import Member
from pgreplterm.cluster.forks.rejoin import judge, reference_of
from pgreplterm.cluster.model import Rejoin, RejoinAction
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import TimelineHistory

Regrounded = Callable[[Member, LSN], Member]
_Step = tuple[int, LSN | None, int | None]  # timeline, where it left its parent, how it began


@dataclass(frozen=True, slots=True)
class Branch:
    """One timeline of one line. parent is its place in the list of branches; reason is the history file's (hostile)."""

    system_identifier: int
    timeline: int
    switchpoint: LSN | None
    reason: str
    parent: int | None
    depth: int
    members: tuple[str, ...]  # those whose WAL ends on it


@dataclass(frozen=True, slots=True)
class Parting:
    """Two nodes whose lines part, with the bytes each holds past the fork."""

    one: str
    other: str
    seen: Comparison


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything about the timelines of some nodes. reference is the primary the verdicts are by.

    Where there is none, partings are the pairs of nodes that have diverged from each other, and untold the nodes that
    cannot be told apart from another. unplaced are nodes whose line is unknown.
    """

    members: tuple[Member, ...]
    branches: tuple[Branch, ...]
    reference: str | None
    rejoins: Mapping[str, Rejoin]
    partings: tuple[Parting, ...]
    untold: tuple[str, ...]
    unplaced: tuple[str, ...]

    @property
    def diverged(self) -> tuple[str, ...]:
        """The nodes that cannot simply follow the reference; without one, all whose lines part."""
        bad = (RejoinAction.REWIND, RejoinAction.REBUILD, RejoinAction.FOREIGN)
        found = [name for name, rejoin in self.rejoins.items() if rejoin.action in bad or _past(rejoin)]
        return tuple(dict.fromkeys([*found, *(name for each in self.partings for name in (each.one, each.other))]))

    @property
    def unknown(self) -> tuple[str, ...]:
        """The nodes of which nothing can be said."""
        open_ones = [name for name, rejoin in self.rejoins.items() if rejoin.action is RejoinAction.UNKNOWN]
        return tuple(
            name for name in dict.fromkeys([*open_ones, *self.untold, *self.unplaced]) if name not in self.diverged
        )


def survey(members: Sequence[Member], primary: str | None = None, reground: Regrounded | None = None) -> Survey:
    """The survey of these nodes, judged by primary (a name) or by the only one there is.

    reground adds to a member what a rewind to that fork would need, where that is still to be read.
    """
    reference = next((one for one in members if one.name == primary), None) or reference_of(members)
    rejoins: dict[str, Rejoin] = {}
    decided = primary is not None
    for one in members:
        if reference is None or one is reference:
            continue
        rejoin = judge(one, reference, decided=decided)
        if reground is not None and _past(rejoin) and rejoin.fork_lsn is not None:
            rejoin = judge(reground(one, rejoin.fork_lsn), reference, decided=decided)
        rejoins[one.name] = rejoin
    pairs = [] if reference is not None else list(_pairs(members))
    return Survey(
        members=tuple(members),
        branches=branches_of(members),
        reference=None if reference is None else reference.name,
        rejoins=rejoins,
        partings=tuple(pair for pair in pairs if _parts(members, pair)),
        untold=tuple(dict.fromkeys(name for pair in pairs if pair.seen.untold for name in (pair.one, pair.other))),
        unplaced=tuple(one.name for one in members if one.lineage is None),
    )


def branches_of(members: Sequence[Member]) -> tuple[Branch, ...]:
    """The tree of all timelines these nodes went through, parents before children, each followed by its own."""
    paths = _paths(members)
    reasons = _reasons(members)
    ends = defaultdict(list)
    for one in members:
        if one.name in paths:
            ends[paths[one.name]].append(one.name)
    every = {path[:length] for path in paths.values() for length in range(2, len(path) + 1)}
    order = sorted(every, key=_sort_key)
    place = {path: index for index, path in enumerate(order)}
    return tuple(
        Branch(
            system_identifier=path[0][0],
            timeline=path[-1][0],
            switchpoint=path[-1][1],
            reason=reasons.get((path[0][0], path[-1][0], path[-1][1]), ""),
            parent=place.get(path[:-1]),
            depth=len(path) - 2,
            members=tuple(ends[path]),
        )
        for path in order
    )


def survey_document(found: Survey) -> dict[str, Any]:
    """The survey as plain data; keys are a contract. LSNs and system identifiers are text, gaps bytes."""
    place = {name: index for index, branch in enumerate(found.branches) for name in branch.members}
    return {
        "reference": found.reference,
        "diverged": list(found.diverged),
        "unknown": list(found.unknown),
        "timelines": [
            {
                "system_identifier": str(branch.system_identifier),
                "timeline": branch.timeline,
                "parent": branch.parent,
                "switchpoint": _text(branch.switchpoint),
                "reason": branch.reason,
                "nodes": list(branch.members),
            }
            for branch in found.branches
        ],
        "nodes": [
            {
                "name": one.name,
                "system_identifier": None if one.system_identifier is None else str(one.system_identifier),
                "timeline": one.timeline,
                "branch": place.get(one.name),
                "position": None if one.lineage is None else str(one.lineage.end),
                "writes": one.writes,
                "rejoin": rejoin_document(found.rejoins.get(one.name)),
            }
            for one in found.members
        ],
        "partings": [
            {
                "nodes": [each.one, each.other],
                "fork_timeline": None if each.seen.fork is None else each.seen.fork.timeline,
                "fork_lsn": None if each.seen.fork is None else str(each.seen.fork.lsn),
                "beyond": [each.seen.beyond, each.seen.theirs],
            }
            for each in found.partings
        ],
    }


def rejoin_document(rejoin: Rejoin | None) -> dict[str, Any] | None:
    """A verdict as plain data; keys are a contract."""
    if rejoin is None:
        return None
    return {
        "action": str(rejoin.action),
        "reason": rejoin.reason,
        "fork_timeline": rejoin.fork_timeline,
        "fork_lsn": _text(rejoin.fork_lsn),
        "beyond": rejoin.beyond,
        "theirs": rejoin.theirs,
    }


def _past(rejoin: Rejoin) -> bool:
    """Both sides hold bytes past a fork, and it is no mere distance on one line."""
    return rejoin.action is not RejoinAction.FOLLOW and bool(rejoin.beyond and rejoin.theirs)


def _pairs(members: Sequence[Member]) -> Iterable[Parting]:
    for one, other in combinations(members, 2):
        if one.lineage is None or other.lineage is None or one.system_identifier != other.system_identifier:
            continue
        yield Parting(one.name, other.name, compare_lineages(one.lineage, other.lineage))


def _parts(members: Sequence[Member], pair: Parting) -> bool:
    """Two primaries on one timeline write two lines, wherever they part."""
    if pair.seen.relation is Relation.DIVERGED:
        return True
    one, other = (next(each for each in members if each.name == name) for name in (pair.one, pair.other))
    return one.writes and other.writes and one.timeline == other.timeline


def _paths(members: Iterable[Member]) -> dict[str, tuple[_Step, ...]]:
    """Each node's way from the system (the first step) to its timeline.

    A timeline whose beginning one node cannot show is taken for the one that others show, if they agree.
    """
    known: dict[tuple[object, ...], set[int]] = defaultdict(set)
    ways: dict[str, list[tuple[tuple[object, ...], _Step]]] = {}
    for one in members:
        if one.lineage is None:
            continue
        system = one.system_identifier or 0
        numbers: tuple[object, ...] = (system,)
        way: list[tuple[tuple[object, ...], _Step]] = [(numbers, (system, None, None))]
        for timeline, switchpoint in line_of(one.lineage.history):
            numbers = (*numbers, (timeline, switchpoint))
            began = one.lineage.beginning(timeline)
            if began is not None:
                known[numbers].add(began.crc)
            way.append((numbers, (timeline, switchpoint, None if began is None else began.crc)))
        ways[one.name] = way
    return {name: tuple(_filled(step, known[numbers]) for numbers, step in way) for name, way in ways.items()}


def _filled(step: _Step, known: set[int]) -> _Step:
    return (step[0], step[1], next(iter(known))) if step[2] is None and len(known) == 1 else step


def line_of(history: TimelineHistory) -> list[tuple[int, LSN | None]]:
    """Each timeline of a lineage, oldest first, with where it left its parent."""
    numbers = [*(step.timeline for step in history.ancestors), history.timeline]
    return list(zip(numbers, [None, *(step.switchpoint for step in history.ancestors)], strict=True))


def _reasons(members: Iterable[Member]) -> dict[tuple[int, int, LSN | None], str]:
    found: dict[tuple[int, int, LSN | None], str] = {}
    for one in members:
        if one.lineage is not None:
            line = line_of(one.lineage.history)
            for (timeline, switchpoint), step in zip(line[1:], one.lineage.history.ancestors, strict=True):
                found.setdefault((one.system_identifier or 0, timeline, switchpoint), step.reason)
    return found


def _sort_key(path: tuple[_Step, ...]) -> tuple[tuple[int, int, int], ...]:
    return tuple((timeline, switchpoint or 0, crc or 0) for timeline, switchpoint, crc in path)


def _text(lsn: LSN | None) -> str | None:
    return None if lsn is None else str(lsn)
