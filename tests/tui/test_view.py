"""What the screens know: snapshots before the newest one, as far back as faults take to show."""

from __future__ import annotations

from dataclasses import replace

from pgreplterm.tui.sources import Jumped, Sampled
from pgreplterm.tui.view import REMEMBERED, ClusterView

from .snapshots import START as NOW
from .snapshots import cluster


def test_snapshots_are_remembered_for_a_while_and_forgotten_at_a_jump() -> None:
    view = ClusterView("x", 1.0)
    first = cluster()
    ticks = [replace(first, taken_at=NOW + second) for second in range(40)]
    for tick in ticks:
        view.take(Sampled(tick))
    assert list(view.earlier) == ticks[39 - int(REMEMBERED) : 39]
    view.take(Jumped((Sampled(ticks[3]),)))
    assert (view.snapshot, list(view.earlier)) == (ticks[3], [])


def test_a_clock_set_back_starts_anew() -> None:
    view = ClusterView("x", 1.0)
    first = cluster()
    for at in (100.0, 101.0, 50.0):
        view.take(Sampled(replace(first, taken_at=NOW + at)))
    assert list(view.earlier) == []
