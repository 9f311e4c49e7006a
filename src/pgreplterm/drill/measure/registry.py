"""The measures there are, in the order they are listed.

Owns: that list. Must not: know how one is taken.
"""

from __future__ import annotations

from difflib import get_close_matches

from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.verbs import (
    alerts,
    clone,
    commits,
    fsync,
    insert,
    lag,
    lines,
    peaks,
    positions,
    reads,
    refusals,
    upkeep,
    wal,
)
from pgreplterm.errors import PgReplTermError

ALL: tuple[Measure, ...] = (
    *lag.MEASURES,
    *peaks.MEASURES,
    *wal.MEASURES,
    *insert.MEASURES,
    *positions.MEASURES,
    *commits.MEASURES,
    *reads.MEASURES,
    *refusals.MEASURES,
    *alerts.MEASURES,
    *lines.MEASURES,
    *upkeep.MEASURES,
    *fsync.MEASURES,
    *clone.MEASURES,
)


def find(name: str) -> Measure:
    """The measure of that name. Raises PgReplTermError naming the nearest."""
    known = {each.name: each for each in ALL}
    if name in known:
        return known[name]
    meant = get_close_matches(name, known, n=1)
    hint = f"did you mean {meant[0]!r}?" if meant else f"there are {', '.join(known)}."
    raise PgReplTermError(f"expected a measure, found {name!r}; {hint}")
