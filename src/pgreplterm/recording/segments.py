"""The files a recording is made of: the one that grows, and older ones that were closed when it had grown enough.

Owns: their names, and one file's growth. Must not: know what is recorded.

A bound on the size is kept by whole files, FILE.000001 and so on, of which the oldest is removed: a closed file is
never written again, so that no moment exists at which a kill or a full disk could spoil what was there before.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Sequence
from pathlib import Path

from pgreplterm.errors import PgReplTermError
from pgreplterm.recording import index
from pgreplterm.recording.frames import MAGIC, Damage, Entry, Kind, scan

_NUMBERED = re.compile(r"\.(\d{6,})")


class RecordingError(PgReplTermError):
    """A recording that cannot be written or read."""


def closed_files(path: Path) -> list[Path]:
    """The older files of a recording, oldest first."""
    found = []
    for other in path.parent.glob(f"{_escaped(path.name)}.*"):
        match = _NUMBERED.fullmatch(other.name, len(path.name))
        if match is not None:
            found.append((int(match[1]), other))
    return [other for _, other in sorted(found)]


def following(path: Path, closed: Sequence[Path]) -> Path:
    """The name under which the growing file will be closed."""
    last = int(closed[-1].name.rpartition(".")[2]) if closed else 0
    return path.with_name(f"{path.name}.{last + 1:06d}")


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


class Growing:
    """The file that is being written; each frame is one write, so that a kill costs the last one at most."""

    def __init__(self, path: Path, append: bool = False) -> None:
        """Create it, for this user only; with append, go on behind its last whole frame. Raises RecordingError."""
        self.path = path
        self.entries: list[Entry] = []
        flags = os.O_RDWR | (0 if append else os.O_CREAT | os.O_EXCL)
        try:
            self._handle = os.open(path, flags, 0o600)
        except FileExistsError:
            raise RecordingError(f"{path}: a file of that name exists; name another, or go on with --append.") from None
        except OSError as error:
            raise RecordingError(f"{path}: expected to write a recording here; {error.strerror}.") from error
        try:
            self._lock()
            self.size = self._end_of_frames() if append else 0
            os.ftruncate(self._handle, self.size)
            if not self.size:
                self._write(MAGIC)
        except BaseException:
            os.close(self._handle)
            raise

    def put(self, kind: Kind, at: float, frame: bytes) -> None:
        """Append a packed frame. Raises RecordingError, and leaves the file as it was, when there is no room."""
        offset = self.size
        self._write(frame)
        self.entries.append(Entry(kind, at, offset))

    def size_with(self, length: int) -> int:
        """How large the closed file would be with a frame of that many bytes more."""
        return self.size + length + index.room(len(self.entries) + 1)

    @property
    def has_snapshots(self) -> bool:
        """Whether a snapshot is in it."""
        return any(entry.kind in (Kind.FULL, Kind.DELTA) for entry in self.entries)

    def close(self, at: float) -> None:
        """Write the index and let go."""
        try:
            self._write(index.packed(self.entries, at, self.size))
            os.ftruncate(self._handle, self.size)  # an interrupted write may have left more
        finally:
            os.close(self._handle)

    def abandon(self) -> None:
        """Let go without an index: a scan finds what is in it."""
        os.close(self._handle)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecordingError(f"{self.path}: another process is writing this recording; name another.") from None

    def _end_of_frames(self) -> int:
        end = 0
        with os.fdopen(os.dup(self._handle), "rb") as file:
            head = file.read(len(MAGIC))
            if head and not MAGIC.startswith(head):
                raise RecordingError(f"{self.path}: expected a recording to go on with, found something else.")
            for piece in scan(file, len(MAGIC)) if head == MAGIC else ():
                if isinstance(piece, Damage) or piece.entry.kind is Kind.INDEX:
                    continue
                self.entries.append(piece.entry)
                end = piece.end
        return end or len(head) // len(MAGIC) * len(MAGIC)

    def _write(self, data: bytes) -> None:
        try:
            written = os.pwrite(self._handle, data, self.size)
            while written < len(data):
                written += os.pwrite(self._handle, data[written:], self.size + written)
        except OSError as error:
            os.ftruncate(self._handle, self.size)
            raise RecordingError(f"{self.path}: expected to write more of the recording; {error.strerror}.") from error
        self.size += len(data)
