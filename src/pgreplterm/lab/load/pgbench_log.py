"""pgbench's log of its transactions, read as it grows.

Owns: its files in the lab's folder, which lies in memory: they are sampled, and emptied again and again. Must not:
count transactions; a sample, written when a buffer is full, is no count.

pgbench goes on writing where it was, so an emptied file becomes one with a hole, which takes no room.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

MOST_PER_SECOND = 500
"""Transactions of a second whose duration is kept."""

EMPTY_AT = 1 << 20
"""Bytes read since a file was emptied last."""


class TransactionLog:
    """The log of one pgbench after another."""

    def __init__(self, folder: Path, rate: float) -> None:
        """No file is there yet; rate is in transactions a second."""
        self._prefix = folder / "pgbench"
        self._sample = min(1.0, MOST_PER_SECOND / rate)
        self._read: dict[Path, int] = {}
        self._emptied: dict[Path, int] = {}

    def arguments(self) -> list[str]:
        """What pgbench takes to write it."""
        return ["--log", f"--log-prefix={self._prefix}", f"--sampling-rate={self._sample:.6f}"]

    def durations(self) -> list[float]:
        """Of the transactions logged since the last call, in seconds, without what they began late."""
        found = []
        for path in self._files():
            with suppress(OSError):
                found += [seconds for line in self._new_lines(path) if (seconds := duration(line)) is not None]
        return found

    def remove(self) -> None:
        """No pgbench writes it any more."""
        for path in self._files():
            path.unlink(missing_ok=True)
        self._read.clear()
        self._emptied.clear()

    def _files(self) -> list[Path]:
        return sorted(self._prefix.parent.glob(f"{self._prefix.name}.[0-9]*"))

    def _new_lines(self, path: Path) -> list[str]:
        """Whole lines only; the rest is read again with the next ones."""
        begin = self._read.get(path, 0)
        with path.open("rb") as log:
            log.seek(begin)
            whole, newline, _ = log.read().rpartition(b"\n")
        end = begin + len(whole) + len(newline)
        self._read[path] = end
        if end - self._emptied.get(path, 0) > EMPTY_AT:
            os.truncate(path, 0)
            self._emptied[path] = end
        return whole.decode("ascii", errors="replace").split("\n")


def duration(line: str) -> float | None:
    """Seconds one transaction took from its begin; None of one that failed or was skipped, and of half a line.

    The fields: client, number, microseconds since it was due, script, epoch, microseconds of it, how late it began.
    """
    fields = line.split()
    if len(fields) < 7 or not fields[2].isdigit() or not fields[6].isdigit():
        return None
    return max(0, int(fields[2]) - int(fields[6])) / 1e6
