"""Percentiles of a figure that is sometimes unknown.

Owns: the nearest-rank rule and the count of what is unknown. Must not: take unknown for 0, or make up values that
were never seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Values that were seen, each None when none was; known and unknown count the points behind them."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None
    known: int
    unknown: int


def spread_of(values: Iterable[float | None]) -> Spread:
    """The spread of these points. With few points the high percentiles are the maximum, as nearest rank has it."""
    seen: list[float] = []
    unknown = 0
    for value in values:
        if value is None:
            unknown += 1
        else:
            seen.append(value)
    seen.sort()
    p50, p95, p99, most = (_nearest_rank(seen, percent) for percent in (50, 95, 99, 100))
    return Spread(p50, p95, p99, most, len(seen), unknown)


def _nearest_rank(ordered: Sequence[float], percent: int) -> float | None:
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else None
