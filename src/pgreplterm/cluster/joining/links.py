"""The replication edges of one tick, each joined from both of its ends.

Owns: which links there are, which standbys feed on themselves, and the figures of each link. Must not: judge nodes,
or invent an upstream from a port number that several nodes could have.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pgreplterm.cluster.forks.lineage import Relation, compare
from pgreplterm.cluster.joining.addresses import AddressBook
from pgreplterm.cluster.joining.gaps import evidence_age, gaps_of, time_lag_of
from pgreplterm.cluster.joining.kinds import serving_standbys
from pgreplterm.cluster.joining.loops import feeding_themselves
from pgreplterm.cluster.joining.match import Pairing, could_feed, pair_links
from pgreplterm.cluster.joining.observe import Tick
from pgreplterm.cluster.joining.rates import paced
from pgreplterm.cluster.joining.unheard import unacknowledged
from pgreplterm.cluster.joining.unwatched import unwatched_links
from pgreplterm.cluster.model import Link, NodeSample, Sender


@dataclass(frozen=True, slots=True)
class Links:
    """Links to watched standbys by the standby's index, and to downstreams nobody watches.

    diverged are the standbys whose WAL left their upstream's line; denied those whose upstream answers and lists no
    standby at all; feed_themselves speaks for itself.
    """

    fed: dict[int, Link]
    unwatched: tuple[Link, ...]
    diverged: frozenset[int]
    denied: frozenset[int]
    feed_themselves: frozenset[int]


def links_of(tick: Tick) -> Links:
    """All edges there is evidence for."""
    book = AddressBook(tick.seen)
    pairing = pair_links(tick.seen, book)
    spare = _Spare(tick, {(pair.upstream, pair.sender.pid) for pair in pairing.pairs})
    upstreams = _upstreams(tick, pairing, book, spare)
    senders = {pair.downstream: pair.sender for pair in pairing.pairs}
    diverged = frozenset(down for down, up in upstreams.items() if _diverged(tick, up, down))
    fed = {down: _link(tick, up, senders.get(down), down, down in diverged) for down, up in upstreams.items()}
    loops = feeding_themselves(tick, book, upstreams)
    denied = frozenset(
        down for down, up in upstreams.items() if fed[down].sender is None and tick.answer(up) and spare.of(up) is None
    )
    return Links(fed, tuple(unwatched_links(tick, pairing, upstreams, loops)), diverged, denied, loops)


def _upstreams(tick: Tick, pairing: Pairing, book: AddressBook, spare: _Spare) -> dict[int, int]:
    """The upstream of each watched standby that has one, from the best evidence there is for it."""
    found = {pair.downstream: pair.upstream for pair in pairing.pairs}
    for index in range(len(tick.seen)):
        below = tick.answer(index)
        if index in found or below is None or not below.in_recovery or below.receiver is None:
            continue
        up = pairing.upstreams.get(index)
        if up is None:
            up = _by_address(book, spare, index, below)
        if up is None:
            up = _as_before(tick, index, below)
        if up is not None and up != index:
            found[index] = up
    return found


class _Spare:
    """The walsenders of standbys each node lists that are in no pair; None where it lists none at all, or is silent."""

    def __init__(self, tick: Tick, taken: Collection[tuple[int, int]]) -> None:
        self._tick = tick
        self._taken = taken
        self._known: dict[int, tuple[Sender, ...] | None] = {}

    def of(self, up: int) -> tuple[Sender, ...] | None:
        """Read once a tick."""
        if up not in self._known:
            above = self._tick.answer(up)
            listed = serving_standbys(above) if above is not None else ()
            left = tuple(sender for sender in listed if (up, sender.pid) not in self._taken)
            self._known[up] = left if listed else None
        return self._known[up]


def _by_address(book: AddressBook, spare: _Spare, index: int, below: NodeSample) -> int | None:
    """The one watched node its walreceiver's address means, unless that lists walsenders and none could be its."""
    meant = book.meant_by(index)
    if len(meant) != 1:
        return None
    (up,) = meant
    listed = spare.of(up)
    return up if listed is None or any(could_feed(sender, below) for sender in listed) else None


def _as_before(tick: Tick, index: int, below: NodeSample) -> int | None:
    """The same walreceiver process has the same upstream as a tick ago, even if that stopped listing it."""
    before = tick.link_before(tick.names[index])
    if before is None or before.receiver is None or below.receiver is None:
        return None
    up = tick.index_of(before.upstream)
    if before.receiver.pid != below.receiver.pid or up is None:
        return None
    above = tick.seen[up].sample
    return up if above is not None and above.system_identifier == below.system_identifier else None


def _diverged(tick: Tick, up: int, down: int) -> bool:
    above, below = tick.answer(up), tick.answer(down)
    return above is not None and below is not None and compare(below, above).relation is Relation.DIVERGED


def _link(tick: Tick, up: int, sender: Sender | None, down: int, diverged: bool) -> Link:
    """One link. An upstream that does not answer has no current position, so its gaps are unknown."""
    above, below = tick.answer(up), tick.answer(down)
    sender = sender if above is not None else None
    gaps = gaps_of(None if diverged else above, sender, below)
    replayed = sender.replay_lsn if sender is not None else below.replay_lsn if below is not None else None
    seen = tick.trail.behind(tick.seen[up].address, replayed, above.taken_at if above else tick.now)
    link = Link(
        upstream=tick.names[up],
        downstream=tick.names[down],
        sender=sender,
        receiver=below.receiver if below is not None else None,
        gaps=gaps,
        time_lag=None if diverged or above is None else time_lag_of(sender, gaps.replay, seen),
        evidence_age=evidence_age(above, sender, below, tick.now),
        unacknowledged=unacknowledged(tick, up, sender),
    )
    return paced(tick, link, up, down)
