"""Where corpora are kept while the tests run: made once, by whichever process of the run wants one first.

Owns: the folder that the processes of one run share, and its end. Must not: know how a corpus is made.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from .corpus import MB, Corpus

_RUN = "PGREPLTERM_TEST_CORPORA"


def begin() -> None:
    """Make the folder; processes started from now on find it."""
    shared = Path("/dev/shm")
    roomy = os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 4 << 30
    os.environ[_RUN] = tempfile.mkdtemp(prefix="pgreplterm-corpora-", dir=shared if roomy else None)


def end() -> None:
    """Remove it, with all that is in it."""
    shutil.rmtree(os.environ.pop(_RUN), ignore_errors=True)


def store(major: int, segment_mb: int, make: Callable[[Path], Corpus]) -> Corpus:
    """That corpus, which all processes share: a test that damages WAL damages a copy (``Corpus.copied``).

    make is called with the folder for its WAL unless some process has made it, or is about to.
    """
    home = Path(os.environ[_RUN]) / f"{major}-{segment_mb}MB"
    home.mkdir(exist_ok=True)
    made = home / "made"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(home / "wal", ignore_errors=True)  # of one who did not finish
            make(home / "wal")
            made.touch()
    return Corpus(major, segment_mb * MB, home / "wal")
