"""The runs there were: a folder each, with everything that is known of it.

Owns: the names in such a folder, and finding runs. Must not: start or follow one (``engine``).

    STATE/runs/20261121T200130Z-failover-lab/
        request.json  journal.jsonl  control.jsonl  engine.json  engine.log
        recording/  report.json  report.md  report.html  diverged.json  diverged.json.wal/
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.drill.places import state_folder


@dataclass(frozen=True, slots=True)
class Run:
    """One run's folder; the files in it may or may not be there yet."""

    folder: Path

    @property
    def name(self) -> str:
        """How it is called on the command line."""
        return self.folder.name

    @property
    def request(self) -> Path:
        """What was asked for."""
        return self.folder / "request.json"

    @property
    def journal(self) -> Path:
        """Everything that was done."""
        return self.folder / "journal.jsonl"

    @property
    def control(self) -> Path:
        """What it was told while it ran."""
        return self.folder / "control.jsonl"

    @property
    def engine(self) -> Path:
        """The process that runs it: pid and start time."""
        return self.folder / "engine.json"

    @property
    def log(self) -> Path:
        """What that process said."""
        return self.folder / "engine.log"

    @property
    def recording(self) -> Path:
        """Every tick of it."""
        return self.folder / "recording"

    @property
    def report(self) -> Path:
        """What it measured; .md and .html lie beside it."""
        return self.folder / "report.json"

    @property
    def diverged(self) -> Path:
        """What only one node had, before it was overwritten."""
        return self.folder / "diverged.json"


def default_base() -> Path:
    """Where runs are kept."""
    return state_folder() / "runs"


def new_run(base: Path, what: str, lab: str, now: float) -> Run:
    """A name for a new one; its folder is made. Raises OSError."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    for number in range(1000):
        folder = base / f"{stamp}-{what}-{lab}{f'-{number}' if number else ''}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return Run(folder)
    raise FileExistsError(17, "a thousand runs in one second", str(base))


def runs(base: Path) -> Iterator[Run]:
    """All of them, newest first."""
    try:
        folders = sorted((each for each in base.iterdir() if (each / "request.json").exists()), reverse=True)
    except OSError:
        return
    yield from map(Run, folders)
