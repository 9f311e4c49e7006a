"""What was done, counted.

Owns: the counters of one kind of work, its figures over the last second and since the start, and the percentiles of
its commits. Must not: take what was due for what was done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from pgreplterm.cluster.percentiles import Spread, spread_of

NEWEST = 10_000
"""Commits the percentiles since the start are made of: more would grow for ever."""

SHORTEST_LAP = 0.5
"""Seconds under which a rate says nothing."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Rates of one stretch of time; None where it is too short to say."""

    seconds: float
    rows_per_second: float | None
    transactions_per_second: float | None
    errors: int
    latency: Spread  # of commits, seconds


@dataclass(slots=True)
class Meter:
    """Counters since the start. Doubtful transactions are those whose answer was lost: they may be there or not."""

    started_at: float  # monotonic seconds
    rows: int = 0
    transactions: int = 0
    errors: int = 0
    unknown: int = 0
    unknown_rows: int = 0
    reconnects: int = 0
    _newest: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))
    _lap: list[float] = field(default_factory=list)
    _before: tuple[float, int, int, int] | None = None

    def committed(self, rows: int, seconds: float) -> None:
        """One transaction was acknowledged, so long after it was sent."""
        self.rows += rows
        self.transactions += 1
        self.timed([seconds])

    def counted(self, transactions: int, failed: int = 0) -> None:
        """Some transactions of a row each were acknowledged."""
        self.rows += transactions
        self.transactions += transactions
        self.errors += failed

    def timed(self, seconds: Iterable[float]) -> None:
        """How long some acknowledged transactions took."""
        for each in seconds:
            self._newest.append(each)
            self._lap.append(each)

    def doubtful(self, rows: int) -> None:
        """The answer to one transaction was lost."""
        self.unknown += 1
        self.unknown_rows += rows

    def lap(self, now: float) -> Figures:
        """The figures since the last call, which is a second or so ago."""
        at, rows, transactions, errors = self._before or (self.started_at, 0, 0, 0)
        figures = _figures(
            now - at, self.rows - rows, self.transactions - transactions, self.errors - errors, self._lap
        )
        self._before = now, self.rows, self.transactions, self.errors
        self._lap = []
        return figures

    def so_far(self, now: float) -> Figures:
        """The figures since the start; the percentiles are those of the NEWEST commits."""
        return _figures(now - self.started_at, self.rows, self.transactions, self.errors, self._newest)


def _figures(seconds: float, rows: int, transactions: int, errors: int, commits: list[float] | deque[float]) -> Figures:
    enough = seconds >= SHORTEST_LAP
    return Figures(
        seconds=seconds,
        rows_per_second=rows / seconds if enough else None,
        transactions_per_second=transactions / seconds if enough else None,
        errors=errors,
        latency=spread_of(commits),
    )
