"""What a role may not see, and the privilege that would show it.

Owns: the sentence for each hidden part of a sample. Must not: ask a server or word a verdict.
"""

from __future__ import annotations

from functools import lru_cache

from pgreplterm.cluster.model import Missing
from pgreplterm.cluster.sampling.statements import OPTIONAL_PARTS, Capabilities, denied_of

STATS, SETTINGS, BOTH = "pg_read_all_stats", "pg_read_all_settings", "pg_monitor"
_HIDDEN = {
    "history": "the history of its timeline",
    "control": "pg_control's last checkpoint",
    "checkpoints": "the checkpointer's counters",
    "archiver": "the archiver's counters",
    "volume": "the volume of WAL written",
    "pause": "the state of a replay pause",
    "startup": "what replay waits for",
    "conflicts": "queries cancelled by replay",
    "prefetch": "replay's prefetching",
    "waiters": "who waits for a synchronous standby",
    "sessions": "sessions and their transactions",
    "folder": "pg_wal's files and size",
    "archive_status": "WAL that waits for the archiver",
    "settled": "the timeline while it streams from nobody",
}
_SIGNATURES = {
    "pg_read_binary_file": "pg_read_binary_file(text, bigint, bigint, boolean)",
}
_ONLY_IN_RECOVERY = frozenset({"pause", "startup", "conflicts", "prefetch", "settled"})
_OF_PG_MONITOR = frozenset({"folder", "archive_status"})


@lru_cache
def missing_privileges(
    major: int, capabilities: Capabilities, *, in_recovery: bool, reads_stats: bool, reads_settings: bool
) -> tuple[Missing, ...]:
    """Everything a sample of such a node lacks because of its role, the walsenders first."""
    neither = not reads_stats and not reads_settings
    role = BOTH if neither else STATS if not reads_stats else SETTINGS
    missing: list[Missing] = []
    if not reads_stats:
        missing.append(Missing("walsenders' states and positions", role))
        if in_recovery:
            missing.append(Missing("the walreceiver's upstream, timeline and positions", role))
        missing.append(Missing(_HIDDEN["startup" if in_recovery else "waiters"], role))
        missing.append(Missing(_HIDDEN["sessions"], role))
    if not reads_settings:
        missing.append(Missing("primary_conninfo's host and port", role))
    for part in OPTIONAL_PARTS:
        denied = denied_of(part, major, capabilities)
        if not denied or (part in _ONLY_IN_RECOVERY and not in_recovery) or (part == "waiters" and in_recovery):
            continue
        if not reads_stats and part in ("startup", "waiters", "sessions"):
            continue
        privilege = BOTH if neither and part in _OF_PG_MONITOR else _grant(denied[0])
        missing.append(Missing(_HIDDEN[part], privilege))
    return tuple(missing)


def _grant(name: str) -> str:
    """What a GRANT would say; a relation's name is told by the views' common beginning."""
    if name.startswith("pg_stat_") and name != "pg_stat_get_activity":
        return f"SELECT on {name}"
    return f"EXECUTE on function {_SIGNATURES.get(name, f'{name}()')}"
