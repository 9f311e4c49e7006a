"""Looks at every standby right after something was written: how far behind, and how soon it had everything.

Owns: those looks, over connections that are open before the write. Must not: write.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.pattern import Pattern

_LOOK_EVERY = 0.002  # seconds
_REPLAYED = "SELECT (coalesce(pg_last_wal_replay_lsn(), '0/0') - '0/0')::int8"
_TOLD = (
    "SELECT application_name, extract(epoch FROM write_lag)::float8, extract(epoch FROM flush_lag)::float8,"
    " extract(epoch FROM replay_lag)::float8 FROM pg_stat_replication WHERE replay_lsn - '0/0' >= %s"
)

LAG = Pattern(
    "insert_lag_bytes:NODE",
    "Lag of NODE right after",
    "bytes",
    "LSN after minus NODE's own pg_last_wal_replay_lsn(), asked as soon as the commit was acknowledged",
)
CAUGHT_UP = Pattern(
    "insert_catch_up_seconds:NODE",
    "NODE has it after",
    "s",
    "from the acknowledged commit until NODE's own pg_last_wal_replay_lsn() has reached LSN after; 0 if it had already",
)
WORDS = ("write", "flush", "replay")
LAGS = tuple(
    Pattern(
        f"insert_{word}_lag_seconds:NODE",
        f"{word.capitalize()} lag of NODE",
        "s",
        f"{word}_lag in pg_stat_replication of NODE's upstream, once its replay_lsn had reached LSN after",
        "the time of the whole insert: it is that of its last WAL",
    )
    for word in WORDS
)
FIGURES = (LAG, CAUGHT_UP, *LAGS)


class Looks:
    """A context manager; look once at the moment that counts, then ask for the figures."""

    def __init__(self, context: Context, primary: str) -> None:
        self._context = context
        self._names = tuple(name for name in context.running("standbys") if name != primary)
        self._stack = ExitStack()
        self._links: dict[str, Any] = {}
        self._behind: dict[str, int | None] = {}
        self._told: dict[str, tuple[float | None, ...]] = {}
        self._looked_at = 0.0

    def __enter__(self) -> Looks:
        for name in self._context.running("all"):
            self._links[name] = self._stack.enter_context(self._context.talk(name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def look(self, after: int) -> None:
        """Now."""
        self._looked_at = time.monotonic()
        self._behind = {name: max(0, after - self._replayed(name)) for name in self._names}

    def figures(self, after: int, within: float) -> tuple[Figure, ...]:
        """Those of the look, and what follows until every standby has everything, or time is up."""
        caught = self._wait(after, within)
        return tuple(figure for name in self._names for figure in self._of(name, caught.get(name), within))

    def _wait(self, after: int, within: float) -> dict[str, float]:
        caught = {name: 0.0 for name, behind in self._behind.items() if behind == 0}
        while time.monotonic() < self._looked_at + within:
            for name in self._names:
                if name not in caught and self._replayed(name) >= after:
                    caught[name] = time.monotonic() - self._looked_at
            self._hear(after)
            if len(caught) == len(self._told) == len(self._names):
                break
            time.sleep(_LOOK_EVERY)
        return caught

    def _replayed(self, name: str) -> int:
        return int(self._links[name].execute(_REPLAYED).fetchone()[0])

    def _hear(self, after: int) -> None:
        """What the upstreams say, once: a lag is null again as soon as nothing is under way."""
        for link in self._links.values():
            for name, *lags in link.execute(_TOLD, [after]).fetchall():
                if name in self._names:
                    self._told.setdefault(name, tuple(lags))

    def _of(self, name: str, caught: float | None, within: float) -> Iterator[Figure]:
        yield LAG.figure(self._behind.get(name), name)
        yield CAUGHT_UP.figure(caught, name, how="" if caught is not None else f"it had not within {within:g} s")
        for pattern, value in zip(LAGS, self._told.get(name, (None,) * len(WORDS)), strict=True):
            yield pattern.figure(value, name)
