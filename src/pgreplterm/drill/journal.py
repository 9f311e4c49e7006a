"""The journal of a drill: one JSON object a line, written before and after everything that is done.

Owns: the events and their order on disk. An undo stands in the file before its step is taken, so that whoever finds
the file after a crash knows what was under way.
Must not: do or undo anything.

Events: ``recording`` (path, or detail: why there is none), ``planned`` (detail.steps), ``step_started`` (step, undo),
``observation`` (step, detail), ``step_done`` and ``step_failed`` (step, detail), then one of ``done`` (report) and
``failed`` (detail). ``t`` is in epoch seconds.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pgreplterm.errors import PgReplTermError


class Step:
    """A step under way; what it learns goes into its ``step_done`` line."""

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal = journal
        self.name = name
        self.detail = ""

    def observe(self, detail: str) -> None:
        """Note something seen while the step runs."""
        self._journal.write("observation", step=self.name, detail=detail)


class Journal:
    """Appends events to a file and tells a listener, in that order."""

    def __init__(self, path: Path, listen: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        """Raises PgReplTermError when the file cannot be created."""
        self.path = path
        self._listen = listen
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("a", encoding="utf-8")
        except OSError as error:
            raise PgReplTermError(
                f"{path}: expected to write the drill's journal here; {error.strerror}. Name another with --journal."
            ) from error

    def write(self, event: str, **details: Any) -> None:
        """Append one event; it is on its way to disk before this returns."""
        line = {"t": time.time(), "event": event, **details}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._listen(line)

    def planned(self, steps: Sequence[str]) -> None:
        """What will be done, before anything is."""
        self.write("planned", detail={"steps": list(steps)})

    @contextmanager
    def step(self, name: str, undo: str | None = None) -> Iterator[Step]:
        """Run a step between its two lines; a failure is written, then raised on."""
        self.write("step_started", step=name, undo=undo)
        step = Step(self, name)
        try:
            yield step
        except BaseException as error:
            self.write("step_failed", step=name, detail=str(error) or type(error).__name__)
            raise
        self.write("step_done", step=name, detail=step.detail)

    def close(self) -> None:
        """No more events."""
        self._file.close()
