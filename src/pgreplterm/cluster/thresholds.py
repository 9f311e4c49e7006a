"""Where a figure becomes a finding.

Owns: the limits with their units, the named sets of them (profiles), and reading a size or a duration as a user
writes it. Must not: look at a snapshot, or know where a user's own limits come from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

KB, MB, GB = 1024, 1024**2, 1024**3
_SIZES = {"b": 1, "kb": KB, "mb": MB, "gb": GB, "tb": 1024**4}
_DURATIONS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_FIGURE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Bytes and seconds; a figure above its limit is a finding. The critical ones belong to the line before them."""

    replay_gap: int = 10 * MB
    replay_gap_critical: int = GB
    time_lag: float = 30.0
    time_lag_critical: float = 300.0
    stalled_for: float = 2.0  # seconds that replay may stand still while received WAL waits
    commit_wait: float = 5.0  # seconds that a commit may wait for a synchronous standby
    commit_wait_critical: float = 30.0
    safe_wal_size: int = 64 * MB  # a slot that is lost after less WAL than this is in danger ...
    safe_wal_percent: int = 10  # ... and so is one with less than this share of max_slot_wal_keep_size left
    inactive_slot: int = 10 * MB  # bytes a slot that nobody uses may hold back
    ready_files: int = 100  # WAL files that wait for the archiver
    requested_percent: int = 10  # checkpoints requested, in percent of those timed
    requested_least: int = 5  # ... and at least so many
    checkpoints_least: int = 20  # ... of so many in all: a fresh cluster has only those of its base backups
    senders_percent: int = 90  # walsenders in use, in percent of max_wal_senders


PROFILES: Mapping[str, Thresholds] = MappingProxyType(
    {
        "default": Thresholds(),
        "strict": Thresholds(
            replay_gap=MB,
            replay_gap_critical=100 * MB,
            time_lag=5.0,
            time_lag_critical=60.0,
            commit_wait=1.0,
            commit_wait_critical=10.0,
            safe_wal_size=256 * MB,
            safe_wal_percent=25,
            inactive_slot=MB,
            ready_files=10,
        ),
        "relaxed": Thresholds(
            replay_gap=100 * MB,
            replay_gap_critical=10 * GB,
            time_lag=300.0,
            time_lag_critical=3600.0,
            stalled_for=5.0,
            commit_wait=30.0,
            commit_wait_critical=300.0,
            inactive_slot=GB,
            ready_files=1000,
            requested_percent=50,
        ),
    }
)


def with_limits(limits: Thresholds, warning: str | None, critical: str | None) -> Thresholds:
    """The same limits but for a gap, a time, or both (``10MB,30s``) at either severity. Raises ValueError."""
    for text, suffix in ((warning, ""), (critical, "_critical")):
        for figure in text.split(",") if text is not None else ():
            size = _size(figure)
            name, limit = ("replay_gap", size) if size is not None else ("time_lag", seconds(figure))
            limits = replace(limits, **{name + suffix: limit})  # type: ignore[arg-type]
    if limits.replay_gap > limits.replay_gap_critical or limits.time_lag > limits.time_lag_critical:
        raise ValueError("a warning must not come after its critical: give both, or a smaller warning")
    return limits


def size_in_bytes(text: str) -> int:
    """``10MB`` in bytes, by PostgreSQL's units (B, kB, MB, GB, TB; 1024 each). Raises ValueError."""
    found = _size(text)
    if found is None:
        raise ValueError(f"expected a size such as 10MB, found {text!r}")
    return found


def seconds(text: str) -> float:
    """``30s`` in seconds, by PostgreSQL's units (ms, s, min, h, d). Raises ValueError."""
    match = _FIGURE.fullmatch(text.strip())
    if match is None or match[2] not in _DURATIONS:
        raise ValueError(f"expected a size such as 10MB or a time such as 30s, found {text!r}")
    return float(match[1]) * _DURATIONS[match[2]]


def _size(text: str) -> int | None:
    match = _FIGURE.fullmatch(text.strip())
    if match is None or match[2].lower() not in _SIZES:
        return None
    return int(float(match[1]) * _SIZES[match[2].lower()])
