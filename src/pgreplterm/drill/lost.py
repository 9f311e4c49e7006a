"""What a failover loses by the old primary's own WAL: foretold from the promoted standby's position, and kept.

Owns: both lists, and where the second goes. Must not: run while anybody waits for the promotion, or
after a rewind, which overwrites the only copy.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.cluster.connecting.connect import Target
from pgreplterm.cluster.decoded.catalog import Catalog
from pgreplterm.cluster.decoded.commits import lost_past, survey
from pgreplterm.cluster.decoded.diverged import diverged, old_at, save_tail
from pgreplterm.cluster.decoded.risk_words import diverged_document
from pgreplterm.cluster.decoded.tables import named, tables_of
from pgreplterm.cluster.decoded.wal_range import wal_at
from pgreplterm.cluster.model import NodeSample
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.wal.lsn import LSN


@dataclass(frozen=True, slots=True)
class Forecast:
    """Commits, and rows of tables, past the position that the promoted standby had flushed before it was promoted."""

    position: LSN
    commits: int
    rows: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """The old primary: its name, its files, and the timeline that it was on."""

    name: str
    directory: Path
    timeline: int


def foretell(old: Stopped, position: LSN, catalog: Target) -> Forecast:
    """What promoting a standby that had flushed up to position would lose. Raises WalError."""
    source = wal_at(old.directory, old.timeline)
    lost = lost_past(source, survey(source, position, None), position)
    tables = tables_of(lost.relations, named(lost.relations, Catalog(catalog)))
    return Forecast(position, lost.commits, sum(table.rows for table in tables if not table.is_system))


def keep(old: Stopped, new: str, sample: NodeSample, target: Target, place: Path) -> Path | None:
    """Write what only the old primary has as JSON to place, and its WAL beside it; None when it has nothing.

    Raises DrillFailed when they cannot be kept: what follows would destroy them.
    """
    whose = old_at(old.directory, old.name)
    found = diverged(whose, new, sample, target)
    if not found.has_tail:
        return None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        document = diverged_document(found, time.time(), transactions=True)
        place.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        save_tail(found, whose, place.with_name(f"{place.name}.wal"))
    except (OSError, PgReplTermError) as error:
        raise DrillFailed(
            f"{place}: expected to keep what only {old.name} has, before it is rewound; {error}. {old.name} is left "
            "stopped and as it was."
        ) from error
    return place
