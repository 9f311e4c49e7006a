"""One change of a lab's faults at a time.

Owns: the lock that injecting and healing hold, and holding signals back while something is undone. Must not: know what
is done under it. It is not ``state.transaction``, which each operation of ``Lab`` takes for itself.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults.record import FOLDER

DRILL_LOCK = ".drill"
"""Held by a drill as long as it runs, with its pid in it."""

_FATAL_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def alone(directory: Path, narrate: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of the lab's faults, waiting for whoever has it, and keep drills from starting.

    Raises LabError while a drill of another process runs there. The lock goes with the process, however that ends.
    """
    handle = _open(directory / FOLDER / ".lock")
    try:
        _wait(handle, lambda: narrate("waiting for another program that injects or heals a fault on this lab"))
        with _no_drill(directory):
            yield
    finally:
        os.close(handle)


@contextmanager
def held_back() -> Iterator[None]:
    """Deliver the first signal that would end the program only when the work is done; a second one is not held back.

    Handlers rather than a mask: a mask would be inherited by the servers and the relay that a heal starts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    before = {number: signal.getsignal(number) for number in _FATAL_SIGNALS}

    def hold(number: int, frame: object) -> None:  # noqa: ARG001
        if pending:
            restore()
            signal.raise_signal(number)
        pending.append(number)

    def restore() -> None:
        for number, handler in before.items():
            if handler is not None:  # None: not set from Python, and not ours to keep
                signal.signal(number, handler)

    for number, handler in before.items():
        if handler not in (None, signal.SIG_IGN):
            signal.signal(number, hold)
    try:
        yield
    finally:
        restore()
    if pending:
        signal.raise_signal(pending[0])


@contextmanager
def _no_drill(directory: Path) -> Iterator[None]:
    """Share the drill's lock, which keeps one from starting; a drill of this very process may inject faults itself."""
    handle = _open(directory / DRILL_LOCK)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if os.pread(handle, 20, 0) != str(os.getpid()).encode():
                raise LabError(
                    f"a drill runs on lab {directory.name!r}: wait for it to end before you change a fault"
                ) from None
        yield
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LabError(f"{path} cannot be opened: {error.strerror}") from None


def _wait(handle: int, tell: Callable[[], None]) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        tell()
        fcntl.flock(handle, fcntl.LOCK_EX)
