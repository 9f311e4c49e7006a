"""Which process runs a run.

Owns: ``engine.json`` in the run's folder. Must not: signal that process (``tell``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pgreplterm.drill.runs import Run
from pgreplterm.lab import process
from pgreplterm.lab.process import ProcessId
from pgreplterm.lab.state import replace_file


@dataclass(frozen=True, slots=True)
class Identity:
    """A process and the lab it works on."""

    process: ProcessId
    lab: str


def claim(run: Run, lab: str) -> Identity:
    """Note that this very process runs it. Raises LabError when there is no room."""
    mine = Identity(process.myself(), lab)
    document = {"pid": mine.process.pid, "start_time": mine.process.start_time, "lab": lab}
    replace_file(run.engine, json.dumps(document) + "\n")
    return mine


def read(run: Run) -> Identity | None:
    """Who runs it, or did; None when nobody has yet, or the file is none of ours."""
    try:
        document = json.loads(run.engine.read_text(encoding="utf-8"))
        return Identity(ProcessId(int(document["pid"]), float(document["start_time"])), str(document["lab"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_alive(run: Run) -> bool:
    """Whether that process still exists; a later one with the same pid is another."""
    found = read(run)
    return found is not None and process.is_running(found.process)
