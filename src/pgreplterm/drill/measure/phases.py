"""The phases of a failover, from the moments at which each was over.

Owns: detection, decision, promotion and first write, as a client's downtime falls apart. Pure. Must not: take times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.clients import acknowledged, ended_epoch
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.lab.journal import Attempt

DETECTION = Pattern(
    "detection_seconds", "Detection", "s", "the failure to: it answers no more, and a walreceiver is gone"
)
DECISION = Pattern("decision_seconds", "Decision", "s", "detection to pg_promote: fencing, and hearing every standby")
PROMOTION = Pattern("promotion_seconds", "Promotion", "s", "pg_promote to pg_is_in_recovery() = false")
FIRST_WRITE = Pattern(
    "first_write_seconds", "First write", "s", "end of recovery to the first acknowledgement by the new primary"
)
ALL = (DETECTION, DECISION, PROMOTION, FIRST_WRITE)


@dataclass(frozen=True, slots=True)
class Moments:
    """Epoch seconds; None is not reached."""

    failed: float | None = None
    detected: float | None = None
    decided: float | None = None
    promoted: float | None = None
    written: float | None = None


def first_write(clients: Sequence[Sequence[Attempt]], port: int, after: float) -> float | None:
    """When the server on that port first acknowledged a write from then on, epoch seconds."""
    ended = (ended_epoch(each) for attempts in clients for each in acknowledged(attempts) if each.port == port)
    return min((at for at in ended if at >= after), default=None)


def phases(moments: Moments) -> tuple[Figure, ...]:
    """Each from the end of the one before; a client may be served a moment before we see the end of recovery."""
    ends = (moments.failed, moments.detected, moments.decided, moments.promoted, moments.written)
    return tuple(
        pattern.figure(max(0.0, end - begin) if begin is not None and end is not None else None)
        for pattern, begin, end in zip(ALL, ends, ends[1:], strict=False)
    )
