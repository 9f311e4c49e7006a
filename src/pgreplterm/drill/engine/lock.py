"""One drill at a time for each lab.

Owns: the lab's drill lock, and beside it the pointer to the run that took it last. Must not: run or heal one.

The lock goes with its process, however that ends. The pointer stays, so that from any login the run is found that a
killed process left half done.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.drill.engine import identity
from pgreplterm.drill.engine.standing import standing_of
from pgreplterm.drill.runs import Run
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import process
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults.lock import DRILL_LOCK
from pgreplterm.lab.state import replace_file

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

POINTER = "drill.json"
_LET_GO_WITHIN = 10.0
"""Seconds: a killed process looks dead before the last of its threads, and a child about to be, let go of the lock."""


@contextmanager
def only_drill(lab: Lab, run: Run | None = None) -> Iterator[None]:
    """Hold the lab's drill lock, with our pid in it, and point to the run.

    Raises PgReplTermError while another drill runs there, and when one was cut off there that is to be healed first.
    """
    with _locked(lab):
        if (left := interrupted(lab)) is not None:
            raise PgReplTermError(
                f"the run {left.name} was left half done on lab {lab.name!r}: "
                f"heal it first with 'pgreplterm drill heal --lab {lab.name}'."
            )
        if run is not None:
            _point(lab, run)
        yield


@contextmanager
def only_healer(lab: Lab) -> Iterator[None]:
    """The same lock, for whoever takes back what a killed process left. Raises PgReplTermError while a drill runs."""
    with _locked(lab, _LET_GO_WITHIN):
        yield


def latest(lab: Lab) -> Run | None:
    """The run that took this lab's lock last, running or not; None when there was none, or its folder is gone."""
    return latest_in(lab.directory)


def latest_in(directory: Path) -> Run | None:
    """The same by the lab's folder, for who looks often: a Docker lab is not even asked whether it is there."""
    try:
        folder = Path(json.loads((directory / POINTER).read_text(encoding="utf-8"))["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Run(folder) if folder.is_dir() else None


def interrupted(lab: Lab) -> Run | None:
    """The run that was cut off on this lab, or could not be made whole, and was not healed since."""
    run = latest(lab)
    return run if run is not None and standing_of(run).wants_healing else None


def end_running_drill(lab: Lab) -> None:
    """Interrupt the drill that runs on a lab in another process, if any, and wait until it has let go."""
    try:
        handle = os.open(lab.directory / DRILL_LOCK, os.O_RDWR | os.O_CLOEXEC)
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


@contextmanager
def _locked(lab: Lab, patience: float = 0.0) -> Iterator[None]:
    handle = _open(lab)
    try:
        if not process.wait_until(lambda: _taken(handle), patience):
            what = "a drill is already running" if os.pread(handle, 20, 0) else "a fault is being changed"
            raise PgReplTermError(f"{what} on lab {lab.name!r}; wait for it to end.")
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(lab: Lab) -> int:
    path = lab.directory / DRILL_LOCK
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LabError(f"{path} cannot be opened: {error.strerror}") from None


def _point(lab: Lab, run: Run) -> None:
    """An engine has claimed the run already; a run within another process is claimed here."""
    if not identity.is_alive(run):
        identity.claim(run, lab.name)
    mine = process.myself()
    document = {"run": str(run.folder.absolute()), "pid": mine.pid, "start_time": mine.start_time}
    replace_file(lab.directory / POINTER, json.dumps(document) + "\n")
