"""How long commits took, and how many there were in each second, from the clients' own clocks.

Owns: percentiles by stage and by server, and the curve of commits. Pure. Must not: read files.

The first attempt on a connection has the connecting in it, so it is no commit's latency. A commit belongs to the stage
in which it was sent, and counts in the second in which it was acknowledged.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pgreplterm.cluster.percentiles import Spread, spread_of
from pgreplterm.drill.figures import Curve
from pgreplterm.drill.measure.clients import acknowledged, ended_epoch
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.lab.journal import Attempt, Outcome

COMMITS_PER_SECOND = Pattern(
    "commits_per_second",
    "Commits a second",
    "commits/s",
    "acknowledgements of all clients in each whole second",
    "the server's own count, which has the load and autovacuum in it",
)
Attempts = Mapping[int, Sequence[Attempt]]


def settled(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The acknowledged ones that found a connection open."""
    found, connection = [], None
    for each in attempts:
        number = each.server.connection if each.server is not None else None
        if each.outcome is Outcome.OK and number == connection:
            found.append(each)
        connection = number
    return found


def latencies(clients: Attempts, since: float, until: float, port: int | None = None) -> Spread:
    """Of the commits sent in that time (epoch seconds), on that server where one is given; seconds."""
    return spread_of(
        each.ended_at - each.sent_at
        for attempts in clients.values()
        for each in settled(attempts)
        if since <= each.sent_epoch < until and port in (None, each.port)
    )


def ports(clients: Attempts) -> tuple[int, ...]:
    """Every server that acknowledged anything, by its port."""
    found = (each.port for attempts in clients.values() for each in acknowledged(attempts))
    return tuple(dict.fromkeys(port for port in found if port is not None))


def in_seconds(clients: Attempts) -> tuple[tuple[float, float], ...]:
    """(beginning of a whole second, commits acknowledged in it), every second through which clients tried.

    The first and the last are left out: the clients were not there for the whole of them.
    """
    tried = [each for attempts in clients.values() for each in attempts]
    if not tried:
        return ()
    first = math.floor(min(each.sent_epoch for each in tried)) + 1
    last = math.floor(max(map(ended_epoch, tried)))
    counts = Counter(math.floor(ended_epoch(each)) for each in acknowledged(tried))
    return tuple((float(second), float(counts[second])) for second in range(first, last))


def throughput(clients: Attempts, since: float, until: float) -> float | None:
    """Commits acknowledged a second in that time; None when no client was there for all of it."""
    tried = [each for attempts in clients.values() for each in attempts]
    if not tried or until <= since:
        return None
    begun, over = min(each.sent_epoch for each in tried), max(map(ended_epoch, tried))
    since, until = max(since, begun), min(until, over)
    if until <= since:
        return None
    return sum(since <= ended_epoch(each) < until for each in acknowledged(tried)) / (until - since)


def curve(clients: Attempts) -> Curve | None:
    """Commits a second through the whole run; None without a whole second of clients."""
    points: Iterable[tuple[float, float]] = in_seconds(clients)
    known = COMMITS_PER_SECOND
    return Curve(known.key, known.label, known.unit, tuple(points)) if points else None
