"""The drill as a process of its own, and the journal it leaves.

Owns: starting ``pgreplterm drill run`` in its own session and following its journal.
Must not: stop it. Losing the terminal, or leaving the program, never ends a drill half way; that is why this is
a plain Popen and not asyncio's, whose transport kills the child when the loop closes.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from pgreplterm.drill.places import state_folder, writable
from pgreplterm.errors import PgReplTermError
from pgreplterm.tui.drills.journal import DrillProgress, fold, parse_line

LOOK_EVERY = 0.1  # seconds between looks at a growing journal
Command = Callable[[str, str, Path], list[str]]


def drill_command(kind: str, lab: str, journal: Path) -> list[str]:
    """The command that runs a drill headless; the lab's name was typed by the user just before."""
    return [
        *(sys.executable, "-m", "pgreplterm", "drill", "run", kind),
        *("--lab", lab, "--yes", lab, "--journal", str(journal)),
    ]


def journal_folder() -> Path:
    """Where journals are kept, or the temporary folder when that cannot be written (a read-only home)."""
    try:
        return writable(state_folder() / "drills", "XDG_STATE_HOME")
    except PgReplTermError:
        return Path(tempfile.mkdtemp(prefix="pgreplterm-drill-"))


@dataclass
class DrillRunner:
    """At most one drill at a time; ``progress`` stays after the end, as the last result."""

    command: Command = drill_command
    kind: str = ""
    progress: DrillProgress | None = None
    journal: Path | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def running(self) -> bool:
        """Whether a drill that we started has not said its last word."""
        return self.progress is not None and not self.progress.finished

    def start(self, kind: str, lab: str) -> None:
        """Start the process. Raises OSError when the journal folder or the interpreter cannot be used."""
        stamp = time.strftime("%Y%m%dT%H%M%S")
        self.kind = kind
        self.journal = journal_folder() / f"{lab}-{kind}-{stamp}-{os.getpid()}.jsonl"
        with self.journal.with_suffix(".log").open("wb") as log:
            self._process = subprocess.Popen(
                self.command(kind, lab, self.journal),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.progress = DrillProgress(started=time.time())

    async def follow(self) -> AsyncIterator[DrillProgress]:
        """The progress after each new piece of the journal, until the drill has ended."""
        position = 0
        while self.running:
            exited = self._process is not None and self._process.poll() is not None
            position, lines = self._read(position)
            for line in lines:
                event = parse_line(line)
                if event is not None and self.progress is not None:
                    self.progress = fold(self.progress, event)
            if exited and self.running:
                self._ended_without_a_word()
            if lines or not self.running:
                assert self.progress is not None
                yield self.progress
            await asyncio.sleep(LOOK_EVERY)

    def _read(self, position: int) -> tuple[int, list[str]]:
        assert self.journal is not None
        try:
            with self.journal.open("rb") as file:
                file.seek(position)
                data = file.read()
        except FileNotFoundError:
            return position, []
        complete = data[: data.rfind(b"\n") + 1]
        return position + len(complete), complete.decode("utf-8", "replace").splitlines()

    def _ended_without_a_word(self) -> None:
        assert self.journal is not None and self._process is not None and self.progress is not None
        log = self.journal.with_suffix(".log").read_text("utf-8", "replace").strip().splitlines()
        last = log[-1] if log else f"exit status {self._process.returncode}, no message"
        event = {"t": time.time(), "event": "failed", "detail": last}
        self.progress = fold(self.progress, event)
