"""What a switchover measured, as figures with how each was.

Owns: their keys, labels and wording. Must not: measure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.client_figures import client_figures
from pgreplterm.drill.measure.clients import ClientSeen
from pgreplterm.wal.lsn import LSN


@dataclass
class Measured:
    """What is known so far; durations in seconds."""

    primary: str
    promoted: str
    timeline_before: int | None = None
    timeline_after: int | None = None
    quiet_seconds: float | None = None
    ended: int = 0
    stop_seconds: float | None = None
    shutdown_end: LSN | None = None
    wait_seconds: float | None = None
    promotion_seconds: float | None = None
    fork: LSN | None = None
    repoint_seconds: float | None = None
    rejoin_seconds: float | None = None


def figures(seen: Measured, clients: Sequence[ClientSeen], nobody_served: float | None) -> tuple[Figure, ...]:
    """In the order they are read."""
    return (*_clients(seen, clients, nobody_served), *_phases(seen), *_positions(seen))


def _phases(seen: Measured) -> Iterator[Figure]:
    old, new = seen.primary, seen.promoted
    how = f"{old} refusing new writes to: no transaction that writes is under way; {seen.ended} had to be ended"
    yield Figure("stop_clients_seconds", "Stopping clients", seen.quiet_seconds, "s", how)
    yield Figure("stop_seconds", "Shutdown", seen.stop_seconds, "s", f"SIGINT to {old} to: no process of it is left")
    how = f"shutdown checkpoint read to: {new} has flushed and replayed it"
    yield Figure("wait_seconds", "Waiting for WAL", seen.wait_seconds, "s", how)
    how = f"pg_promote on {new} to pg_is_in_recovery() = false"
    yield Figure("promotion_seconds", "Promotion", seen.promotion_seconds, "s", how)
    how = f"from the first to the last standby that now streams from {new}"
    yield Figure("repoint_seconds", "Repointing", seen.repoint_seconds, "s", how)
    how = f"{old}: start as a standby to streaming from {new}"
    yield Figure("rejoin_seconds", "Demotion", seen.rejoin_seconds, "s", how)


def _positions(seen: Measured) -> Iterator[Figure]:
    old, new = seen.primary, seen.promoted
    yield Figure("timeline_before", "Timeline before", seen.timeline_before, "", f"of {old}'s WAL position")
    yield Figure("timeline_after", "Timeline after", seen.timeline_after, "", f"of {new}'s WAL position")
    end = str(seen.shutdown_end) if seen.shutdown_end is not None else None
    yield Figure(
        "shutdown_lsn", "Shutdown LSN", end, "", f"end of the shutdown checkpoint, the last record of {old}'s WAL"
    )
    fork = str(seen.fork) if seen.fork is not None else None
    yield Figure("fork_lsn", "Fork LSN", fork, "", f"history file of timeline {seen.timeline_after} on {new}")


def _clients(seen: Measured, clients: Sequence[ClientSeen], nobody_served: float | None) -> Iterator[Figure]:
    yield from client_figures(clients, f"{seen.primary} and {seen.promoted}")
    how = "last write of any client acknowledged by the old primary to the first of any by the new"
    yield Figure("nobody_served_seconds", "Nobody served", nobody_served, "s", how)
    for each in clients:
        gap = each.gap.seconds if each.gap is not None else None
        how = "between two of its acknowledged writes, whichever server answered"
        yield Figure(f"longest_gap_seconds:{each.client}", f"Longest gap of client {each.client}", gap, "s", how)
