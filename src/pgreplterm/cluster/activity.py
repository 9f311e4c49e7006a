"""What a server has done and is doing beside streaming, as frozen values: parts of a NodeSample.

Owns: checkpoints, archiving, WAL volume, recovery, waits and settings. Must not: connect, judge or format.

``None`` always means unknown (a view of a later major, a privilege that lacks) or not applicable, never zero. Ages and
durations are seconds, sizes bytes; counters run since stats_age seconds ago, by the server's clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.wal.lsn import LSN


@dataclass(frozen=True, slots=True)
class ControlData:
    """pg_control, which everybody may read. Its timeline lags a promotion by up to a whole checkpoint.

    checkpoint_age is that of the last checkpoint (on a standby: of the one last restarted from). The minimum recovery
    end is flushed lazily, a lower bound; both are None on a primary.
    """

    checkpoint_lsn: LSN
    redo_lsn: LSN
    timeline: int
    checkpoint_age: float
    min_recovery_end_lsn: LSN | None
    min_recovery_end_timeline: int | None
    has_checksums: bool


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Counters of pg_stat_bgwriter, from 17 on pg_stat_checkpointer (which counts restartpoints apart).

    timed includes those skipped because nothing was written; done (18) does not. Before 17 a standby's restartpoints
    are mixed into timed and requested. write_time and sync_time are seconds.
    """

    timed: int
    requested: int
    done: int | None
    restartpoints_timed: int | None
    restartpoints_requested: int | None
    restartpoints_done: int | None
    write_time: float
    sync_time: float
    buffers_written: int
    stats_age: float | None


@dataclass(frozen=True, slots=True)
class Archiver:
    """pg_stat_archiver, and archive_mode. Ages are None for what never happened."""

    mode: str  # off, on, always
    archived: int
    last_archived_wal: str | None
    last_archived_age: float | None
    failed: int
    last_failed_wal: str | None
    last_failed_age: float | None
    stats_age: float | None

    @property
    def is_failing(self) -> bool:
        """The last thing it tried failed."""
        if self.last_failed_age is None:
            return False
        return self.last_archived_age is None or self.last_failed_age < self.last_archived_age


@dataclass(frozen=True, slots=True)
class WalVolume:
    """pg_stat_wal (14 and later): cluster-wide, flushed by backends up to a second late."""

    records: int
    images: int
    bytes: int
    buffers_full: int
    stats_age: float | None


@dataclass(frozen=True, slots=True)
class Prefetch:
    """pg_stat_recovery_prefetch (15 and later). distances and io_depth are of now, the rest counters."""

    prefetched: int
    hits: int
    skipped_init: int
    skipped_new: int
    skipped_image: int
    skipped_repeated: int
    wal_distance: int
    block_distance: int
    io_depth: int
    stats_age: float | None


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Queries cancelled by recovery, over all databases (pg_stat_database_conflicts); logical slots from 16 on."""

    tablespace: int
    lock: int
    snapshot: int
    buffer_pin: int
    deadlock: int
    logical_slot: int | None

    @property
    def total(self) -> int:
        """All of them."""
        return self.tablespace + self.lock + self.snapshot + self.buffer_pin + self.deadlock + (self.logical_slot or 0)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a standby's replay is doing. pause_state is pg_get_wal_replay_pause_state()'s word (14 and later).

    wait_event_type and wait_event are the startup process's, None while it works or without pg_read_all_stats.
    """

    pause_state: str | None
    wait_event_type: str | None
    wait_event: str | None
    conflicts: Conflicts | None
    prefetch: Prefetch | None
    apply_delay: float | None  # recovery_min_apply_delay


@dataclass(frozen=True, slots=True)
class Waiter:
    """A backend that waits for a synchronous standby (wait event SyncRep).

    The LSN it waits for is in no view; lsn is the end of its commit record as found in the WAL, None until looked for.
    """

    pid: int
    xid: int | None
    waiting: float | None  # since the transaction's last state change
    application_name: str
    lsn: LSN | None = None


@dataclass(frozen=True, slots=True)
class OldestTransaction:
    """The client's transaction that began first, age seconds ago.

    xmin_age: how many transactions have begun since the oldest that it may still have to see; None where it has no
    snapshot at the moment.
    """

    pid: int
    application_name: str | None
    state: str | None
    age: float
    xmin_age: int | None


@dataclass(frozen=True, slots=True)
class Sessions:
    """Client backends, the sampler's own included; walsenders are none. oldest leaves the sampler's own out.

    wal_waiting counts those that wait at this moment for WAL to reach the disk (wait events WALSync and WALWrite), and
    wal_wait is how long the longest of their statements has run, in seconds: None when none waits.
    """

    clients: int
    idle_in_transaction: int
    oldest: OldestTransaction | None
    wal_waiting: int | None = None
    wal_wait: float | None = None


@dataclass(frozen=True, slots=True)
class WalFolder:
    """What lies in pg_wal: asked at its own slower pace, since it costs a stat for each file.

    taken_at is an instant of this machine's clock. ready counts segments that wait for the archiver; None where
    archive_status may not be listed.
    """

    taken_at: float
    segments: int
    bytes: int
    ready: int | None
    oldest_ready: str | None
    oldest_ready_age: float | None


@dataclass(frozen=True, slots=True)
class Activity:
    """Everything of a sample that is neither identity nor position. Each part is None where it is unknown."""

    control: ControlData | None = None
    checkpoints: Checkpoints | None = None
    archiver: Archiver | None = None
    volume: WalVolume | None = None
    recovery: Recovery | None = None  # a standby's only
    waiters: tuple[Waiter, ...] | None = None  # a primary's only; None without pg_read_all_stats
    folder: WalFolder | None = None
    sessions: Sessions | None = None  # None without pg_read_all_stats
    settings: tuple[tuple[str, str], ...] = ()  # pg_settings by name, in base units, what this role may read of them

    def setting(self, name: str) -> str | None:
        """A setting as pg_settings gives it; None if unknown to that major or hidden from this role."""
        return dict(self.settings).get(name)


NO_ACTIVITY = Activity()
