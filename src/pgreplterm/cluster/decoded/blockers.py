"""Who on a standby holds up replay: the queries a recovery conflict waits for.

Owns: one short session on the standby, asked only when replay waits. Must not: cancel anything, or judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from pgreplterm.cluster.connecting.connect import Target

# Those that hold a lock the startup process waits for; else those that hold a snapshot, the oldest first.
_BLOCKERS = """
WITH startup AS (SELECT pid FROM pg_catalog.pg_stat_activity WHERE backend_type = 'startup'),
     holders AS (
  SELECT DISTINCT held.pid
    FROM pg_catalog.pg_locks AS wanted
    JOIN pg_catalog.pg_locks AS held
      ON held.granted AND held.locktype = wanted.locktype AND held.pid <> wanted.pid
     AND held.database IS NOT DISTINCT FROM wanted.database AND held.relation IS NOT DISTINCT FROM wanted.relation
   WHERE NOT wanted.granted AND wanted.pid IN (SELECT pid FROM startup))
SELECT a.pid, a.usename, a.datname, a.state, a.application_name,
       extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8,
       a.pid IN (SELECT pid FROM holders), a.query
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid()
   AND (a.pid IN (SELECT pid FROM holders)
        OR (a.backend_xmin IS NOT NULL AND NOT EXISTS (SELECT 1 FROM holders)))
 ORDER BY a.xact_start NULLS LAST
 LIMIT 10
"""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A backend on the standby, as unscrubbed server text. Ages in seconds; None without pg_read_all_stats.

    holds_lock: it holds the very lock the startup process waits for; otherwise it holds a snapshot.
    """

    pid: int
    user: str | None
    database: str | None
    state: str | None
    application_name: str | None
    transaction_age: float | None
    holds_lock: bool
    query: str | None


def blockers(target: Target) -> tuple[Blocker, ...] | None:
    """The backends replay may wait for, the oldest transaction first; None when the standby cannot be asked."""
    try:
        with psycopg.connect(target.conninfo, autocommit=True) as session:
            rows: list[Any] = session.execute(_BLOCKERS.encode()).fetchall()
    except psycopg.Error:
        return None
    return tuple(Blocker(*row) for row in rows)
