"""What a recovered node has that the primary has not, and the other way round.

Owns: both comparisons. Must not: copy a row anywhere.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.drill.lost import Forecast, Stopped, foretell
from pgreplterm.errors import DrillFailed
from pgreplterm.lab import sql
from pgreplterm.lab.config import ARCHIVE
from pgreplterm.wal.lsn import LSN

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

MOST_ROWS = 5_000_000
"""Above that the sums of all rows do not fit where a drill runs."""


@dataclass(frozen=True, slots=True)
class Rescued:
    """Numbers of rows: on the recovered node, on the primary, only on the one (rescued), only on the other (later)."""

    table: str
    recovered: int
    present: int
    rescued: int
    later: int


def rescued(lab: Lab, name: str, primary: str, table: str) -> Rescued:
    """Compare a table on a recovered node and on the primary. Raises DrillFailed when one of them has it not."""
    ours = _rows(lab.connection(name), name, table)
    theirs = _rows(lab.connection(primary), primary, table)
    return Rescued(table, ours.total(), theirs.total(), (ours - theirs).total(), (theirs - ours).total())


def missing_past(lab: Lab, primary: str, timeline: int, position: str) -> Forecast:
    """What the archive holds past an LSN, without the commit that ``Lab.archive_all`` makes. Raises WalError."""
    archive = Stopped(primary, lab.directory / ARCHIVE, timeline)
    found = foretell(archive, LSN.parse(position), named_target(primary, lab.dsn(primary)))
    return Forecast(found.position, max(0, found.commits - 1), found.rows)


def _rows(connecting: AbstractContextManager[Any], node: str, table: str) -> Counter[str]:
    """A digest of every row, each as often as it is there."""
    with connecting as link:
        name = sql.value(link, "SELECT to_regclass(%s)::text", table)  # quoted as it has to be
        if name is None:
            raise DrillFailed(f"expected a table {table!r} on {node}; there is none.")
        count = int(sql.value(link, f"SELECT count(*) FROM {name}"))
        if count > MOST_ROWS:
            raise DrillFailed(f"expected at most {MOST_ROWS:,} rows in {table} to compare; {node} has {count:,}.")
        return Counter(str(row[0]) for row in link.execute(f"SELECT md5(each::text) FROM {name} AS each").fetchall())
