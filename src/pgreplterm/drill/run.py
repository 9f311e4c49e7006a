"""Running a drill: one at a time for each lab, with its journal and its report.

Owns: the lock, the life of the journal, and the last word in it. Must not: know the steps.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pgreplterm.drill.failover import Failover
from pgreplterm.drill.film import Film
from pgreplterm.drill.journal import Journal
from pgreplterm.drill.report import FailoverReport, as_json, place_of
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab.lab import Lab

_LOCK = ".drill"
Listener = Callable[[dict[str, Any]], None]


def run_failover(lab: Lab, journal_path: Path, listen: Listener, reports: Path | None = None) -> FailoverReport:
    """Run the failover drill on a lab, recording it beside its report-to-be below reports, else beside the journal.

    Raises PgReplTermError when another drill runs there, DrillFailed when a step fails; the journal says which.
    """
    started_at = time.time()
    kept = _kept_paths(lab, journal_path, reports, started_at)
    with _only_drill(lab), closing(Film(_film_path(lab, journal_path, reports, started_at), lab.name)) as film:

        def tell(event: dict[str, Any]) -> None:
            film.mark(narration(event) or _last_words(event), event["t"])
            listen(event)

        journal = Journal(journal_path, tell)
        try:
            journal.write("recording", **film.event())
            report = replace(Failover(lab, journal, film.see, started_at, kept).run(), recording=film.name)
            journal.write("done", report=as_json(report))
        except KeyboardInterrupt:
            journal.write("failed", detail="interrupted")
            raise
        except PgReplTermError as error:
            journal.write("failed", detail=str(error))
            if isinstance(error, DrillFailed):
                raise
            raise DrillFailed(str(error)) from error
        except Exception as error:
            journal.write("failed", detail=f"{type(error).__name__}: {error}")
            raise
        finally:
            journal.close()
    return report


def _film_path(lab: Lab, journal_path: Path, reports: Path | None, started_at: float) -> Path:
    if reports is None:
        return journal_path.with_suffix(".recording")
    return place_of(reports, lab.name, started_at) / "recording"


def _kept_paths(lab: Lab, journal_path: Path, reports: Path | None, started_at: float) -> tuple[Path, ...]:
    """Where what only the old primary has may go; beside the journal when the reports' folder takes nothing."""
    beside = journal_path.with_suffix(".diverged.json")
    return (beside,) if reports is None else (place_of(reports, lab.name, started_at) / "diverged.json", beside)


def _last_words(event: dict[str, Any]) -> str | None:
    if event["event"] == "failed":
        return f"the drill failed: {event['detail']}"
    return "the drill is done" if event["event"] == "done" else None


@contextmanager
def _only_drill(lab: Lab) -> Iterator[None]:
    """Hold the lab's drill lock, with our pid in it; it goes with the process, however that ends."""
    handle = os.open(lab.directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise PgReplTermError(f"a drill is already running on lab {lab.name!r}; wait for it to end.") from None
    try:
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.truncate(handle, 0)
        os.close(handle)


def end_running_drill(lab: Lab) -> None:
    """Interrupt the drill that runs on a lab in another process, if any, and wait until it has let go."""
    try:
        handle = os.open(lab.directory / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if holder := os.pread(handle, 20, 0):
            os.kill(int(holder), signal.SIGTERM)
        fcntl.flock(handle, fcntl.LOCK_EX)
    finally:
        os.close(handle)


def narration(event: dict[str, Any]) -> str | None:
    """One line for stderr about a journal event; None for those that need none."""
    match event["event"]:
        case "step_started":
            return f"{event['step']} ..."
        case "observation":
            return f"  {event['detail']}"
        case "step_done":
            return f"{event['step']}: {event['detail']}" if event["detail"] else None
        case "step_failed":
            return f"{event['step']} failed: {event['detail']}"
    return None
