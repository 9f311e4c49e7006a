"""What the clients saw, as figures.

Owns: their keys, labels and wording. Must not: compute, but for the least, the median and the most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.clients import ClientSeen, counted
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.lab.fates import Fate

_GAP = "the last acknowledgement before to the first after"

DOWNTIME = Pattern(
    "downtime_seconds",
    "Downtime",
    "s",
    f"{_GAP}; the slowest client's",
    "the time that no server took writes: it is what a client waited, its reconnecting included",
)
DOWNTIME_MEDIAN = Pattern("downtime_median_seconds", "Downtime, median", "s", f"{_GAP}; the median client's")
DOWNTIME_MIN = Pattern("downtime_min_seconds", "Downtime, least", "s", f"{_GAP}; the fastest client's")
DOWNTIME_OF = Pattern("downtime_seconds:CLIENT", "Downtime of client CLIENT", "s", _GAP)
GAP = Pattern("longest_gap_seconds", "Longest time without an acknowledgement", "s", "of any one client")
GAP_AT = Pattern("longest_gap_at", "It began at", "epoch s", "the acknowledgement before it")
ACKNOWLEDGED = Pattern("acknowledged", "Acknowledged", "commits", "writes the server said yes to")
FAILED = Pattern("failed_attempts", "Failed attempts", "", "refused by a server, or no server answered")
UNKNOWN = Pattern(
    "unknown",
    "Unknown",
    "commits",
    "the answer was lost, or the wait for a synchronous standby was cancelled",
    "lost, or acknowledged: either may be there",
)
LOST = Pattern("lost", "Lost", "rows", "acknowledged ids that are not there, read after every attempt had ended")
LOST_IDS = Pattern("lost_ids", "Lost ids", "", "client:id of each")
LOST_THERE = Pattern(
    "lost_on_old_primary", "Lost ids the old primary had", "rows", "lost ids found there before it was rewound"
)
FATES = {
    fate: Pattern(f"ids_{fate.name.lower()}", label, "rows", how)
    for fate, label, how in (
        (Fate.OK, "Ids kept", "acknowledged, and there"),
        (Fate.STALE, "Ids seen late", "acknowledged, once not there, and there later"),
        (Fate.UNKNOWN_PRESENT, "Unknown ids that are there", "the answer was lost; the last read found it"),
        (Fate.UNKNOWN_ABSENT, "Unknown ids that are not there", "the answer was lost; the last read did not find it"),
        (Fate.RESURRECTED, "Ids that came back", "the answer was lost; it was not there, and came later"),
        (Fate.UNEXPECTED, "Ids that should not be there", "there, though refused or never tried"),
        (Fate.DUPLICATE, "Duplicate ids", "there more than once, by a read of the table without its index"),
        (Fate.UNREAD, "Ids nobody looked for", "no read began after the attempt had ended"),
    )
}
ALL = (
    DOWNTIME,
    DOWNTIME_MEDIAN,
    DOWNTIME_MIN,
    DOWNTIME_OF,
    GAP,
    GAP_AT,
    ACKNOWLEDGED,
    FAILED,
    UNKNOWN,
    LOST,
    LOST_IDS,
    LOST_THERE,
    *FATES.values(),
)


def client_figures(clients: Sequence[ClientSeen], between: str = "") -> tuple[Figure, ...]:
    """In the order they are read. between says what downtime is between: "pg1 and pg2"; "" leaves downtime out."""
    downtime = _downtime(clients, between) if between else iter(())
    return (*downtime, *_gap(clients), *_outcomes(clients), *_lost(clients), *_fates(clients))


def _downtime(clients: Sequence[ClientSeen], between: str) -> Iterator[Figure]:
    known = [each.downtime for each in clients if each.downtime is not None]
    missing = len(clients) - len(known)
    note = f", {between}" + (f"; {missing} clients were not served on both sides" if missing else "")

    def spread(pattern: Pattern, of: Callable[[list[float]], float]) -> Figure:
        return pattern.figure(of(known) if known and not missing else None, how=pattern.how + note)

    yield spread(DOWNTIME, max)
    yield spread(DOWNTIME_MEDIAN, median)
    yield spread(DOWNTIME_MIN, min)
    for each in clients:
        yield DOWNTIME_OF.figure(each.downtime, str(each.client), how=f"{_GAP}, {between}")


def _gap(clients: Sequence[ClientSeen]) -> Iterator[Figure]:
    found = max(((each.gap, each.client) for each in clients if each.gap is not None), key=_seconds, default=None)
    yield GAP.figure(found[0].seconds if found else None, how=f"of client {found[1]}" if found else GAP.how)
    yield GAP_AT.figure(found[0].at if found else None)


def _seconds(found: tuple[object, int]) -> float:
    return float(getattr(found[0], "seconds", 0.0))


def _outcomes(clients: Sequence[ClientSeen]) -> Iterator[Figure]:
    totals = counted(clients)
    attempts = sum(each.acknowledged + each.failed for each in clients)
    how = f"{attempts} attempts of {len(clients)} clients"
    yield ACKNOWLEDGED.figure(sum(each.acknowledged for each in clients), how=f"{ACKNOWLEDGED.how}; {how}")
    yield FAILED.figure(sum(each.errors for each in clients), how=f"{FAILED.how}; {how}")
    there = totals[Fate.UNKNOWN_PRESENT] + totals[Fate.RESURRECTED]
    yield UNKNOWN.figure(sum(each.unknown for each in clients), how=f"{UNKNOWN.how}; {there} of them are there")


def _lost(clients: Sequence[ClientSeen]) -> Iterator[Figure]:
    lost = tuple(f"{each.client}:{number}" for each in clients for number in each.fates.of(Fate.LOST))
    unread = sum(len(each.fates.of(Fate.UNREAD)) for each in clients)
    note = f"; {unread} ids were not looked for" if unread else ""
    yield LOST.figure(None if unread else len(lost), how=LOST.how + note)
    yield LOST_IDS.figure(None if unread else lost, how=LOST_IDS.how + note)
    there = [each.lost_there for each in clients]
    if there and all(each is not None for each in there):
        yield LOST_THERE.figure(sum(len(each or ()) for each in there))


def _fates(clients: Sequence[ClientSeen]) -> Iterator[Figure]:
    totals = counted(clients)
    return (pattern.figure(totals[fate]) for fate, pattern in FATES.items())
