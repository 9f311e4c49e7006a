"""Writing a recording: snapshots and marks as they come.

Owns: when a full frame is due, when a file is full, what is dropped to keep the bound, and that no secret gets in.
Must not: sample. May be called from several threads.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pgreplterm import __version__
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.recording.codec import plain
from pgreplterm.recording.delta import delta
from pgreplterm.recording.frames import Kind, checksum_of, compress, pack
from pgreplterm.recording.segments import Growing, RecordingError, closed_files, following

SCHEMA = 1  # raised when a field's meaning changes; a field more or less needs no new number
MEGABYTE = 1 << 20
DEFAULT_LIMIT = 100 * MEGABYTE
SMALLEST_LIMIT = MEGABYTE
# Measured on a busy cluster of four: deltas are a third of a full frame, and longer groups gain less than 2 %.
GROUP = 100
_FILES = 8  # the bound is kept by dropping an eighth of it at a time
_LARGEST_FILE = 64 * MEGABYTE
_SUSPECT = re.compile(r"(?i)passw|secret|scram_|postgres(?:ql)?://")


@dataclass(frozen=True, slots=True)
class Written:
    """What a writer has put into the recording so far; dropped counts the older files that made room."""

    path: Path
    snapshots: int = 0
    marks: int = 0
    first: float | None = None
    last: float | None = None
    size: int = 0
    files: int = 1
    dropped: int = 0


class Writer:
    """Writes one recording; a context manager. Every method but ``written`` raises RecordingError."""

    def __init__(
        self, path: Path, *, title: str, interval: float, limit: int = DEFAULT_LIMIT, append: bool = False
    ) -> None:
        """limit is the most bytes all files of the recording may take together, interval the tick in seconds."""
        self._path = path
        self._limit = limit
        self._about = {"program": f"pgreplterm {__version__}", "schema": SCHEMA, "title": title, "interval": interval}
        self._lock = threading.Lock()
        self._closed = [(old, old.stat().st_size) for old in closed_files(path)]
        if self._closed and not append:
            raise RecordingError(f"{self._closed[0][0]}: a recording of that name exists; name another, or --append.")
        self._base: tuple[ClusterSnapshot, bytes, int] | None = None  # the last full snapshot, its text, its checksum
        self._in_group = 0
        self._counts = {"snapshots": 0, "marks": 0, "dropped": 0}
        self._span: tuple[float | None, float | None] = (None, None)
        self._growing: Growing | None = self._begin(append and path.exists())

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def add(self, snapshot: ClusterSnapshot) -> None:
        """Record one tick."""
        with self._lock:
            self._put(snapshot.taken_at, lambda: self._encoded(snapshot))
            self._counts["snapshots"] += 1
            self._span = (self._span[0] or snapshot.taken_at, snapshot.taken_at)

    def mark(self, text: str, at: float | None = None) -> None:
        """Name an instant (epoch seconds; now unless given)."""
        at = time.time() if at is None else at
        body = compress(_text({"text": text}))
        with self._lock:
            self._put(at, lambda: (Kind.MARK, pack(Kind.MARK, at, body)))
            self._counts["marks"] += 1

    def close(self) -> None:
        """Write the index; nothing more may be added."""
        with self._lock:
            growing, self._growing = self._growing, None
            if growing is not None:
                growing.close(time.time())
                self._closed.append((growing.path, growing.size))

    @property
    def written(self) -> Written:
        """What there is."""
        open_files = [] if self._growing is None else [self._growing.size]
        sizes = [size for _, size in self._closed] + open_files
        first, last = self._span
        return Written(self._path, first=first, last=last, size=sum(sizes), files=len(sizes), **self._counts)

    def _begin(self, append: bool = False) -> Growing:
        growing, at = Growing(self._path, append), time.time()
        growing.put(Kind.ABOUT, at, pack(Kind.ABOUT, at, compress(_text(self._about))))
        self._base = None
        return growing

    def _put(self, at: float, make: Callable[[], tuple[Kind, bytes]]) -> None:
        """Append what make returns; it is asked again for a new file, where a delta would have nothing to stand on."""
        if self._growing is None:
            raise RecordingError(f"{self._path}: the recording has ended.")
        try:
            kind, frame = make()
            if self._growing.has_snapshots and self._growing.size_with(len(frame)) > self._largest_file:
                self._growing = self._turned(self._growing)
                kind, frame = make()
            self._make_room(self._growing.size_with(len(frame)))
            self._growing.put(kind, at, frame)
        except RecordingError:
            self._abandon()
            raise

    @property
    def _largest_file(self) -> int:
        return min(self._limit // _FILES, _LARGEST_FILE)

    def _turned(self, full: Growing) -> Growing:
        """Close the growing file under a number, and begin another."""
        self._growing = None
        full.close(time.time())
        old = following(self._path, [path for path, _ in self._closed])
        try:
            self._path.rename(old)
        except OSError as error:
            raise RecordingError(f"{old}: expected to put the full file here; {error.strerror}.") from error
        self._closed.append((old, full.size))
        return self._begin()

    def _abandon(self) -> None:
        """After a failure nothing more is written: a later delta could stand on a frame that never reached the file."""
        growing, self._growing = self._growing, None
        if growing is not None:
            growing.abandon()
            self._closed.append((growing.path, growing.size))

    def _make_room(self, size: int) -> None:
        while self._closed and sum(each for _, each in self._closed) + size > self._limit:
            oldest, _ = self._closed.pop(0)
            oldest.unlink(missing_ok=True)
            self._counts["dropped"] += 1
        if size > self._limit:
            raise RecordingError(
                f"{self._path}: expected one snapshot to fit in {self._limit} bytes, it needs {size}; raise --max-size."
            )

    def _encoded(self, snapshot: ClusterSnapshot) -> tuple[Kind, bytes]:
        """A delta on the last full frame, or a full one when there is none, it is far back, or the delta is no gain."""
        if self._base is not None and self._in_group < GROUP:
            base, text, checksum = self._base
            change = _text(delta(base, snapshot))
            if len(change) < len(text) // 2:
                self._in_group += 1
                body = checksum.to_bytes(4, "big") + compress(change, text)
                return Kind.DELTA, pack(Kind.DELTA, snapshot.taken_at, body)
        text = _text(plain(snapshot))
        frame = pack(Kind.FULL, snapshot.taken_at, compress(text))
        self._base, self._in_group = (snapshot, text, checksum_of(frame)), 1
        return Kind.FULL, frame


def _text(data: Any) -> bytes:
    """Plain data as JSON. What looks as if it could hold a password goes through the one scrubber, string by string."""
    text = json.dumps(data, separators=(",", ":"))
    if _SUSPECT.search(text):
        text = json.dumps(_scrubbed(data), separators=(",", ":"))
    return text.encode()


def _scrubbed(data: Any) -> Any:
    from pgreplterm.cluster.connecting.connect import (
        scrub,  # which loads libpq; here only when there is something to scrub
    )

    if isinstance(data, str):
        return scrub(data)
    if isinstance(data, list):
        return [_scrubbed(item) for item in data]
    if isinstance(data, dict):
        return {key: _scrubbed(item) for key, item in data.items()}
    return data
