"""How fast WAL arrives at an upstream, how fast a downstream replays it, and when the one has caught up with the other.

Owns: both rates over one sliding window of the trail, and the estimate made of them. Must not: smooth, or promise: an
estimate says what happens at these rates. Rates come from positions alone: every server has those, whatever its
major, statistics settings and clock.
"""

from __future__ import annotations

from dataclasses import replace

from pgreplterm.cluster.joining.observe import Tick
from pgreplterm.cluster.joining.state import is_evidence_old
from pgreplterm.cluster.joining.trail import Path
from pgreplterm.cluster.model import CatchUp, Link, NodeSample, Rates
from pgreplterm.cluster.words import SMALL_GAP

# Seconds. Both rates are measured over the same stretch, at most this long, which ended at most FRESH ago.
WINDOW = 15.0
SHORTEST = 0.5
FRESH = 3.0
# Replay that is faster by less than this share of the WAL's rate is as fast, within what two clocks of ticks can tell.
_ADVANTAGE = 0.01


def paced(tick: Tick, link: Link, up: int, down: int | None) -> Link:
    """The link with its rates and catch-up; up and down are its ends' places in the tick, down None if unwatched."""
    below = None if down is None else tick.answer(down)
    rates = rates_of(tick.trail.positions.get(tick.seen[up].address), _replayed(tick, link, up, down), tick.now)
    return replace(link, rates=rates, catch_up=catch_up_of(link, below, rates))


def rates_of(written: Path | None, replayed: Path | None, now: float) -> Rates | None:
    """Bytes a second; None before there are two ticks to compare, or when the newest is old."""
    if written is None:
        return None
    paths = [written] if replayed is None else [written, replayed]
    end = min(path.until for path in paths)
    start = max(end - WINDOW, *(path.since for path in paths))
    if end - start < SHORTEST or now - end > FRESH:
        return None if replayed is None else rates_of(written, None, now)
    return Rates(_rate(written, start, end), None if replayed is None else _rate(replayed, start, end), end - start)


def catch_up_of(link: Link, below: NodeSample | None, rates: Rates | None) -> CatchUp | None:
    """When replay will have everything; None where there is nothing worth waiting for, or where it is not known."""
    if link.gaps.replay is None or link.gaps.replay < SMALL_GAP:
        return None
    if (below is not None and below.replay_paused) or is_evidence_old(link, below):
        return CatchUp(None, never=True)
    if rates is None or rates.replay is None:
        return None
    closing = rates.replay - rates.wal
    if closing <= _ADVANTAGE * rates.wal:
        return CatchUp(None, never=True)
    return CatchUp(link.gaps.replay / closing)


def _replayed(tick: Tick, link: Link, up: int, down: int | None) -> Path | None:
    """A standby's own word where it gives one: its replies to the walsender may be a status interval apart."""
    if down is not None and tick.answer(down) is not None:
        own = tick.trail.replayed.get(tick.seen[down].address)
        if own is not None:
            return own
    return None if link.sender is None else tick.trail.confirmed.get((tick.seen[up].address, link.sender.pid))


def _rate(path: Path, start: float, end: float) -> float:
    return (path.at(end) - path.at(start)) / (end - start)
