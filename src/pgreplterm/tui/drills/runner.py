"""The run the terminal follows: started from here, or found under way.

Owns: which run that is, its progress, and what it is told.
Must not: run anything itself. The engine is a process in a session of its own: leaving the program, or losing the
terminal, never ends a run half way.
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
from typing import TYPE_CHECKING

from pgreplterm.drill.progress import fold
from pgreplterm.drill.progress_model import Progress, RunState
from pgreplterm.drill.runs import Run
from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.drill.request import Request

LOOK_EVERY = 0.1  # seconds between two looks at a growing journal
GONE = "the engine is gone without a last word"


def start_engine(request: Request) -> Run:
    """The engine of this program; its run once it has begun. Raises PgReplTermError, in the engine's own words."""
    from pgreplterm.drill.engine.start import start

    return start(request)


def heal_command(lab: str) -> list[str]:
    """The command that takes back what a run left half done; the user was asked just before."""
    return [sys.executable, "-m", "pgreplterm", "drill", "heal", "--lab", lab]


@dataclass
class DrillRunner:
    """At most one run at a time; ``progress`` stays after the end, as the last result."""

    engine: Callable[[Request], Run] = start_engine
    healer: Callable[[str], list[str]] = heal_command
    run: Run | None = None
    progress: Progress | None = None
    starting: bool = False
    _over: Path | None = None
    _rereads: bool = False  # healing has begun since the journal was read
    _healing: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def running(self) -> bool:
        """Whether the run that is followed has not said its last word, or one begins or is being healed."""
        return self.starting or self.due

    @property
    def healing(self) -> bool:
        """Whether a process of ours takes back what an interrupted run left."""
        return self._healing is not None and self._healing.poll() is None

    @property
    def wants_healing(self) -> bool:
        """Whether the run was cut off, or could not be made whole."""
        progress = self.progress
        if progress is None or self.healing:
            return False
        broken = progress.state is RunState.FAILED and progress.healed is False
        return broken or progress.state is RunState.INTERRUPTED

    @property
    def what(self) -> str:
        """The name of what runs, with its lab."""
        request = (self.progress.request if self.progress is not None else None) or {}
        name = Path(str(request.get("name") or (self.run.name if self.run is not None else "the drill"))).stem
        return f"{name} on {self.lab}" if self.lab else name

    @property
    def lab(self) -> str:
        """The lab it runs on."""
        request = (self.progress.request if self.progress is not None else None) or {}
        return str(request.get("lab") or "")

    def start(self, request: Request) -> None:
        """Start an engine; waits until it has begun. Raises PgReplTermError when it refuses to."""
        self.starting = True
        try:
            self.attach(self.engine(request), Progress(request=request.document()))
        finally:
            self.starting = False

    def attach(self, run: Run, known: Progress | None = None) -> None:
        """Follow that run from here on."""
        self.run, self.progress = run, known or Progress()

    def look(self, lab: str) -> Run | None:
        """The run on that lab that goes on, or was left half done; None when there is none."""
        from pgreplterm.drill.engine import lock
        from pgreplterm.drill.engine.standing import Standing, standing_of
        from pgreplterm.lab import places

        try:
            found = lock.latest_in(places.find(lab))
        except PgReplTermError:
            return None
        if found is None or found.folder in (self._over, self.run.folder if self.run is not None else None):
            return None
        standing = standing_of(found)
        if standing is Standing.RUNNING or standing.wants_healing:
            return found
        self._over = found.folder  # its journal need not be read again every second
        return None

    @property
    def due(self) -> bool:
        """Whether there is a run whose journal is to be followed."""
        going_on = self.progress is not None and not self.progress.finished
        return self.run is not None and (self.healing or self._rereads or going_on)

    async def follow(self) -> AsyncIterator[Progress]:
        """The progress after each new piece of the journal, from its beginning, until the run has ended."""
        from pgreplterm.drill.engine.identity import is_alive
        from pgreplterm.drill.engine.tail import Tail

        run = self.run
        assert run is not None
        self._rereads = False
        tail, progress = Tail(run.journal), Progress(request=self.progress.request if self.progress else None)
        while self.run is run:
            alive = self.healing or is_alive(run)  # before the look: it may say its last word in between
            events = tail.news()
            for event in events:
                progress = fold(progress, event)
            if not alive and not progress.finished:
                progress = fold(progress, {"t": time.time(), "event": "interrupted", "detail": GONE})
            if events or progress.finished:
                self.progress = progress
                yield progress
            if progress.finished and not self.healing:
                return
            await asyncio.sleep(LOOK_EVERY)

    def tell(self, command: str, text: str = "") -> None:
        """pause, resume, step or answer. Raises PgReplTermError when nobody is there to hear."""
        from pgreplterm.drill.engine.tell import Command, send

        if self.run is not None:
            send(self.run, Command(command), text)

    def abort(self) -> None:
        """Have it take back what it did, and end. Raises PgReplTermError when it has ended."""
        from pgreplterm.drill.engine.tell import abort

        if self.run is not None:
            abort(self.run)

    def heal(self) -> None:
        """Have a process take back what the run left. Raises OSError."""
        assert self.run is not None
        with self._heal_log().open("wb") as log:
            self._healing = subprocess.Popen(
                self.healer(self.lab),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._rereads = True

    def _heal_log(self) -> Path:
        assert self.run is not None
        if os.access(self.run.folder, os.W_OK):
            return self.run.folder / "heal.log"
        return Path(tempfile.mkdtemp(prefix="pgreplterm-heal-")) / "heal.log"
