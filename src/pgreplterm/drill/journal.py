"""The journal of a drill: one JSON object a line, written before and after everything that is done.

Owns: the events and their order on disk. An undo stands in the file before its step is taken, so that whoever finds
the file after a crash knows what was under way.
Must not: do or undo anything.

Events, in the order they may come. ``t`` is in epoch seconds; "x?" may be null.

    requested      request: a Request as JSON
    recording      path?, detail?: why there is none
    preflight      checks: [{name, verdict, evidence, remedy}]
    planned        steps: [{name, will, why, part}]
    running
    paused         before: the step that waits, why: its explanation   (then ``resumed``)
    asked          question, answers: [...]                            (then ``answered``: answer, right?)
    step_started   step, part, undo: {action, sentence, arguments, until}?
    promoting      node: in the step "promote", just before pg_promote is called
    observation    step, detail
    mark           text, kind: what the curves are marked with
    step_done      step, part, detail        step_failed   step, part, detail
    healing        reason: from here on things are taken back; then for each undo
    undo_started   undo                      undo_done / undo_failed   undo, detail
    not_whole      detail: what could not be made right
    done           report: a Report as JSON  |  failed     detail, healed: whether the lab is whole
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
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
        self._listeners = [listen]
        self._seen: set[str] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
            self._file: IO[str] = path.open("a", encoding="utf-8")
            if torn:  # its writer was killed in the middle of a line
                self._file.write("\n")
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
        self._seen.add(event)
        for listen in self._listeners:
            listen(line)

    def listen(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Tell this one as well, from the next event on."""
        self._listeners.append(listener)

    def has(self, event: str) -> bool:
        """Whether such an event was written here."""
        return event in self._seen

    @contextmanager
    def step(self, name: str, undo: Mapping[str, Any] | None = None, part: str = "") -> Iterator[Step]:
        """Run a step between its two lines; a failure is written, then raised on."""
        self.write("step_started", step=name, part=part, undo=undo)
        step = Step(self, name)
        try:
            yield step
        except BaseException as error:
            self.write("step_failed", step=name, part=part, detail=str(error) or type(error).__name__)
            raise
        self.write("step_done", step=name, part=part, detail=step.detail)

    def close(self) -> None:
        """No more events."""
        self._file.close()
