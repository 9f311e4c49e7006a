"""From the json a server answered to the Activity of its sample.

Owns: checkpoints, archiving, WAL volume, recovery and waits, part by part; a part that is null stays None.
Must not: connect or judge.
"""

from __future__ import annotations

from pgreplterm.cluster.activity import (
    Activity,
    Archiver,
    Checkpoints,
    Conflicts,
    ControlData,
    OldestTransaction,
    Prefetch,
    Recovery,
    Sessions,
    Waiter,
    WalVolume,
)
from pgreplterm.cluster.sampling.kept import Answer, Kept, Settings
from pgreplterm.wal.lsn import LSN

_MILLISECONDS = 1000
_AT_17 = {"restartpoints_timed": None, "restartpoints_requested": None, "restartpoints_done": None}


def read_activity(answer: Answer, kept: Kept, in_recovery: bool) -> Activity:
    """Everything beside identity and positions; settings and folder are what the session keeps."""
    return Activity(
        control=_control(answer["control"], kept.settings),
        checkpoints=_checkpoints(answer["checkpoints"]),
        archiver=_archiver(answer["archiver"], kept.settings),
        volume=None if answer["volume"] is None else WalVolume(**answer["volume"]),
        recovery=_recovery(answer, kept.settings) if in_recovery else None,
        waiters=_waiters(answer["waiters"]),
        sessions=_sessions(answer["sessions"]),
        folder=kept.folder,
        settings=kept.settings.values,
    )


def _control(row: Answer | None, settings: Settings) -> ControlData | None:
    checksums = settings.text("data_checksums")
    if row is None or checksums is None:
        return None
    end = row["min_recovery_end_lsn"]
    return ControlData(
        **{
            **row,
            "checkpoint_lsn": LSN.parse(row["checkpoint_lsn"]),
            "redo_lsn": LSN.parse(row["redo_lsn"]),
            "min_recovery_end_lsn": None if end is None else LSN.parse(end),
        },
        has_checksums=checksums == "on",
    )


def _checkpoints(row: Answer | None) -> Checkpoints | None:
    if row is None:
        return None
    times = {name: row[name] / _MILLISECONDS for name in ("write_time", "sync_time")}
    return Checkpoints(**{"done": None, **_AT_17, **row, **times})


def _archiver(row: Answer | None, settings: Settings) -> Archiver | None:
    mode = settings.text("archive_mode")
    return None if row is None or mode is None else Archiver(mode=mode, **row)


def _recovery(answer: Answer, settings: Settings) -> Recovery:
    startup, conflicts, prefetch = answer["startup"] or {}, answer["conflicts"], answer["prefetch"]
    return Recovery(
        pause_state=answer["pause"],
        wait_event_type=startup.get("wait_event_type"),
        wait_event=startup.get("wait_event"),
        conflicts=None if conflicts is None else Conflicts(**{"logical_slot": None, **conflicts}),
        prefetch=None if prefetch is None else Prefetch(**prefetch),
        apply_delay=settings.seconds("recovery_min_apply_delay", _MILLISECONDS),
    )


def _waiters(rows: list[Answer] | None) -> tuple[Waiter, ...] | None:
    return None if rows is None else tuple(Waiter(**row) for row in rows)


def _sessions(row: Answer | None) -> Sessions | None:
    if row is None:
        return None
    oldest = row["oldest"]
    return Sessions(**{**row, "oldest": None if oldest is None else OldestTransaction(**oldest)})
