"""What the primary does besides serving: checkpoints, WAL syncs, archiving.

Owns: checkpoints, wal-sync and archive-status, whose views differ by version. Must not: change a setting.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from pgreplterm.cluster.activity import Checkpoints
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options, Parameter
from pgreplterm.drill.measure.pattern import Pattern

TIMED = Pattern(
    "checkpoints_timed",
    "Checkpoints timed",
    "",
    "num_timed (before 17: checkpoints_timed), those skipped because nothing was written included",
    "checkpoints done",
)
REQUESTED = Pattern(
    "checkpoints_requested",
    "Checkpoints requested",
    "",
    "num_requested (before 17: checkpoints_req): max_wal_size was reached, or somebody asked",
)
SHARE = Pattern(
    "checkpoints_requested_percent", "Requested, of those timed", "%", "requested over timed; None without a timed one"
)
WRITE = Pattern("checkpoint_write_seconds", "Checkpoints spent writing", "s", "write_time of the checkpointer")
SYNC = Pattern("checkpoint_sync_seconds", "Checkpoints spent syncing", "s", "sync_time of the checkpointer")
BUFFERS = Pattern(
    "checkpoint_buffers", "Buffers written by checkpoints", "", "buffers_written (before 17: buffers_checkpoint)"
)
MAX_WAL = Pattern("max_wal_size", "max_wal_size", "", "SHOW on the primary")

COMMITS = Pattern("wal_sync_transactions", "Transactions that wrote", "commits", "transaction ids handed out meanwhile")
SYNCS = Pattern(
    "wal_syncs", "WAL syncs", "", "wal_sync of pg_stat_wal (14-17), fsyncs of object wal in pg_stat_io (18)"
)
PER_SYNC = Pattern(
    "commits_per_wal_sync",
    "Transactions a WAL sync",
    "",
    "transactions that wrote over WAL syncs",
    "the size of a group commit: the WAL writer and checkpoints sync too",
)
METHOD = Pattern("wal_sync_method", "wal_sync_method", "", "SHOW on the primary")
DELAY = Pattern("commit_delay", "commit_delay", "µs", "on the primary, with commit_siblings")

FAILED = Pattern("archive_failed", "Archive commands that failed", "", "failed_count of pg_stat_archiver")
ARCHIVED = Pattern("archive_archived", "WAL files archived", "files", "archived_count of pg_stat_archiver")
LAST_FAILED = Pattern("archive_last_failed", "Last file that failed", "", "last_failed_wal of pg_stat_archiver")
READY = Pattern(
    "archive_waiting", "WAL files that wait for the archiver", "files", ".ready files in pg_wal/archive_status"
)
FILES = Pattern("wal_files", "WAL files in pg_wal", "files", "pg_ls_waldir(), histories and backup labels left out")
FOLDER = Pattern("wal_folder_bytes", "Size of pg_wal", "bytes", "the sum of those files")
MODE = Pattern("archive_mode", "archive_mode", "", "SHOW on the primary")

_OLD = "checkpoints_timed, checkpoints_req, checkpoint_write_time, checkpoint_sync_time, buffers_checkpoint"
_NEW = "num_timed, num_requested, write_time, sync_time, buffers_written"


@dataclass(frozen=True, slots=True)
class _Counters:
    timed: int
    requested: int
    write: float
    sync: float
    buffers: int

    def minus(self, other: Checkpoints) -> _Counters:
        return _Counters(
            self.timed - other.timed,
            self.requested - other.requested,
            self.write - other.write_time,
            self.sync - other.sync_time,
            self.buffers - other.buffers_written,
        )


def _checkpoints(context: Context, options: Options) -> tuple[Figure, ...]:
    node, since = context.node(options.text("node")), options.text("since")
    columns, view = (_NEW, "pg_stat_checkpointer") if context.major >= 17 else (_OLD, "pg_stat_bgwriter")
    timed, requested, write, sync, buffers = context.ask(node, f"SELECT {columns} FROM {view}")[0]
    now = _Counters(int(timed), int(requested), write / 1000, sync / 1000, int(buffers))
    how = f"{view} on {node}, since its counters began"
    if since:
        before = context.track.checkpoints_at(node, context.moment(since))
        if before is None:
            return tuple(each.figure(None, how=f"{node} was not seen at {since}") for each in _CHECKPOINTS[:-1])
        now, how = now.minus(before), f"{view} on {node} now minus what it was at {since}"
    return (*_counted(now, how), MAX_WAL.figure(context.value(node, "SHOW max_wal_size")))


def _counted(now: _Counters, how: str) -> Iterator[Figure]:
    yield TIMED.figure(now.timed, how=how)
    yield REQUESTED.figure(now.requested, how=how)
    yield SHARE.figure(100 * now.requested / now.timed if now.timed > 0 else None)
    yield WRITE.figure(now.write, how=how)
    yield SYNC.figure(now.sync, how=how)
    yield BUFFERS.figure(now.buffers, how=how)


_SYNCS = {14: "SELECT wal_sync FROM pg_stat_wal", 18: "SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"}
_NEXT_XID = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8"


def _wal_sync(context: Context, options: Options) -> tuple[Figure, ...]:
    node, seconds = context.primary().name, options.number("seconds")
    statement = next((text for major, text in reversed(_SYNCS.items()) if context.major >= major), None)
    before = _syncs(context, node, statement)
    begun = int(context.value(node, _NEXT_XID))
    time.sleep(seconds)
    after, written = _syncs(context, node, statement), int(context.value(node, _NEXT_XID)) - begun
    synced = after - before if after is not None and before is not None else None
    method = str(context.value(node, "SHOW wal_sync_method"))
    why = _why_none(statement, method, synced)
    delay = context.ask(node, "SELECT current_setting('commit_delay')::int, current_setting('commit_siblings')")[0]
    return (
        COMMITS.figure(written, how=f"{COMMITS.how}, {seconds:g} s"),
        SYNCS.figure(synced, how=why if why else f"{SYNCS.how}, {seconds:g} s"),
        PER_SYNC.figure(written / synced if synced else None, how=why),
        METHOD.figure(method),
        DELAY.figure(int(delay[0]), how=f"current_setting on {node}; commit_siblings {delay[1]}"),
    )


def _syncs(context: Context, node: str, statement: str | None) -> int | None:
    """The counter now. Backends add to it about once a second."""
    value = context.value(node, statement) if statement is not None else None
    return None if value is None else int(value)


def _why_none(statement: str | None, method: str, synced: int | None) -> str:
    if statement is None:
        return "PostgreSQL 13 does not count WAL syncs"
    if synced == 0 and method.startswith("open_"):
        return f"wal_sync_method {method} syncs while it writes, which is not counted"
    return "" if synced else "fsync is off, or nothing was written"


_READY = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
_FILES = "SELECT count(*), coalesce(sum(size), 0)::int8 FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"


def _archive_status(context: Context, options: Options) -> tuple[Figure, ...]:
    node = context.node(options.text("node"))
    archived, failed, last = context.ask(
        node, "SELECT archived_count, failed_count, last_failed_wal FROM pg_stat_archiver"
    )[0]
    files, size = context.ask(node, _FILES)[0]
    return (
        MODE.figure(context.value(node, "SHOW archive_mode")),
        FAILED.figure(int(failed)),
        ARCHIVED.figure(int(archived)),
        LAST_FAILED.figure(last, how=LAST_FAILED.how if last else "none has failed"),
        READY.figure(int(context.value(node, _READY))),
        FILES.figure(int(files)),
        FOLDER.figure(int(size)),
    )


_CHECKPOINTS = (TIMED, REQUESTED, SHARE, WRITE, SYNC, BUFFERS, MAX_WAL)
_NODE = Parameter("whose", "primary")
MEASURES = (
    Measure(
        "checkpoints",
        "checkpoints requested against those timed, and what they wrote: many requested ones ask for more max_wal_size",
        _CHECKPOINTS,
        _checkpoints,
        {"node": _NODE, "since": Parameter("only those since then; since the counters began unless said", "")},
    ),
    Measure(
        "wal-sync",
        "transactions for each time the WAL was synced, over a few seconds of the load: what group commit gains",
        (COMMITS, SYNCS, PER_SYNC, METHOD, DELAY),
        _wal_sync,
        {"seconds": Parameter("how long to count", 5.0, "s", least=1)},
    ),
    Measure(
        "archive-status",
        "how archiving goes: files archived, failed and waiting, and how full pg_wal is",
        (MODE, FAILED, ARCHIVED, LAST_FAILED, READY, FILES, FOLDER),
        _archive_status,
        {"node": _NODE},
    ),
)
