"""The replication edges of one tick, each joined from both of its ends.

Owns: which links there are, and their figures. Must not: judge nodes, or invent an upstream from a port number
that several nodes could have.
"""

from __future__ import annotations

from pgreplterm.cluster.gaps import evidence_age, gaps_of, time_lag_of
from pgreplterm.cluster.lineage import Relation, compare
from pgreplterm.cluster.match import Pair, pair_links
from pgreplterm.cluster.model import Link, NodeSample, Sender
from pgreplterm.cluster.observe import Tick

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def links_of(tick: Tick) -> tuple[dict[int, Link], list[Link]]:
    """Links to watched standbys, by the standby's index, and links to downstreams nobody watches."""
    pairs = pair_links(tick.seen)
    fed = _fed_links(tick, pairs)
    return fed, _unwatched_links(tick, pairs, fed)


def _fed_links(tick: Tick, pairs: tuple[Pair, ...]) -> dict[int, Link]:
    links: dict[int, Link] = {}
    for pair in pairs:
        sender = pair.sender if tick.seen[pair.upstream].answers else None
        links[pair.downstream] = _link(tick, pair.upstream, sender, pair.downstream)
    for index, seen in enumerate(tick.seen):
        if index in links or not seen.answers or seen.sample is None or seen.sample.receiver is None:
            continue
        upstream = _upstream_by_address(tick, seen.sample)
        if upstream is None:
            upstream = _upstream_as_before(tick, index)
        if upstream is not None and upstream != index:
            links[index] = _link(tick, upstream, None, index)
    return links


def _link(tick: Tick, up: int, sender: Sender | None, down: int) -> Link:
    """One link. An upstream that does not answer has no current position, so its gaps are unknown."""
    above, below = tick.answer(up), tick.answer(down)
    diverged = above is not None and below is not None and compare(below, above).relation is Relation.DIVERGED
    gaps = gaps_of(None if diverged else above, sender, below)
    replayed = sender.replay_lsn if sender is not None else below.replay_lsn if below is not None else None
    seen = tick.trail.behind(tick.seen[up].address, replayed, above.taken_at if above else tick.now)
    return Link(
        upstream=tick.names[up],
        downstream=tick.names[down],
        sender=sender,
        receiver=below.receiver if below is not None else None,
        gaps=gaps,
        time_lag=None if diverged or above is None else time_lag_of(sender, gaps.replay, seen),
        evidence_age=evidence_age(above, sender, below, tick.now),
    )


def _unwatched_links(tick: Tick, pairs: tuple[Pair, ...], fed: dict[int, Link]) -> list[Link]:
    """Named by application_name, or by slot where that is hidden.

    Left out are walsenders that must feed watched standbys, though it is not known which (those have links of
    their own), and those left over from a watched standby that says it has no walreceiver (any more).
    """
    taken = {(pair.upstream, pair.sender.pid) for pair in pairs}
    unfed = {tick.names[index] for index in range(len(tick.seen)) if tick.answer(index) and index not in fed}
    links: list[Link] = []
    for up in range(len(tick.seen)):
        above = tick.answer(up)
        if above is None:
            continue
        spare = [
            sender for sender in above.senders if (up, sender.pid) not in taken and sender.application_name not in unfed
        ]
        anonymous = sum(link.upstream == tick.names[up] and link.sender is None for link in fed.values())
        links += [_unwatched_link(tick, up, above, sender) for sender in spare[anonymous:]]
    return links


def _unwatched_link(tick: Tick, up: int, above: NodeSample, sender: Sender) -> Link:
    gaps = gaps_of(above, sender, None)
    seen = tick.trail.behind(tick.seen[up].address, sender.replay_lsn, above.taken_at)
    return Link(
        upstream=tick.names[up],
        downstream=sender.application_name or sender.slot_name or f"pid {sender.pid}",
        sender=sender,
        receiver=None,
        gaps=gaps,
        time_lag=time_lag_of(sender, gaps.replay, seen),
        evidence_age=evidence_age(above, sender, None, tick.now),
    )


def _upstream_by_address(tick: Tick, sample: NodeSample) -> int | None:
    """The one watched node at the address the walreceiver is connected to."""
    receiver = sample.receiver
    if receiver is None or receiver.sender_host is None or receiver.sender_port is None:
        return None
    hosts = _LOOPBACK if receiver.sender_host in _LOOPBACK else {receiver.sender_host}
    wanted = {f"{host}:{receiver.sender_port}" for host in hosts}
    found = [index for index, seen in enumerate(tick.seen) if seen.address in wanted]
    return found[0] if len(found) == 1 else None


def _upstream_as_before(tick: Tick, index: int) -> int | None:
    """The same walreceiver process has the same upstream as a tick ago, even if that stopped listing it."""
    before = tick.previous.link_to(tick.names[index]) if tick.previous is not None else None
    sample = tick.seen[index].sample
    if before is None or before.receiver is None or sample is None or sample.receiver is None:
        return None
    if before.receiver.pid != sample.receiver.pid or before.upstream not in tick.names:
        return None
    return tick.names.index(before.upstream)
