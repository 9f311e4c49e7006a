"""The last checkpoint before a fork, where pg_rewind begins to read.

Owns: finding its record in the segments at and before the fork. Must not: fetch segments, or know a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from typing import IO

from pgreplterm.wal.choice import Choice
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.reader import read
from pgreplterm.wal.rmgr import record_name
from pgreplterm.wal.source import Run, WalSource, open_store
from pgreplterm.wal.stores.store import Entry, gone

_XLOG = 0
_CHECKPOINTS = ("CHECKPOINT_SHUTDOWN", "CHECKPOINT_ONLINE")
_WINDOW = 4  # segments looked into at once, from the fork backwards


def last_checkpoint(source: WalSource, run: Run, fork: LSN) -> LSN | None:
    """The LSN of the last checkpoint record of the run that begins before fork; None when it holds none.

    Raises WalError when a segment cannot be read.
    """
    before = [segment for segment in run.segments if segment.start < fork]
    for end in range(len(before), 0, -_WINDOW):
        # One more than the last window began with: a record may go on in the segment behind.
        window = tuple(before[max(0, end - _WINDOW) : end + 1])
        found = _last(source, Run(run.timeline, window), fork)
        if found is not None:
            return found
    return None


def last_in_files(files: Mapping[str, bytes], fork: LSN) -> LSN | None:
    """The same, for consecutive whole segments by name, as they were read from a server."""
    try:
        source = open_store(_Held(files))
        found = [last_checkpoint(source, run, fork) for run in source.runs]
    except WalError:
        return None
    return max((lsn for lsn in found if lsn is not None), default=None)


def _last(source: WalSource, run: Run, fork: LSN) -> LSN | None:
    narrowed, major = replace(source, runs=(run,)), source.format.major
    found = None
    for record in read(narrowed, Choice(rmgrs=frozenset({_XLOG}), end=fork)):
        if record_name(major, record.row.rmgr, record.row.info) in _CHECKPOINTS and record.lsn < fork:
            found = record.lsn
    return found


class _Held:
    """A store of a few files that are held in memory."""

    where = "pg_wal"

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def locate(self, name: str) -> str:
        return name or self.where

    def entries(self, folder: str = "") -> list[Entry]:  # noqa: ARG002
        return [Entry(f"{self.where}/{name}", len(data)) for name, data in sorted(self._files.items())]

    def open(self, name: str, offset: int = 0) -> IO[bytes]:
        return BytesIO(self.read_at(name, offset, 1 << 62))

    def read_at(self, name: str, offset: int, length: int) -> bytes:
        data = self._files.get(name.removeprefix(f"{self.where}/"))
        if data is None:
            raise gone(self.locate(name))
        return data[offset : offset + length]
