"""Links to downstreams that nobody watches, known from their upstream's walsenders alone.

Owns: which walsenders those are, and their names. Must not: name one as a watched node is, or leave one out because
it looks like a watched standby of another name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator

from pgreplterm.cluster.forks.grounds import APPLICATION_NAME
from pgreplterm.cluster.joining.gaps import evidence_age, gaps_of, time_lag_of
from pgreplterm.cluster.joining.kinds import kind_of, logical_slots, serving_standbys
from pgreplterm.cluster.joining.match import Pairing, could_feed, own_name
from pgreplterm.cluster.joining.observe import Tick
from pgreplterm.cluster.joining.rates import paced
from pgreplterm.cluster.joining.unheard import unacknowledged
from pgreplterm.cluster.model import Link, NodeSample, Sender


def unwatched_links(tick: Tick, pairing: Pairing, upstreams: dict[int, int], loops: Collection[int]) -> Iterator[Link]:
    """Left out are walsenders that must feed watched standbys, though it is not known which (those have links of
    their own), and those left over from a watched standby that says it has no walreceiver (any more).
    """
    taken = {(pair.upstream, pair.sender.pid) for pair in pairing.pairs}
    owed = _owed(pairing, upstreams, loops)
    for up in range(len(tick.seen)):
        above = tick.answer(up)
        if above is None:
            continue
        spare = [
            sender
            for sender in above.senders
            if (up, sender.pid) not in taken and sender.application_name != APPLICATION_NAME
        ]
        if not spare:
            continue
        spare = _without_owed(tick, above, spare, owed[up])
        spare = _without_leftovers(tick, up, spare, upstreams, pairing.shared)
        names = _downstream_names(spare, tick.names)
        for sender, name in zip(spare, names, strict=True):
            yield _unwatched_link(tick, up, above, sender, name)


def _owed(pairing: Pairing, upstreams: dict[int, int], loops: Collection[int]) -> dict[int, list[int]]:
    """The standbys each node feeds by a walsender not known, itself among them if it follows itself."""
    paired = {pair.downstream for pair in pairing.pairs}
    owed: dict[int, list[int]] = defaultdict(list)
    for down, up in (*upstreams.items(), *((index, index) for index in loops if index not in upstreams)):
        if down not in paired:
            owed[up].append(down)
    return owed


def _without_owed(tick: Tick, above: NodeSample, spare: list[Sender], owed: list[int]) -> list[Sender]:
    """Without one walsender for each watched standby this node feeds by a walsender not known."""
    if not owed:
        return spare
    standbys, left = {sender.pid for sender in serving_standbys(above)}, list(spare)
    for index in owed:
        below = tick.answer(index)
        fitting = (one for one in left if one.pid in standbys)
        if below is not None and (sender := next((one for one in fitting if could_feed(one, below)), None)):
            left.remove(sender)
    return left


def _without_leftovers(
    tick: Tick, up: int, spare: list[Sender], upstreams: Collection[int], shared: Collection[str]
) -> list[Sender]:
    """Without walsenders by the name of another watched node of this cluster that says it streams from nobody."""
    above = tick.answer(up)
    if not spare or above is None:
        return spare
    idle = {
        own_name(below)
        for index in range(len(tick.seen))
        if (below := tick.answer(index)) is not None
        and index not in upstreams
        and index != up
        and below.receiver is None
        and below.system_identifier == above.system_identifier
    }
    return [one for one in spare if one.application_name not in idle or one.application_name in shared]


def _unwatched_link(tick: Tick, up: int, above: NodeSample, sender: Sender, name: str) -> Link:
    gaps = gaps_of(above, sender, None)
    seen = tick.trail.behind(tick.seen[up].address, sender.replay_lsn, above.taken_at)
    link = Link(
        upstream=tick.names[up],
        downstream=name,
        sender=sender,
        receiver=None,
        gaps=gaps,
        time_lag=time_lag_of(sender, gaps.replay, seen),
        evidence_age=evidence_age(above, sender, None, tick.now),
        kind=kind_of(sender, logical_slots(above)),
        unacknowledged=unacknowledged(tick, up, sender),
    )
    return paced(tick, link, up, None)


def _downstream_names(senders: list[Sender], watched: Collection[str]) -> list[str]:
    """By application_name, or slot where that is hidden; with address or pid where several would have that name."""
    names = [sender.application_name or sender.slot_name or f"pid {sender.pid}" for sender in senders]
    hosts = [f"{name} {sender.client_addr}" for name, sender in zip(names, senders, strict=True)]
    alike, together = Counter(names), Counter(hosts)
    return [
        name
        if alike[name] == 1 and name not in watched
        else host
        if together[host] == 1 and sender.client_addr is not None
        else f"{name} pid {sender.pid}"
        for name, host, sender in zip(names, hosts, senders, strict=True)
    ]
