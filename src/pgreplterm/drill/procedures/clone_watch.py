"""A base backup as its source reports it while it runs.

Owns: the thread that looks at pg_stat_progress_basebackup. Must not: start or end a backup, or raise: what was not seen
is None.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.errors import PgReplTermError
from pgreplterm.lab.lab import Lab

_LOOK = 0.02


@dataclass
class CloneSeen:
    """streamed: the most bytes that were reported; seconds: from the first look that saw it to the last."""

    streamed: int | None = None
    seconds: float | None = None


@contextmanager
def clone_watched(lab: Lab, source: str) -> Iterator[CloneSeen]:
    """What base backups of that node report meanwhile; complete when left."""
    seen, over = CloneSeen(), threading.Event()
    thread = threading.Thread(target=_look, args=(lab, source, seen, over), name="clone", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(5)


def directory_size(folder: Path) -> int | None:
    """The bytes of all files below a folder; None when it cannot be read."""
    total = 0
    try:
        for path in folder.rglob("*"):
            try:
                status = path.lstat()
            except FileNotFoundError:  # a running server removes files
                continue
            total += status.st_size if path.is_file() and not path.is_symlink() else 0
    except OSError:
        return None
    return total


def _look(lab: Lab, source: str, seen: CloneSeen, over: threading.Event) -> None:
    first = None
    try:
        with lab.connection(source) as link:
            while not over.wait(_LOOK):
                row = link.execute("SELECT max(backup_streamed) FROM pg_stat_progress_basebackup").fetchone()
                if row is None or row[0] is None:
                    continue
                first = first or time.monotonic()
                seen.seconds = time.monotonic() - first
                seen.streamed = max(seen.streamed or 0, int(row[0]))
    except PgReplTermError:
        return
