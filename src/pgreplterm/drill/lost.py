"""What a failover loses by the old primary's own WAL: foretold from the promoted standby's position, and kept.

Owns: both lists, and where the second goes. Must not: run while anybody waits for the promotion, or
after a rewind, which overwrites the only copy.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
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


def keep(old: Stopped, new: str, sample: NodeSample, target: Target, places: Sequence[Path]) -> Path | None:
    """Write what only the old primary has as JSON, and its WAL beside it, to the first of these places that takes it.

    Returns that place; None when the old primary has nothing of its own. Raises DrillFailed when no place takes it:
    what follows would destroy it.
    """
    whose = old_at(old.directory, old.name)
    found = diverged(whose, new, sample, target)
    if not found.has_tail:
        return None
    refusals = []
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            document = diverged_document(found, time.time(), transactions=True)
            place.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
            save_tail(found, whose, place.with_name(f"{place.name}.wal"))
        except (OSError, PgReplTermError) as error:
            refusals.append(f"{place}: {error}")
        else:
            return place
    raise DrillFailed(
        f"expected to keep what only {old.name} has, before it is rewound; {'; '.join(refusals)}. {old.name} is left "
        "stopped and as it was."
    )
