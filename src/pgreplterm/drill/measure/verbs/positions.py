"""What each upstream says of its standbys: positions, lags and how synchronous they are.

Owns: standby-positions and sync-states, asked of pg_stat_replication at one moment. Must not: use the track.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.context import Context, Row
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.drill.measure.verbs.wal import lsn_text

_STAGES = ("sent", "write", "flush", "replay")
_END = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END"
_SENDERS = (
    "SELECT application_name, state, sync_state, sync_priority, "
    + ", ".join(f"({stage}_lsn - '0/0')::int8, ({_END} - {stage}_lsn)::int8" for stage in _STAGES)
    + ", "
    + ", ".join(f"extract(epoch FROM {stage}_lag)::float8" for stage in _STAGES[1:])
    + " FROM pg_stat_replication ORDER BY application_name"
)

LSNS = {
    stage: Pattern(f"{stage}_lsn:NODE", f"NODE's {stage}_lsn", "", f"{stage}_lsn in its upstream's pg_stat_replication")
    for stage in _STAGES
}
BEHIND = {
    stage: Pattern(
        f"{stage}_behind_bytes:NODE",
        f"NODE behind at {stage}",
        "bytes",
        f"its upstream's position minus {stage}_lsn, in one statement on the upstream",
    )
    for stage in _STAGES
}
LAGS = {
    stage: Pattern(
        f"{stage}_lag_seconds:NODE",
        f"{stage.capitalize()} lag of NODE",
        "s",
        f"{stage}_lag of pg_stat_replication: from flushed by the primary to the answer that NODE has it",
        "an age: it is null while nothing is written, and stays as it was while nothing comes back",
    )
    for stage in _STAGES[1:]
}
STATE = Pattern("state:NODE", "State of NODE", "", "state in its upstream's pg_stat_replication")
SYNC = Pattern("sync_state:NODE", "NODE is", "", "sync_state in its upstream's pg_stat_replication")
PRIORITY = Pattern("sync_priority:NODE", "Priority of NODE", "", "sync_priority there; 0 is asynchronous")
NAMES = Pattern("synchronous_standby_names", "synchronous_standby_names", "", "SHOW on the primary")
COMMIT = Pattern(
    "synchronous_commit", "synchronous_commit", "", "in the primary's configuration, what sessions begin with"
)
COUNT = Pattern(
    "synchronous_standbys", "Standbys commits may wait for", "", "those of the primary with sync_state sync or quorum"
)


def _positions(context: Context, _: Options) -> tuple[Figure, ...]:
    return tuple(figure for row in _rows(context) for figure in _of_row(row))


def _rows(context: Context) -> list[Row]:
    names = {node.name for node in context.stage.lab.nodes}
    rows = [row for node in context.running("all") for row in context.ask(node, _SENDERS)]
    return [row for row in rows if row[0] in names]


def _of_row(row: Row) -> Iterator[Figure]:
    name, state, _, _, *rest = row
    yield STATE.figure(state, name)
    for number, stage in enumerate(_STAGES):
        lsn, behind = rest[2 * number : 2 * number + 2]
        yield LSNS[stage].figure(None if lsn is None else lsn_text(lsn), name)
        yield BEHIND[stage].figure(None if behind is None else max(0, behind), name)
    for stage, lag in zip(_STAGES[1:], rest[2 * len(_STAGES) :], strict=True):
        yield LAGS[stage].figure(lag, name)


def _sync_states(context: Context, _: Options) -> tuple[Figure, ...]:
    primary = context.primary().name
    rows = context.ask(primary, _SENDERS)
    built_in = "SELECT boot_val FROM pg_settings WHERE name = 'synchronous_commit'"
    configured = "SELECT setting FROM pg_file_settings WHERE name = 'synchronous_commit' AND applied"
    commit = context.value(primary, configured) or context.value(primary, built_in)
    figures = [
        NAMES.figure(context.value(primary, "SHOW synchronous_standby_names")),
        COMMIT.figure(commit),
        COUNT.figure(sum(row[2] in ("sync", "quorum") for row in rows)),
    ]
    for name, _state, sync, priority, *_rest in rows:
        figures += [SYNC.figure(sync, name), PRIORITY.figure(priority, name)]
    return tuple(figures)


MEASURES = (
    Measure(
        "standby-positions",
        "sent, written, flushed and replayed LSN of every standby, as its upstream says, with the three lags",
        (STATE, *LSNS.values(), *BEHIND.values(), *LAGS.values()),
        _positions,
    ),
    Measure(
        "sync-states",
        "which standbys commits wait for: sync_state and priority of each, and the settings behind that",
        (NAMES, COMMIT, COUNT, SYNC, PRIORITY),
        _sync_states,
    ),
)
