"""Telling an engine something from another process.

Owns: the lines of ``control.jsonl`` and the signal that aborts. Must not: wait for what comes of it (``follow``).
"""

from __future__ import annotations

import json
import os
import signal
import time
from enum import StrEnum

from pgreplterm.drill.engine import identity
from pgreplterm.drill.engine.standing import Standing, standing_of
from pgreplterm.drill.runs import Run
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import process


class Command(StrEnum):
    """What a run can be told between its steps."""

    PAUSE = "pause"
    RESUME = "resume"
    STEP = "step"
    ANSWER = "answer"


class NotRunning(PgReplTermError):
    """The run has ended, so there is nobody to tell."""


def send(run: Run, command: Command, text: str = "") -> None:
    """Have it hear that before its next step. Raises NotRunning, PgReplTermError."""
    if standing_of(run) is not Standing.RUNNING:
        raise NotRunning(f"the run {run.name} does not run any more; 'pgreplterm drill runs' shows what became of it.")
    line = json.dumps({"t": time.time(), "command": command.value, "text": text}) + "\n"
    try:
        handle = os.open(run.control, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)
    except OSError as error:
        raise PgReplTermError(f"{run.control}: expected to write a command here; {error.strerror}.") from None


def abort(run: Run) -> None:
    """Have it take back what it did and end. Raises NotRunning."""
    found = identity.read(run)
    engine = process.find(found.process) if found is not None else None
    if engine is None or standing_of(run) is not Standing.RUNNING:
        raise NotRunning(f"the run {run.name} does not run any more: there is nothing to abort.")
    process.send([engine], signal.SIGTERM)
