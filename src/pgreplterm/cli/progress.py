"""How far a long walk has come, on stderr while it goes on.

Owns: the bar, and making room for what is printed meanwhile. Must not: slow the walk down, or leave a trace.

The walk reports to nobody. A thread of its own looks at it ten times a second, and only after the moment in which
most walks are done already, so that these do not even pay for importing what draws the bar.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from pgreplterm.wal.verification import SoFar

_PATIENCE = 0.5  # seconds before there is a bar at all
_REFRESH = 0.1  # seconds


class Bar:
    """A bar for what is so far done, as long as the context lasts, if stderr is a terminal."""

    def __init__(self, so_far: SoFar) -> None:
        self._so_far = so_far
        self._over = threading.Event()
        self._drawing = threading.Lock()
        self._progress: Progress | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Bar:
        if sys.stderr.isatty():
            self._thread = threading.Thread(target=self._show, name="progress")
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Room for something to be printed, on stdout or stderr."""
        with self._drawing:
            if self._progress is not None:
                self._progress.stop()
            yield

    def _show(self) -> None:
        if self._over.wait(_PATIENCE):
            return
        progress = _progress()
        task = progress.add_task("", total=None)
        while not self._over.wait(_REFRESH):
            with self._drawing:
                self._draw(progress, task)
        with self._drawing:
            progress.stop()

    def _draw(self, progress: Progress, task: TaskID) -> None:
        progress.update(task, completed=self._so_far.done, total=self._so_far.total)
        progress.start()
        progress.refresh()
        self._progress = progress


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,  # it would print what is meant for stdout on stderr
        redirect_stderr=False,
        expand=True,
    )
