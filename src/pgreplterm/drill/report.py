"""What a failover drill measured, and how it is told.

Owns: the figures, each with how it was measured, as JSON, Markdown and text. Must not: measure.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgreplterm.drill.loss import ClientView
from pgreplterm.errors import PgReplTermError
from pgreplterm.wal.lsn import LSN

_IDS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class FailoverReport:
    """One failover. Times in seconds, started_at since the epoch, WAL in bytes; None is not measured."""

    lab: str
    server_version: str
    started_at: float
    killed: str
    promoted: str
    timeline_before: int
    timeline_after: int
    fork_lsn: LSN
    at_risk_bytes: int | None
    detection_seconds: float
    promotion_seconds: float
    client: ClientView
    rejoin: str
    rejoin_reason: str
    rejoin_seconds: float
    divergent_bytes: int
    divergent_commits: int
    steps: tuple[tuple[str, float], ...]
    recording: str | None = None  # the file to replay
    predicted_commits: int | None = None
    predicted_rows: int | None = None
    diverged: str | None = None  # the file that lists what only the old primary had


def as_json(report: FailoverReport) -> dict[str, Any]:
    """The report as plain data; keys are a contract."""
    client = report.client
    return {
        "kind": "failover",
        "lab": report.lab,
        "server_version": report.server_version,
        "started_at": report.started_at,
        "killed": report.killed,
        "promoted": report.promoted,
        "timeline_before": report.timeline_before,
        "timeline_after": report.timeline_after,
        "fork_lsn": str(report.fork_lsn),
        "at_risk_bytes": report.at_risk_bytes,
        "detection_seconds": report.detection_seconds,
        "promotion_seconds": report.promotion_seconds,
        "downtime_seconds": client.downtime_seconds,
        "acked": client.acked,
        "lost": len(client.lost_ids),
        "lost_ids": list(client.lost_ids),
        "errors": client.errors,
        "unknown": client.unknown,
        "unknown_but_present": client.unknown_but_present,
        "rejoin": report.rejoin,
        "rejoin_reason": report.rejoin_reason,
        "rejoin_seconds": report.rejoin_seconds,
        "divergent_bytes": report.divergent_bytes,
        "divergent_commits": report.divergent_commits,
        "steps": [{"name": name, "seconds": seconds} for name, seconds in report.steps],
        "recording": report.recording,
        "predicted_commits": report.predicted_commits,
        "predicted_rows": report.predicted_rows,
        "diverged": report.diverged,
    }


def figures(report: FailoverReport) -> Iterator[tuple[str, str, str]]:
    """Name, value, and how it was measured, in the order they are read."""
    client = report.client
    yield "Timeline", f"{report.timeline_before} -> {report.timeline_after}", "of the WAL position, before and after"
    yield "Fork LSN", str(report.fork_lsn), f"history file of timeline {report.timeline_after} on {report.promoted}"
    yield (
        "Detection",
        _ms(report.detection_seconds),
        f"SIGKILL of {report.killed} to: it refuses us, and a standby's walreceiver is gone",
    )
    yield "Promotion", _ms(report.promotion_seconds), f"pg_promote on {report.promoted} to pg_is_in_recovery() = false"
    yield "Downtime", _ms(client.downtime_seconds), "last write acknowledged by the old primary to the first by the new"
    yield "Acknowledged", str(client.acked), f"prober's writes; {client.errors} failed, {client.unknown} unknown"
    yield "Lost", _lost(client), f"acknowledged ids that {report.promoted} does not have, read after recovery"
    yield (
        "Predicted loss",
        _predicted(report),
        f"{report.killed}'s WAL past what {report.promoted} had flushed before it was promoted",
    )
    yield (
        "At risk before",
        "unknown" if report.at_risk_bytes is None else f"{report.at_risk_bytes} bytes",
        "the primary's position minus the best standby's flush LSN, just before the kill",
    )
    yield "Rejoin", report.rejoin, f"{report.killed}: {report.rejoin_reason}"
    yield "Rejoin time", _ms(report.rejoin_seconds), "decision to streaming on the new timeline"


def _lost(client: ClientView) -> str:
    count = len(client.lost_ids)
    if not count:
        return "0"
    shown = ", ".join(map(str, client.lost_ids[:_IDS_SHOWN]))
    return f"{count} ({shown}{', ...' if count > _IDS_SHOWN else ''})"


def _predicted(report: FailoverReport) -> str:
    if report.predicted_commits is None or report.predicted_rows is None:
        return "not measured"
    return f"{report.predicted_commits} commits, {report.predicted_rows} rows"


def _ms(seconds: float | None) -> str:
    return "not measured" if seconds is None else f"{seconds * 1000:.0f} ms"


def as_text(report: FailoverReport) -> str:
    """For a terminal or a pipe."""
    head = f"Failover drill on lab {report.lab} (PostgreSQL {report.server_version}): {report.killed} killed, "
    lines = [head + f"{report.promoted} promoted", ""]
    lines += [f"  {name:<15} {value:<18} {how}" for name, value, how in figures(report)]
    lines += ["", "  Steps"]
    lines += [f"  {seconds * 1000:>8.0f} ms  {name}" for name, seconds in report.steps]
    if report.recording is not None:
        lines += ["", f"  Recorded: pgreplterm replay {shlex.quote(report.recording)}"]
    if report.diverged is not None:
        lines += ["", f"  What only {report.killed} had: {report.diverged}, its WAL beside it"]
    return "\n".join(lines)


def as_markdown(report: FailoverReport) -> str:
    """For an audit folder."""
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(report.started_at))
    lines = [
        f"# Failover drill: {report.lab}",
        "",
        f"{when}, PostgreSQL {report.server_version}. {report.killed} was killed with SIGKILL, "
        f"{report.promoted} was promoted.",
        "",
        "| figure | value | how it was measured |",
        "| --- | --- | --- |",
        *(f"| {name} | {value} | {how} |" for name, value, how in figures(report)),
        "",
        "| step | ms |",
        "| --- | ---: |",
        *(f"| {name} | {seconds * 1000:.0f} |" for name, seconds in report.steps),
        *(() if report.recording is None else ("", f"Recorded: `pgreplterm replay {shlex.quote(report.recording)}`")),
        *(() if report.diverged is None else ("", f"What only {report.killed} had: `{report.diverged}`")),
        "",
    ]
    return "\n".join(lines)


def place_of(folder: Path, lab: str, started_at: float) -> Path:
    """The folder below folder that one drill's report and recording lie in (started_at in epoch seconds)."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(started_at))
    return folder / f"{stamp}-failover-{lab}"


def save(report: FailoverReport, folder: Path) -> tuple[Path, Path]:
    """Write report.json and report.md into a folder of their own below folder; the two paths.

    Raises PgReplTermError when they cannot be written.
    """
    place = place_of(folder, report.lab, report.started_at)
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / "report.json").write_text(json.dumps(as_json(report), indent=2) + "\n", encoding="utf-8")
        (place / "report.md").write_text(as_markdown(report), encoding="utf-8")
    except OSError as error:
        raise PgReplTermError(
            f"{place}: expected to write the report here; {error.strerror}. Name another place with --report-dir."
        ) from error
    return place / "report.json", place / "report.md"
