"""Standbys whose WAL comes from themselves, and timelines nobody else knows.

Owns: finding both. Must not: judge them. Measured on 15 to 18: a standby whose primary_conninfo means itself (after a
rewind that copied the settings of another node) streams from itself without complaint, both rows say ``streaming``, and
no gap ever opens; two standbys that follow each other do the same. Only with a slot it does not have does it fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pgreplterm.cluster.joining.addresses import AddressBook
from pgreplterm.cluster.joining.match import could_feed
from pgreplterm.cluster.joining.observe import Tick
from pgreplterm.cluster.model import NodeSample


def feeding_themselves(tick: Tick, book: AddressBook, upstreams: Mapping[int, int]) -> frozenset[int]:
    """Nodes connected to, or set to follow, themselves, and nodes in a ring of upstreams that all answer."""
    alone = {index for index in range(len(tick.seen)) if index not in upstreams and _follows_itself(tick, book, index)}
    return frozenset(alone | _rings(tick, upstreams))


def orphans(members: Sequence[NodeSample], primary: NodeSample | None) -> frozenset[int]:
    """Places of standbys on a timeline no other node of their cluster went through; members are all that answer.

    None while there is not one primary to go by, or while some node's timelines are unknown: no timeline is wrong then.
    """
    steps = [_steps(sample) for sample in members]
    known = [each for each in steps if each is not None]
    if primary is None or len(known) < len(members):
        return frozenset()
    passed = Counter((each[:place], timeline) for each in known for place, (timeline, _) in enumerate(each))
    return frozenset(
        place
        for place, mine in enumerate(known)
        if members[place] is not primary and passed[mine[:-1], mine[-1][0]] == 1
    )


def _follows_itself(tick: Tick, book: AddressBook, index: int) -> bool:
    """A walreceiver that streams from here has a walsender here, where those are visible."""
    sample = tick.answer(index)
    if sample is None or not sample.in_recovery or book.meant_by(index) != {index}:
        return False
    if sample.receiver is None or sample.receiver.status != "streaming":
        return True
    return any(could_feed(sender, sample) for sender in sample.senders)


def _rings(tick: Tick, upstreams: Mapping[int, int]) -> set[int]:
    known: set[int] = set()
    found: set[int] = set()
    for start in upstreams:
        path: list[int] = []
        here: int | None = start
        while here is not None and here not in known:
            known.add(here)
            path.append(here)
            here = upstreams.get(here) if tick.answer(here) is not None else None
        if here in path:
            found.update(path[path.index(here) :])
    return found


_Steps = tuple[tuple[int, int], ...]


def _steps(sample: NodeSample) -> _Steps | None:
    """The timelines it went through, each with the LSN it left it at, and 0 for the one it is on."""
    if sample.timeline == 1:
        return ((1, 0),)
    history = sample.history
    if history is None or history.timeline != sample.timeline:
        return None
    return (*((step.timeline, int(step.switchpoint)) for step in history.ancestors), (history.timeline, 0))
