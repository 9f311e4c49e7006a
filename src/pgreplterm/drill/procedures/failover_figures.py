"""What a failover measured, as figures with how each was.

Owns: their keys, labels and wording. Must not: measure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgreplterm.drill.bringing_back import Returned
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.lost import Forecast
from pgreplterm.drill.measure.client_figures import client_figures
from pgreplterm.drill.measure.clients import ClientSeen
from pgreplterm.drill.measure.phases import Moments, phases
from pgreplterm.drill.rejoin import Verdict
from pgreplterm.wal.lsn import LSN


@dataclass
class Measured:
    """What is known so far. Instants are epoch seconds."""

    primary: str
    at_risk: int | None = None
    killed_at: float | None = None
    detected_at: float | None = None
    decided_at: float | None = None
    promoted_at: float | None = None
    written_at: float | None = None
    promoted: str = ""
    timeline_before: int | None = None
    timeline_after: int | None = None
    fork: LSN | None = None
    flushed: LSN | None = None  # by the promoted standby, before it was
    rejoin_seconds: float | None = None


def figures(
    seen: Measured,
    verdict: Verdict | None,
    returned: Returned | None,
    forecast: Forecast | None,
    clients: Sequence[ClientSeen],
) -> tuple[Figure, ...]:
    """In the order they are read."""
    return (
        *_server(seen),
        *_foretold(seen, forecast),
        *_rejoined(seen, verdict, returned),
        *client_figures(clients, f"{seen.primary} and {seen.promoted}"),
    )


def _server(seen: Measured) -> Iterator[Figure]:
    old, new = seen.primary, seen.promoted
    yield Figure("timeline_before", "Timeline before", seen.timeline_before, "", f"of {old}'s WAL position")
    yield Figure("timeline_after", "Timeline after", seen.timeline_after, "", f"of {new}'s WAL position")
    fork = str(seen.fork) if seen.fork is not None else None
    yield Figure("fork_lsn", "Fork LSN", fork, "", f"history file of timeline {seen.timeline_after} on {new}")
    yield from phases(Moments(seen.killed_at, seen.detected_at, seen.decided_at, seen.promoted_at, seen.written_at))
    yield Figure(
        "at_risk_bytes",
        "At risk before",
        seen.at_risk,
        "bytes",
        "the primary's position minus the best standby's flush LSN, just before the failure",
    )


def _foretold(seen: Measured, forecast: Forecast | None) -> Iterator[Figure]:
    old, new = seen.primary, seen.promoted
    how = f"{old}'s WAL past what {new} had flushed before it was promoted"
    yield Figure("predicted_commits", "Predicted loss", forecast.commits if forecast else None, "commits", how)
    yield Figure("predicted_rows", "Predicted rows", forecast.rows if forecast else None, "rows", how)


def _rejoined(seen: Measured, verdict: Verdict | None, returned: Returned | None) -> Iterator[Figure]:
    old = seen.primary
    how = f"{old}: {verdict.reason}" if verdict else "it was not judged"
    if returned is not None and returned.instead:
        how += f"; {returned.instead}"
    yield Figure("rejoin", "Rejoin", returned.word if returned else None, "", how)
    yield Figure("rejoin_seconds", "Rejoin time", seen.rejoin_seconds, "s", "decision to streaming on the new timeline")
    beyond = verdict.beyond if verdict else None
    yield Figure("divergent_bytes", "Divergent WAL", beyond, "bytes", f"{old}'s WAL past the fork, read to its end")
    commits = verdict.commits if verdict else None
    yield Figure(
        "divergent_commits", "Divergent commits", commits, "commits", f"commit records in {old}'s WAL past the fork"
    )
