"""The learner's log: ``progress.jsonl`` in the state folder, one entry a line; it only grows.

Owns: appending whole lines, also when two programs do so at once, and reading past damaged ones. Must not: know what
follows from the entries (``summary``).
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.cluster.words import printable
from pgreplterm.drill.learner.lines import as_line, entry_of
from pgreplterm.drill.learner.model import Entry, Finished
from pgreplterm.drill.places import state_folder
from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.drill.report.model import Report
    from pgreplterm.drill.runs import Run


@dataclass(frozen=True, slots=True)
class Log:
    """What could be read of it; damaged are the numbers of the lines that could not."""

    path: Path
    entries: tuple[Entry, ...] = ()
    damaged: tuple[int, ...] = ()


def default_path() -> Path:
    """Where it is."""
    return state_folder() / "progress.jsonl"


def record(report: Report, run: Run, number: int | None, level: str, teaches: str, path: Path | None = None) -> None:
    """A scenario has come to its end. Raises PgReplTermError when it cannot be noted; the run is none the worse."""
    append(
        Finished(
            name=report.name,
            outcome=report.outcome,
            started_at=report.started_at,
            finished_at=report.ended_at,
            number=number,
            title=report.title,
            level=level,
            teaches=teaches,
            backend=report.backend,
            server_version=report.server_version,
            run=str(run.folder),
            figures={each.key: report.figure(each.key) or each for each in report.figures},
        ),
        path,
    )


def append(entry: Entry, path: Path | None = None) -> None:
    """One more line, on disk before this returns. Raises PgReplTermError."""
    place = path or default_path()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("ab+", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _write(file.fileno(), as_line(entry).encode())
    except OSError as error:
        raise PgReplTermError(
            f"{printable(str(place))}: expected to append to the log of what you have done; {error.strerror}. "
            "Set XDG_STATE_HOME to a folder you may write to."
        ) from error


def read(path: Path | None = None) -> Log:
    """Everything in it, oldest first; a log that is not there is empty. Raises PgReplTermError."""
    place = path or default_path()
    try:
        text = place.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return Log(place)
    except OSError as error:
        raise PgReplTermError(
            f"{printable(str(place))}: expected the log of what you have done; {error.strerror}. "
            "Make it readable, or move it aside to begin again."
        ) from error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    found = [(number, entry_of(line)) for number, line in lines]
    return Log(
        place,
        tuple(entry for _, entry in found if entry is not None),
        tuple(number for number, entry in found if entry is None),
    )


def _write(file: int, line: bytes) -> None:
    """After a line that was torn, on one of its own: a program killed while it wrote costs only its own entry."""
    size = os.fstat(file).st_size
    torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
    rest = memoryview(b"\n" + line if torn else line)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fsync(file)
