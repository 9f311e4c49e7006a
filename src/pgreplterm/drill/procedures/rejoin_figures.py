"""What a rejoin measured, as figures with how each was.

Owns: their keys, labels and wording. Must not: measure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.cluster.model import Rejoin as Judgement
from pgreplterm.drill.bringing_back import Returned
from pgreplterm.drill.figures import Figure


@dataclass
class Measured:
    """What is known so far. Instants are epoch seconds."""

    node: str
    source: str
    began_at: float | None = None
    ended_at: float | None = None
    returned: Returned | None = None
    timeline: int | None = None
    kept: Path | None = None


def figures(seen: Measured, verdict: Judgement | None) -> tuple[Figure, ...]:
    """In the order they are read."""
    return tuple(_figures(seen, verdict))


def _figures(seen: Measured, verdict: Judgement | None) -> Iterator[Figure]:
    node, source, done = seen.node, seen.source, seen.returned
    judged = str(verdict.action) if verdict else None
    yield Figure("verdict", "Verdict", judged, "", verdict.reason if verdict else "nothing was judged")
    by = done.instead or done.said or "as judged" if done else "it is not back"
    yield Figure("rejoin", "Rejoined by", done.word if done else None, "", by)
    whole = seen.ended_at - seen.began_at if seen.ended_at and seen.began_at else None
    how = f"the stop of {node} to streaming from {source}"
    yield Figure("rejoin_seconds", "Rejoin time", whole, "s", how)
    seconds = done.seconds if done else None
    yield Figure("replace_seconds", "Bringing back", seconds, "s", f"CHECKPOINT on {source} to {node} caught up")
    yield Figure("timeline_after", "Timeline", seen.timeline, "", f"on which {node} streams")
    fork = str(verdict.fork_lsn) if verdict and verdict.fork_lsn is not None else None
    yield Figure("fork_lsn", "Fork LSN", fork, "", f"where the lines of {node} and {source} part, by their histories")
    beyond = (verdict.beyond or 0) if verdict and verdict.fork_lsn is not None else None
    yield Figure("divergent_bytes", "Divergent WAL", beyond, "bytes", f"WAL of {node} past the fork, read to its end")
    kept = str(seen.kept) if seen.kept else ""
    yield Figure("kept", "Kept", kept, "", f"transactions and WAL that only {node} had; empty: it had none")
