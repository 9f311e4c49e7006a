"""Starting an engine.

Owns: the run's folder, the detached process, and why it did not begin. Must not: follow it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pgreplterm
from pgreplterm.drill import runs
from pgreplterm.drill.places import writable
from pgreplterm.drill.request import Request
from pgreplterm.drill.runs import Run
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import process
from pgreplterm.lab.process import ProcessId
from pgreplterm.lab.state import replace_file

BEGIN_WITHIN = 60.0
"""Seconds until the journal must be there; it takes half a second unless the machine is starved."""

LOOK_EVERY = 0.01
_FOLDERS = ("PGREPLTERM_LAB_ROOT", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "HOME")
_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def start(request: Request, base: Path | None = None) -> Run:
    """Start an engine that outlives us; its run, once there is a journal. base is where runs are kept.

    Raises PgReplTermError with the engine's own words when it refuses to begin; then no run is left.
    """
    folder = writable((base or runs.default_base()).absolute(), "--report-dir")
    run = runs.new_run(folder, _short(request), request.lab, time.time())
    replace_file(run.request, json.dumps(request.document(), indent=2) + "\n")
    engine = _spawn(run)
    try:
        settled = process.wait_until(
            lambda: run.journal.exists() or not process.is_running(engine), BEGIN_WITHIN, LOOK_EVERY
        )
    except BaseException:  # Ctrl-C before it has begun: it is not to begin behind the user's back
        process.send([found for found in [process.find(engine)] if found is not None], signal.SIGTERM)
        raise
    if run.journal.exists():
        return run
    if settled:
        raise _refusal(run)
    raise PgReplTermError(f"the engine (pid {engine.pid}) did not begin within {BEGIN_WITHIN:.0f} s; see {run.log}.")


def _short(request: Request) -> str:
    """The drill's kind, or the scenario's file without its folder and ending."""
    return _ODD.sub("-", Path(request.name).stem) or request.kind.value


def _spawn(run: Run) -> ProcessId:
    argv = [sys.executable, "-m", "pgreplterm.drill.engine", str(run.folder)]
    try:
        with run.log.open("ab") as log:
            return process.spawn(argv, account=None, output=log, environment=_environment(os.environ))
    except OSError as error:
        raise PgReplTermError(f"the engine cannot be started: {error.strerror}.") from None


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Ours, with folders that hold from any working directory, and this package importable there."""
    folders = {name: str(Path(ours[name]).absolute()) for name in _FOLDERS if ours.get(name)}
    here = str(Path(pgreplterm.__file__).parents[1])
    paths = [here, *(path for path in ours.get("PYTHONPATH", "").split(os.pathsep) if path)]
    absolute = [str(Path(path).absolute()) for path in dict.fromkeys(paths)]
    return {**ours, **folders, "PYTHONPATH": os.pathsep.join(absolute), "PYTHONUNBUFFERED": "1"}


def _refusal(run: Run) -> PgReplTermError:
    """What the engine said last. A sentence of ours leaves nothing to look into; anything else keeps the log."""
    said = run.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    prefix = "pgreplterm: "
    if said and said[-1].startswith(prefix):
        shutil.rmtree(run.folder, ignore_errors=True)
        return PgReplTermError(said[-1].removeprefix(prefix))
    return PgReplTermError(f"the engine ended before it began: {said[-1] if said else 'no message'}; see {run.log}.")
